// Parameters of a model as run-time records: their memory, reading them from safetensors, writing them back.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <unordered_set>
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
  const StoredTensor* stored = nullptr;  // what a frozen value was read from; written back byte for byte
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

  // Gives trained parameters their values and gradients: two ranges, in visiting order, so that each
  // part is one piece.
  void allocate_trained() {
    std::size_t total = 0;
    for (const Parameter& p : parameters_) total += p.trained ? padded(p.count) : 0;
    values_ = Buffer<Cpu>(total * sizeof(float));
    gradients_ = Buffer<Cpu>(total * sizeof(float));
    std::size_t used = 0;
    for (Parameter& p : parameters_) {
      if (!p.trained) continue;
      p.value = {reinterpret_cast<float*>(values_.data()) + used, static_cast<std::size_t>(p.count)};
      p.gradient = {reinterpret_cast<float*>(gradients_.data()) + used, static_cast<std::size_t>(p.count)};
      p.record->bind(p.value.data(), DType::F32);
      used += padded(p.count);
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
      writer.declare(p.name, p.stored ? p.stored->dtype : p.record->format(), p.record->stored_shape());
    for (const Parameter& p : parameters_) {
      const std::span<const std::byte> bytes(static_cast<const std::byte*>(p.record->data()),
                                             static_cast<std::size_t>(p.count) * size_of(p.record->format()));
      writer.write(p.name, p.stored ? p.stored->bytes : bytes);
    }
    writer.commit();
  }

  void zero_gradients() { std::memset(gradients_.data(), 0, gradients_.size()); }
  std::size_t gradient_bytes() const { return gradients_.size(); }

 private:
  static std::size_t padded(Index count) { return (static_cast<std::size_t>(count) + 15) / 16 * 16; }
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
    p.stored = &tensor;
    // Vectors and the position table are read in f32; matrices stay in the format of the file.
    const bool high = p.record->stored_shape().size() == 1 || p.name.ends_with("pos_embed.weight");
    if (tensor.aligned() && (tensor.dtype == DType::F32 || !high))
      p.record->bind(tensor.bytes.data(), tensor.dtype);
    else
      detail::widen_tensor(tensor, own(p));
  }

  std::vector<Parameter> parameters_;
  Buffer<Cpu> values_, gradients_;
  std::vector<Buffer<Cpu>> owned_;
  std::vector<SafetensorsFolder> files_;
};

}  // namespace vlm
