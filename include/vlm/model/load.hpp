// Parameters of a model as run-time records: their memory, reading them from safetensors, writing them back.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <vlm/core/buffer.hpp>
#include <vlm/io/safetensors.hpp>
#include <vlm/nn/init.hpp>

namespace vlm {

// One parameter of a model, under its full name. `value` and `gradient` are set for trained parameters only.
struct Parameter {
  std::string name;
  ParamRecord* record = nullptr;
  bool trained = false;
  Index count = 0;
  std::span<float> value, gradient;
};

namespace detail {

// Throws ConfigError [model-size] where a tensor has more than 2^48 elements: no file holds that, and sums of bytes
// of all tensors stay far below 2^64.
inline Index element_count(const std::vector<Index>& shape) {
  Index count = 1;
  for (Index size : shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count) || count > (Index{1} << 48))
      throw ConfigError("model-size", {{"tensor", shape_text(shape)},
                                       {"expected", "at most 2^48 elements"},
                                       {"try", "the sizes of a real config.json"}});
  return count;
}

inline void widen_tensor(const StoredTensor& tensor, std::span<float> values) {
  const std::byte* bytes = tensor.bytes.data();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (tensor.dtype == DType::BF16) {
      bf16 narrow;
      std::memcpy(&narrow, bytes + 2 * i, 2);
      values[i] = static_cast<float>(narrow);
    } else {
      std::memcpy(&values[i], bytes + 4 * i, 4);
    }
  }
}

// Every fault of a checkpoint in one report.
struct LoadReport {
  std::string missing, surplus, misshapen;
  void add(std::string& list, const std::string& text) {
    list += (list.empty() ? "" : "\n            ") + text;
  }
  bool clean() const { return missing.empty() && surplus.empty() && misshapen.empty(); }
};

}  // namespace detail

// Binds frozen parameters to the mapped file where its format allows, and copies the rest into memory as f32.
// Throws FileError [weights] that lists every missing, surplus and misshapen tensor.
class ParameterStore {
 public:
  std::vector<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }

  // Throws ConfigError [model-size] where a tensor, or all together, has more than 2^48 elements.
  void add(std::string name, ParamRecord& record, bool trained) {
    const Index count = detail::element_count(record.stored_shape());
    total_ += count;
    detail::element_count({total_});
    if (trained) trained_floats_ += padded(count);
    parameters_.push_back({.name = std::move(name),
                           .record = &record,
                           .trained = trained,
                           .count = count,
                           .value = {},
                           .gradient = {}});
  }

  // Gives trained parameters their values and gradients: two ranges, in visiting order, so that each
  // part is one piece.
  void allocate_trained() {
    values_ = Buffer<Cpu>(trained_floats_ * sizeof(float));
    gradients_ = Buffer<Cpu>(trained_floats_ * sizeof(float));
    std::size_t used = 0;
    for (Parameter& p : parameters_) {
      if (!p.trained) continue;
      p.value = {reinterpret_cast<float*>(values_.data()) + used, static_cast<std::size_t>(p.count)};
      p.gradient = {reinterpret_cast<float*>(gradients_.data()) + used, static_cast<std::size_t>(p.count)};
      p.record->bind(p.value.data(), DType::F32);
      used += padded(p.count);
    }
  }

  // Addresses that are never null and never read, in the place of memory: for a model that is only measured.
  void imagine(DType matrices) {
    float* const nowhere = reinterpret_cast<float*>(Buffer<Cpu>::alignment);
    for (Parameter& p : parameters_) {
      p.record->bind(nowhere, p.trained || read_in_f32(p) ? DType::F32 : matrices);
      const auto count = static_cast<std::size_t>(p.count);
      if (p.trained) p.value = p.gradient = {nowhere, count};
    }
  }

  void initialise_all(std::uint64_t seed, float deviation) {
    for (Parameter& p : parameters_) {
      std::span<float> values = p.trained ? p.value : own(p);
      initialise(values, p.record->initial(), seed, p.name, deviation);
    }
  }

  void read(SafetensorsFolder folder, const std::string& path, bool tied) {
    detail::LoadReport report;
    std::unordered_set<std::string_view> known;
    for (Parameter& p : parameters_) {
      known.insert(p.name);
      const StoredTensor* tensor = folder.find(p.name);
      if (!tensor) {
        report.add(report.missing, p.name + " " + shape_text(p.record->stored_shape()));
      } else if (tensor->shape != p.record->stored_shape() || !readable(tensor->dtype)) {
        report.add(report.misshapen,
                   p.name + " expected F32 or BF16 " + shape_text(p.record->stored_shape()) + ", got " +
                       std::string(name_of(tensor->dtype)) + " " + shape_text(tensor->shape));
      }
    }
    for (const StoredTensor* tensor : folder.tensors())
      if (!known.contains(tensor->name) && !(tied && tensor->name == "lm_head.weight"))
        report.add(report.surplus, tensor->name + " " + shape_text(tensor->shape));
    if (!report.clean())
      throw FileError(
          "weights",
          {{"folder", path},
           {"missing", report.missing},
           {"surplus", report.surplus},
           {"misshapen", report.misshapen},
           {"try", "take config.json and the weights from one checkpoint, and the type that fits it"}});
    for (Parameter& p : parameters_) bind(p, *folder.find(p.name));
    files_.push_back(std::move(folder));
  }

  // Writes all parameters under their names: trained ones in f32, untouched ones as they are stored.
  void write(const std::string& path) const {
    SafetensorsWriter writer(path, {{"format", "pt"}});
    for (const Parameter& p : parameters_)
      writer.declare(p.name, p.record->format(), p.record->stored_shape());
    for (const Parameter& p : parameters_)
      writer.write(p.name, {static_cast<const std::byte*>(p.record->data()),
                            static_cast<std::size_t>(p.count) * size_of(p.record->format())});
    writer.commit();
  }

  void zero_gradients() { std::memset(gradients_.data(), 0, gradients_.size()); }
  std::size_t gradient_bytes() const { return trained_floats_ * sizeof(float); }
  // Of all values, whether they lie in memory or in a mapped file.
  std::size_t weight_bytes() const {
    std::size_t bytes = trained_floats_ * sizeof(float);
    for (const Parameter& p : parameters_)
      if (!p.trained) bytes += static_cast<std::size_t>(p.count) * size_of(p.record->format());
    return bytes;
  }

 private:
  static std::size_t padded(Index count) { return (static_cast<std::size_t>(count) + 15) / 16 * 16; }
  // Vectors and the position table; matrices stay in the format of the file.
  static bool read_in_f32(const Parameter& p) {
    return p.record->stored_shape().size() == 1 || p.name.ends_with("pos_embed.weight");
  }
  static bool readable(DType type) { return type == DType::F32 || type == DType::BF16; }

  // Memory of its own for a frozen parameter that cannot stay in the file.
  std::span<float> own(Parameter& p) {
    owned_.emplace_back(static_cast<std::size_t>(p.count) * sizeof(float));
    float* values = reinterpret_cast<float*>(owned_.back().data());
    p.record->bind(values, DType::F32);
    return {values, static_cast<std::size_t>(p.count)};
  }

  void bind(Parameter& p, const StoredTensor& tensor) {
    if (p.trained) return detail::widen_tensor(tensor, p.value);
    if (tensor.aligned() && (tensor.dtype == DType::F32 || !read_in_f32(p)))
      p.record->bind(tensor.bytes.data(), tensor.dtype);
    else
      detail::widen_tensor(tensor, own(p));
  }

  std::vector<Parameter> parameters_;
  Index total_ = 0;
  std::size_t trained_floats_ = 0;
  Buffer<Cpu> values_, gradients_;
  std::vector<Buffer<Cpu>> owned_;
  std::vector<SafetensorsFolder> files_;
};

}  // namespace vlm
