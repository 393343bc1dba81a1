// Param<E, Rank>: one tensor of a layer. It owns nothing: planning gives it a place. A frozen parameter has a
// value and nothing else; only a trained one has a gradient.
#pragma once

#include <utility>
#include <vector>

#include <vlm/nn/env.hpp>
#include <vlm/ops/grouped_matmul.hpp>
#include <vlm/ops/matrix.hpp>
#include <vlm/ops/weight_blocks.hpp>

namespace vlm {

// How the first value of a parameter is drawn; see init.hpp.
enum class Initial { Zero, One, Normal };

// The formats of blocks (ops/weight_blocks.hpp) that a parameter may be kept in, each with those before it: none, where
// more than products and look-ups read it; bf16, where its numbers must stay near; or all.
enum class BlockFormats { None, Bf16, All };

// What planning, loading and saving see of a parameter: a run-time record without template arguments.
class ParamRecord {
 public:
  // The shape in a file; it may have more dimensions than the layer uses (a patch embedding's kernel).
  const std::vector<Index>& stored_shape() const { return stored_; }
  Initial initial() const { return initial_; }
  DType format() const { return format_; }
  // A group of matrices may lie turned, in memory as in files: [groups, outputs, inputs] for a stored shape of [groups,
  // inputs, outputs]. Its gradient then lies so, too.
  bool turned() const { return turned_; }
  void turn(bool turned) { turned_ = turned; }
  // The shape in the file at hand.
  std::vector<Index> file_shape() const {
    return turned_ ? std::vector<Index>{stored_[0], stored_[2], stored_[1]} : stored_;
  }
  // The formats of blocks that a loader may keep the value in.
  BlockFormats allowed_blocks() const { return allowed_blocks_; }
  void allow_blocks(BlockFormats formats) { allowed_blocks_ = formats; }
  bool allows(DType blocks) const {
    return allowed_blocks_ == BlockFormats::All ||
           (allowed_blocks_ == BlockFormats::Bf16 && is_bf16_blocks(blocks));
  }
  // Of the value in memory.
  std::size_t bytes() const;
  const void* data() const { return data_; }
  void bind(const void* data, DType format) {
    data_ = data;
    format_ = format;
  }

 protected:
  ParamRecord() = default;
  ParamRecord(std::vector<Index> stored, Initial initial) : stored_(std::move(stored)), initial_(initial) {}

 private:
  std::vector<Index> stored_;
  Initial initial_ = Initial::Normal;
  const void* data_ = nullptr;
  DType format_ = DType::F32;
  bool turned_ = false;
  BlockFormats allowed_blocks_ = BlockFormats::None;
};

// The matrices of a parameter whose stored shape is [outputs, inputs] or [count, inputs, outputs].
struct MatrixSizes {
  Index count = 1, outputs = 0, inputs = 0;
  bool grouped = false;

  explicit MatrixSizes(const ParamRecord& record) {
    const std::vector<Index>& shape = record.stored_shape();
    grouped = shape.size() == 3;
    if (grouped) count = shape[0];
    outputs = shape[grouped ? 2 : 0];
    inputs = shape[1];
  }
  std::size_t bytes(DType format) const {
    return static_cast<std::size_t>(count) * matrix_bytes(format, outputs, inputs);
  }
  // How a file holds them in blocks, as bytes.
  std::vector<Index> blocks_shape(DType format) const {
    std::vector<Index> shape = {panels_of(outputs), panel_bytes(format, inputs)};
    if (grouped) shape.insert(shape.begin(), count);
    return shape;
  }
};

inline std::size_t ParamRecord::bytes() const {
  if (is_blocks(format_)) return MatrixSizes(*this).bytes(format_);
  std::size_t count = size_of(format_);
  for (const Index size : stored_) count *= static_cast<std::size_t>(size);
  return count;
}

template <class E, int Rank, bool = E::trained>
class Param;

template <class E, int Rank>
class Param<E, Rank, false> : public ParamRecord {
 public:
  static constexpr bool is_param = true;
  static constexpr bool trained = false;
  static constexpr int rank = Rank;
  using Device = typename E::Device;

  Param() = default;
  explicit Param(Shape<Rank> shape, Initial initial = Initial::Normal)
      : ParamRecord(std::vector<Index>(shape.extent, shape.extent + Rank), initial), shape_(shape) {}
  Param(Shape<Rank> shape, std::vector<Index> stored)
      : ParamRecord(std::move(stored), Initial::Normal), shape_(shape) {}

  const Shape<Rank>& shape() const { return shape_; }

  // The value as an operation takes it: a vector in f32, a matrix or a group of matrices
  // in its stored format.
  View<const float, 1, Device> vector() const
    requires(Rank == 1)
  {
    return {static_cast<const float*>(data()), shape_};
  }
  Matrix<Device> matrix() const
    requires(Rank == 2)
  {
    return Matrix<Device>(data(), format(), shape_[0], shape_[1]);
  }
  // Of shape [groups, inputs, outputs]: input features first, unless it lies turned.
  MatrixGroup<Device> group() const
    requires(Rank == 3)
  {
    Matrix<Device> first(data(), format(), shape_[2], shape_[1]);
    first.input_major = !turned();
    if (first.input_major) first.pitch = shape_[2];
    return {first, shape_[1] * shape_[2], shape_[0]};
  }
  View<float, Rank, Device> gradient() const { return {}; }

 private:
  Shape<Rank> shape_;
};

template <class E, int Rank>
class Param<E, Rank, true> : public Param<E, Rank, false> {
 public:
  static constexpr bool trained = true;
  using Param<E, Rank, false>::Param;
  View<float, Rank, typename E::Device> gradient() const {
    Shape<Rank> shape = this->shape();
    if constexpr (Rank == 3)
      if (this->turned()) std::swap(shape[1], shape[2]);
    return {gradient_, shape};
  }
  void bind_gradient(float* gradient) { gradient_ = gradient; }

 private:
  float* gradient_ = nullptr;
};

template <class T>
concept IsParam = requires { T::is_param; };

}  // namespace vlm
