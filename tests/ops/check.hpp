// What is tested of an operation at one of its sizes: values against the fp64 reference, backward against finite
// differences, bits for any number of threads, any layout of memory and any part of the rows, at each
// instruction-set level of this machine. And that its sizes hold the shapes that kernels get wrong.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <vlm/core/config.hpp>
#include <vlm/core/runtime.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#endif

#include "tensors.hpp"

namespace vlm::tests {

// The gradient `of` an input is found in the tensor `in`.
struct Gradient {
  std::string of, in;
};

// Shapes that every operation is tested on, unless it says why it cannot have them.
enum class Hostile { NoRows, OneRow, OddRows, OddColumns, SegmentOfOneRow };
inline constexpr const char* hostile_names[] = {"no rows", "one row", "an odd number of rows over 16",
                                                "an odd number of columns over 16", "a segment of one row"};
struct Spared {
  Hostile shape;
  std::string why;
};

// What one run does beside moving the tensors that it is given. Bytes: where it moves only a part of them.
struct Work {
  double flop = 0, exponentials = 0, bytes = 0;
};

// An operation at one of its sizes.
struct Case {
  std::string text;
  double tolerance = 0;
  Index rows = 0;  // of the batch
  Work work = {};
  Tensors tensors = {};
  std::function<void(Runtime<Cpu>&, const Memory&)> run = nullptr;
  std::function<void(Tensors&)> reference = nullptr;
  std::function<double(const Tensors&)> objective = nullptr;
  std::vector<Gradient> gradients = {};
  std::function<void(Tensors&, Index, Index)> cut = nullptr;
};

namespace detail {

inline std::vector<IsaLevel> levels() {
  std::vector<IsaLevel> result;
  for (int level = 0; level <= static_cast<int>(best_isa_level()); ++level)
    result.push_back(static_cast<IsaLevel>(level));
  return result;
}

// Runtimes of 1, 2 and 7 threads.
struct Runtimes {
  explicit Runtimes(IsaLevel level) : one(1, level), two(2, level), seven(7, level) {}
  Runtime<Cpu> one, two, seven;
};

inline double largest_difference(const Table& a, const Table& b) {
  double largest = 0;
  for (Index i = 0; i < a.count(); ++i) {
    const double difference = std::fabs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference;  // a NaN stays
    if (std::isnan(largest)) return INFINITY;
  }
  return largest;
}
inline double largest(const Table& a) { return largest_difference(a, Table(a.rows, a.columns)); }

// max |a - b| / max |b|; the plain difference where the reference is nearly zero.
inline double error(const Table& a, const Table& b) {
  const double size = largest(b);
  return size < 1e-8 ? largest_difference(a, b) : largest_difference(a, b) / size;
}

inline bool same_bits(const Table& a, const Table& b) {
  return a.count() == b.count() && (a.count() == 0 || std::memcmp(a.values.data(), b.values.data(),
                                                                  a.values.size() * sizeof(double)) == 0);
}

inline Tensors compute_once(Runtime<Cpu>& runtime, const Case& c, const Tensors& tensors,
                            const Layout& layout) {
  const Memory memory(tensors, layout);
  runtime.plan([&] { c.run(runtime, memory); });
  {
    // Scratch holds what the last operation left there: here NaNs.
    const auto scope = runtime.scope();
    const auto bytes = static_cast<Index>(runtime.reserved_bytes());
    if (bytes > 0) std::memset(runtime.scratch<std::byte>(bytes).data, 0xff, static_cast<std::size_t>(bytes));
  }
  c.run(runtime, memory);
  const std::string spoiled = memory.spoiled();
  BOOST_CHECK_MESSAGE(spoiled.empty(), "writes outside its outputs, near " << spoiled);
  return memory.read(tensors);
}

inline void compare_values(const Case& c, const Tensors& ours, const Tensors& expected) {
  for (const Tensor& tensor : expected.all) {
    if (tensor.role == Role::Input) continue;
    const double got = error(ours[tensor.name], tensor.values);
    BOOST_CHECK_MESSAGE(got <= (tensor.format == DType::I32 ? 0 : c.tolerance),
                        tensor.name << " has error " << got << ", allowed " << c.tolerance);
  }
}

inline void compare_bits(const Tensors& got, const Tensors& expected, const std::string& how,
                         const std::vector<std::string>& left_out = {}) {
  for (const Tensor& tensor : expected.all) {
    if (tensor.role == Role::Input || std::count(left_out.begin(), left_out.end(), tensor.name) > 0) continue;
    BOOST_CHECK_MESSAGE(same_bits(got[tensor.name], tensor.values), tensor.name << " has other bits " << how);
  }
}

inline void check_threads_and_layouts(const Case& c, Runtimes& runtimes, const Tensors& ours) {
  const Tensors& t = c.tensors;
  compare_bits(compute_once(runtimes.two, c, t, {}), ours, "with two threads");
  compare_bits(compute_once(runtimes.one, c, t, {.loose = true}), ours, "in views with a pitch");
  compare_bits(compute_once(runtimes.seven, c, t, {.loose = true}), ours, "with seven threads");
  std::vector<std::string> optional;
  for (const Tensor& tensor : t.all) {
    if (tensor.is_optional) optional.push_back(tensor.name);
    if (tensor.shares.empty()) continue;
    const Layout in_place{.shared = tensor.name};
    compare_bits(compute_once(runtimes.two, c, t, in_place), ours, "in place");
  }
  for (const std::string& name : optional) {
    const Layout without{.left_out = {name}};
    compare_bits(compute_once(runtimes.one, c, t, without), ours, "without " + name, without.left_out);
  }
  const Layout without_all{.left_out = optional};
  if (optional.size() > 1)
    compare_bits(compute_once(runtimes.one, c, t, without_all), ours, "without optional outputs", optional);
}

inline Table rows_of(const Table& table, Index first, Index count) {
  Table part(count, table.columns);
  std::copy_n(table.values.begin() + first * table.columns, count * table.columns, part.values.begin());
  return part;
}

inline Tensors part_of(const Case& c, Tensors tensors, Index first, Index count) {
  for (Tensor& tensor : tensors.all)
    if (tensor.is_row_wise) tensor.values = rows_of(tensor.values, first, count);
  if (c.cut) c.cut(tensors, first, count);
  return tensors;
}

inline void check_parts(const Case& c, Runtimes& runtimes, const Tensors& ours) {
  Index rows = 0;
  for (const Tensor& tensor : c.tensors.all)
    if (tensor.is_row_wise && tensor.role != Role::Input) rows = tensor.values.rows;
  if (rows < 2) return;
  const Index parts[][2] = {{0, 1}, {rows - 1, 1}, {1, rows - 1}, {rows / 3, (rows + 1) / 2}};
  for (const auto& [first, count] : parts) {
    const Tensors got =
        compute_once(runtimes.two, c, part_of(c, c.tensors, first, count), {.loose = first % 2 == 1});
    for (const Tensor& tensor : ours.all)
      if (tensor.is_row_wise && tensor.role != Role::Input)
        BOOST_CHECK_MESSAGE(same_bits(got[tensor.name], rows_of(tensor.values, first, count)),
                            tensor.name << " has other bits when rows " << first << " to " << first + count
                                        << " are computed alone");
  }
}

// Central differences of the reference's forward at some elements, against both backwards.
inline void check_gradients(const Case& c, const Tensors& expected, const std::vector<Tensors>& ours) {
  for (const Gradient& gradient : c.gradients) {
    const auto change = [&](const Tensors& after, Index i) {
      const bool added = c.tensors.find(gradient.in)->role == Role::Added;
      return after[gradient.in][i] - (added ? c.tensors[gradient.in][i] : 0);
    };
    Tensors moved = c.tensors;
    Table& point = moved.at(gradient.of).values;
    double size = 1e-3;
    for (Index i = 0; i < point.count(); ++i) size = std::fmax(size, std::fabs(change(expected, i)));
    for (Index i = 0; i < point.count(); i += std::max<Index>(1, point.count() / 7)) {
      const double middle = point[i], step = 1e-5 * std::fmax(1, std::fabs(middle));
      point[i] = middle + step;
      const double above = c.objective(moved);
      point[i] = middle - step;
      const double slope = (above - c.objective(moved)) / (2 * step);
      point[i] = middle;
      BOOST_CHECK_MESSAGE(std::fabs(slope - change(expected, i)) <= 1e-6 * size,
                          "reference " << gradient.in << "[" << i << "] is " << change(expected, i)
                                       << ", finite differences give " << slope);
      for (const Tensors& at_level : ours)
        BOOST_CHECK_MESSAGE(std::fabs(slope - change(at_level, i)) <= (2 * c.tolerance + 1e-6) * size,
                            "our " << gradient.in << "[" << i << "] is " << change(at_level, i)
                                   << ", finite differences give " << slope);
    }
  }
}

inline void check_case(const Case& c, std::vector<std::unique_ptr<Runtimes>>& runtimes) {
  BOOST_TEST_CONTEXT(c.text) {
    Tensors expected = c.tensors;
    c.reference(expected);
    std::vector<Tensors> ours;
    for (const auto& at_level : runtimes) {
      BOOST_TEST_CONTEXT("at level " << name_of(at_level->one.queue().level())) {
        ours.push_back(compute_once(at_level->one, c, c.tensors, {}));
        compare_values(c, ours.back(), expected);
        check_threads_and_layouts(c, *at_level, ours.back());
        check_parts(c, *at_level, ours.back());
      }
    }
    Index largest_count = 0;
    for (const Tensor& tensor : c.tensors.all) largest_count = std::max(largest_count, tensor.values.count());
    if (largest_count <= 4000) check_gradients(c, expected, ours);
  }
}

inline bool is_odd_and_large(Index size) { return size > 16 && size % 2 == 1; }

inline bool is_of(Hostile shape, const Case& c) {
  if (shape == Hostile::NoRows) return c.rows == 0;
  if (shape == Hostile::OneRow) return c.rows == 1;
  if (shape == Hostile::OddRows) return is_odd_and_large(c.rows);
  for (const Tensor& t : c.tensors.all) {
    const bool is_offsets = t.role == Role::Input && t.name.find("offsets") != std::string::npos;
    if (shape == Hostile::OddColumns && !t.is_vector && is_odd_and_large(t.values.columns)) return true;
    for (Index i = 1; shape == Hostile::SegmentOfOneRow && is_offsets && i < t.values.rows; ++i)
      if (t.values.rows > 2 && t.values[i] - t.values[i - 1] == 1) return true;
  }
  return false;
}

// Whether any size of an operation on such tensors can have the shape.
inline bool applies(Hostile shape, const Case& c) {
  if (shape != Hostile::OddColumns && shape != Hostile::SegmentOfOneRow) return true;
  for (const Tensor& t : c.tensors.all) {
    if (shape == Hostile::OddColumns && !t.is_vector) return true;
    if (shape == Hostile::SegmentOfOneRow && t.role == Role::Input &&
        t.name.find("offsets") != std::string::npos)
      return true;
  }
  return false;
}

inline void check_hostile_shapes(const std::string& name, const std::vector<Case>& cases,
                                 const std::vector<Spared>& spared) {
  for (const Hostile shape :
       {Hostile::NoRows, Hostile::OneRow, Hostile::OddRows, Hostile::OddColumns, Hostile::SegmentOfOneRow}) {
    const char* text = hostile_names[static_cast<int>(shape)];
    bool is_spared = false, applicable = false, found = false;
    for (const Spared& one : spared) is_spared = is_spared || one.shape == shape;
    for (const Case& c : cases) {
      applicable = applicable || applies(shape, c);
      found = found || is_of(shape, c);
    }
    BOOST_CHECK_MESSAGE(found || is_spared || !applicable, name << " is not tested with " << text);
    BOOST_CHECK_MESSAGE(!(found && is_spared),
                        name << " is tested with " << text << ", and says it cannot be");
  }
}

}  // namespace detail

}  // namespace vlm::tests
