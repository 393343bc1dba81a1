// The tensors of one test case by name, and the memory that they are laid out in for a run.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <vlm/core/dtype.hpp>
#include <vlm/core/random.hpp>
#include <vlm/ops/grouped_matmul.hpp>

#include "reference/table.hpp"

namespace vlm::tests {

using reference::Table;

// A replaced tensor is read before it is overwritten.
enum class Role { Input, Overwritten, Replaced, Added };

// What an operation reads or writes: values before the operation, and how they are stored.
struct Tensor {
  std::string name;
  Table values;
  Role role = Role::Input;
  DType format = DType::F32;
  bool is_vector = false;
  bool is_row_wise = false;     // its rows are those of the batch
  bool is_optional = false;     // an output that may be left out
  bool is_weight = false;       // a matrix in any format
  bool is_input_major = false;  // stored transposed
  bool is_group = false;        // matrices below each other
  Index blocks = 1;             // how many
  std::string shares = {};      // the input whose memory this output may use

  Tensor& vector() { return is_vector = true, *this; }
  Tensor& by_row() { return is_row_wise = true, *this; }
  Tensor& optional() { return is_optional = true, *this; }
  Tensor& integer() { return format = DType::I32, *this; }
  Tensor& wide() { return format = DType::F64, *this; }
  Tensor& may_be(std::string input) { return shares = std::move(input), *this; }
  Tensor& stored(DType type, bool input_major) {
    return is_weight = true, format = type, is_input_major = input_major, *this;
  }
  Tensor& group_of(Index count) { return is_group = true, blocks = count, *this; }
};

class Tensors {
 public:
  Tensor& input(std::string name, Table values) {
    return put(std::move(name), std::move(values), Role::Input);
  }
  // Starts from numbers that the operation must not use.
  Tensor& output(std::string name, Index rows, Index columns) {
    return put(std::move(name), Table(rows, columns, 12345), Role::Overwritten);
  }
  // An input that the result replaces.
  Tensor& replaced(std::string name, Table values) {
    return put(std::move(name), std::move(values), Role::Replaced);
  }
  // Starts from numbers that the operation adds to.
  Tensor& sum(std::string name, Table values) { return put(std::move(name), std::move(values), Role::Added); }

  const Tensor* find(const std::string& name) const {
    for (const Tensor& tensor : all)
      if (tensor.name == name) return &tensor;
    return nullptr;
  }
  Tensor& at(const std::string& name) {
    for (Tensor& tensor : all)
      if (tensor.name == name) return tensor;
    throw std::logic_error("no tensor " + name);
  }
  // The values of a tensor; a table of no rows where it is absent.
  const Table& operator[](const std::string& name) const {
    static const Table none;
    const Tensor* tensor = find(name);
    return tensor ? tensor->values : none;
  }

  // What the operation makes of an output.
  void result(const std::string& name, const Table& table) {
    Tensor& tensor = at(name);
    if (table.rows != tensor.values.rows || table.columns != tensor.values.columns)
      throw std::logic_error("the result " + name + " has another shape than its tensor");
    for (Index i = 0; i < table.count(); ++i)
      tensor.values[i] = tensor.role == Role::Added ? tensor.values[i] + table[i] : table[i];
  }

  // Names and extents.
  std::string text() const {
    std::string text;
    for (const Tensor& t : all) {
      text += ' ';
      text += t.name;
      text += shape_text(Shape<2>{{t.values.rows, t.values.columns}});
    }
    return text;
  }

  std::vector<Tensor> all;

 private:
  Tensor& put(std::string name, Table values, Role role) {
    all.push_back({.name = std::move(name), .values = std::move(values), .role = role});
    return all.back();
  }
};

// Seeded values that a float holds exactly.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed, "tests") {}

  Table normal(Index rows, Index columns = 1, double size = 1) {
    Table table(rows, columns);
    for (double& value : table.values)
      value = static_cast<float>(size * static_cast<double>(random_.normal(next_++)));
    return table;
  }
  // Around one, as the weights of norms.
  Table around_one(Index rows) {
    Table table = normal(rows, 1, 0.3);
    for (double& value : table.values) value = static_cast<float>(1 + value);
    return table;
  }
  Table below(Index bound, Index rows, Index columns = 1) {
    Table table(rows, columns);
    for (double& value : table.values)
      value = static_cast<double>(random_.below(next_++, static_cast<std::uint64_t>(bound)));
    return table;
  }
  // `count` different numbers below `bound`, in any order.
  Table distinct(Index bound, Index count) {
    std::vector<double> all(static_cast<std::size_t>(bound));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<double>(i);
    for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random_.below(next_++, i)]);
    Table table(count);
    for (Index i = 0; i < count; ++i) table[i] = all[static_cast<std::size_t>(i)];
    return table;
  }

 private:
  Random random_;
  std::uint64_t next_ = 0;
};

inline Table rounded(Table table, DType format = DType::F32) {
  for (double& value : table.values)
    value = format == DType::BF16 ? static_cast<float>(bf16(static_cast<float>(value)))
                                  : static_cast<float>(value);
  return table;
}

// How a run lays out its tensors.
struct Layout {
  bool loose = false;                      // unaligned, rows further apart than they are wide
  bool watched = true;                     // remembers what stood there, for `spoiled`
  std::string shared = {};                 // the output that uses its input's memory
  std::vector<std::string> left_out = {};  // outputs that are not wanted
};

// The bytes behind the views. Around and between the rows stand NaNs: whoever computes with them spoils the
// result, and whoever writes there is found by `spoiled`.
class Memory {
 public:
  Memory(const Tensors& tensors, const Layout& layout) {
    for (const Tensor& tensor : tensors.all) {
      bool wanted = true;
      for (const std::string& name : layout.left_out) wanted = wanted && name != tensor.name;
      if (wanted) places_.push_back(place(tensor, layout));
    }
  }

  // A view, matrix or group of matrices of the tensor; empty where it is absent.
  class Slot {
   public:
    explicit Slot(const Memory& memory, const char* name) : memory_(memory), name_(name) {}
    template <class T, int Rank>
    operator View<T, Rank, Cpu>() const {
      return memory_.view<T, Rank>(name_);
    }
    operator Matrix<Cpu>() const { return memory_.matrix(name_); }
    operator MatrixGroup<Cpu>() const { return memory_.group(name_); }

   private:
    const Memory& memory_;
    const char* name_;
  };
  Slot operator[](const char* name) const { return Slot(*this, name); }

  // The outputs as they stand in memory.
  Tensors read(const Tensors& tensors) const {
    Tensors result = tensors;
    for (Tensor& tensor : result.all)
      if (const Place* place = find(tensor.name); place && tensor.role != Role::Input)
        for (Index i = 0; i < tensor.values.rows; ++i)
          for (Index j = 0; j < tensor.values.columns; ++j)
            tensor.values(i, j) = get(home(*place).bytes.data() + home(*place).offset(i, j), tensor.format);
    return result;
  }

  // Bytes of the tensors that a run asked for; those updated are read and written.
  struct Traffic {
    double read = 0, written = 0, updated = 0;
  };
  Traffic traffic() const {
    Traffic sum;
    for (const Place& place : places_) {
      const double bytes = place.is_used ? static_cast<double>(place.rows * place.columns) *
                                               static_cast<double>(size_of(place.format))
                                         : 0;
      if (place.role != Role::Overwritten) sum.read += bytes;
      if (place.role != Role::Input) sum.written += bytes;
      if (place.role == Role::Replaced || place.role == Role::Added) sum.updated += bytes;
    }
    return sum;
  }

  // The name of the first tensor that was changed outside its elements, or that is an input and was changed.
  std::string spoiled() const {
    for (const Place& place : places_) {
      std::vector<std::byte> expected = place.before;
      for (const Place& writer : places_)
        if (writer.role != Role::Input && &home(writer) == &place)
          for (Index i = 0; i < place.rows * place.columns; ++i) {
            const std::size_t at = place.offset(i / place.columns, i % place.columns);
            std::memcpy(expected.data() + at, place.bytes.data() + at, size_of(place.format));
          }
      if (std::memcmp(expected.data(), place.bytes.data(), expected.size()) != 0) return place.name;
    }
    return "";
  }

 private:
  struct Place {
    std::string name, home;
    Role role = Role::Input;
    DType format = DType::F32;
    bool is_vector = false, turned = false;
    Index rows = 0, columns = 0, blocks = 1;
    Index block_rows = 0, stored_rows = 0, stored_columns = 0, pitch = 0, stride = 0, lead = 0;
    mutable bool is_used = false;
    mutable std::vector<std::byte> bytes;
    std::vector<std::byte> before;

    std::size_t offset(Index i, Index j) const {
      const Index block = i / block_rows, row = i % block_rows;
      const Index element = lead + block * stride + (turned ? j * pitch + row : row * pitch + j);
      return static_cast<std::size_t>(element) * size_of(format);
    }
    void* first() const { return bytes.data() + static_cast<std::size_t>(lead) * size_of(format); }
  };

  static Place place(const Tensor& tensor, const Layout& layout) {
    Place p;
    p.name = tensor.name;
    p.home = layout.shared == tensor.name ? tensor.shares : tensor.name;
    p.role = tensor.role;
    p.format = tensor.format;
    p.is_vector = tensor.is_vector;
    p.turned = tensor.is_input_major;
    p.rows = tensor.values.rows;
    p.columns = tensor.values.columns;
    p.blocks = tensor.blocks;
    p.block_rows = p.rows / p.blocks;
    p.stored_rows = p.turned ? p.columns : p.block_rows;
    p.stored_columns = p.turned ? p.block_rows : p.columns;
    // The inner dimensions of a view of rank three are dense.
    const bool dense_rows = p.is_vector || (tensor.is_group && p.role != Role::Input);
    p.pitch = p.stored_columns + (layout.loose && !dense_rows ? 5 : 0);
    p.stride = p.stored_rows * p.pitch + (layout.loose && p.blocks > 1 ? 7 : 0);
    p.lead = layout.loose ? 3 : 16;
    p.bytes.assign(static_cast<std::size_t>(p.lead + p.blocks * p.stride + 48) * size_of(p.format),
                   std::byte{0xff});
    while (!layout.loose && reinterpret_cast<std::uintptr_t>(p.first()) % 64 != 0) ++p.lead;
    for (Index i = 0; i < p.rows; ++i)
      for (Index j = 0; j < p.columns; ++j)
        put(p.bytes.data() + p.offset(i, j), p.format, tensor.values(i, j));
    if (layout.watched) p.before = p.bytes;
    return p;
  }

  static void put(std::byte* at, DType format, double value) {
    const float narrow = static_cast<float>(value);
    const auto whole = static_cast<std::int32_t>(format == DType::I32 ? value : 0);
    const bf16 half(narrow);
    if (format == DType::F64) std::memcpy(at, &value, sizeof value);
    if (format == DType::F32) std::memcpy(at, &narrow, sizeof narrow);
    if (format == DType::I32) std::memcpy(at, &whole, sizeof whole);
    if (format == DType::BF16) std::memcpy(at, &half, sizeof half);
  }
  static double get(const std::byte* at, DType format) {
    double value = 0;
    float narrow = 0;
    std::int32_t whole = 0;
    if (format == DType::F64) return std::memcpy(&value, at, sizeof value), value;
    if (format == DType::I32) return std::memcpy(&whole, at, sizeof whole), whole;
    return std::memcpy(&narrow, at, sizeof narrow), narrow;
  }

  const Place* find(const std::string& name) const {
    for (const Place& place : places_)
      if (place.name == name) return &place;
    return nullptr;
  }
  const Place& home(const Place& place) const { return *find(place.home); }

  template <class T, int Rank>
  View<T, Rank, Cpu> view(const char* name) const {
    const Place* tensor = find(name);
    if (!tensor) return {};
    tensor->is_used = true;
    const Place& p = home(*tensor);
    if (dtype_of<std::remove_const_t<T>> != p.format || p.is_vector != (Rank == 1))
      throw std::logic_error(std::string(name) + " is stored in another format than it is used");
    View<T, Rank, Cpu> view;
    view.data = static_cast<T*>(p.first());
    const Index extents[] = {p.stored_rows, p.stored_columns};
    view.extent[0] = Rank == 3 ? p.blocks : p.stored_rows;
    for (int axis = 1; axis < Rank; ++axis) view.extent[axis] = extents[axis - Rank + 2];
    view.pitch = Rank == 3 ? p.stride : p.pitch;
    return view;
  }
  Matrix<Cpu> matrix(const char* name) const {
    const Place& p = *find(name);
    p.is_used = true;
    Matrix<Cpu> matrix(p.first(), p.format, p.block_rows, p.columns);
    matrix.pitch = p.pitch;
    matrix.input_major = p.turned;
    return matrix;
  }
  MatrixGroup<Cpu> group(const char* name) const {
    const Place& p = *find(name);
    return {matrix(name), p.stride, p.blocks};
  }

  std::vector<Place> places_;
};

}  // namespace vlm::tests
