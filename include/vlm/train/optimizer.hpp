// AdamW over the trained parameters of a model, with rates and decay of their own for its parts. Frozen parameters
// own nothing here.
#pragma once

#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/buffer.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/io/safetensors.hpp>
#include <vlm/model/load.hpp>
#include <vlm/model/network.hpp>
#include <vlm/ops/adamw.hpp>
#include <vlm/ops/reduce.hpp>

namespace vlm {

struct AdamWSettings {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, decay = 0.01;
  bool decay_vectors = false;  // norms and biases
  bool decay_tables = true;    // token and position tables
  double clip = 1;             // largest global gradient norm; 0 for none
};

// What a part of the model has in place of the run's learning rate and decay. A head that is the token table belongs
// to the decoder.
struct PartSettings {
  std::optional<double> learning_rate{}, decay{};
  bool empty() const { return !learning_rate && !decay; }
};
struct PartsSettings {
  PartSettings encoder{}, merger{}, decoder{}, head{};

  template <class F>
  void for_each(F&& f) const {
    f("encoder", encoder);
    f("merger", merger);
    f("decoder", decoder);
    f("head", head);
  }
};

namespace detail {

// Values of a checkpoint; FileError where it has others under the name.
inline void read_saved_values(const SafetensorsFile& file, const std::string& path, const std::string& name,
                              std::span<float> values, std::string_view error) {
  const StoredTensor* tensor = file.find(name);
  if (!tensor || tensor->dtype != DType::F32 || tensor->bytes.size() != values.size_bytes())
    throw FileError(error, {{"file", path},
                            {"tensor", name},
                            {"expected", "F32 [" + std::to_string(values.size()) + "]"},
                            {"got", tensor ? shape_text(tensor->shape) : "no such tensor"},
                            {"try", "resume with the stage and model that wrote the checkpoint"}});
  std::memcpy(values.data(), tensor->bytes.data(), values.size_bytes());
}

}  // namespace detail

class AdamWOptimizer {
 public:
  // `learning_rate` is the run's peak, to which the rates of parts relate. Throws ConfigError [recipe] for settings of
  // a part of which nothing trains.
  AdamWOptimizer(std::span<Parameter> parameters, const AdamWSettings& settings,
                 const PartsSettings& parts = {}, double learning_rate = 1)
      : settings_(settings) {
    std::size_t total = 0;
    for (Parameter& p : parameters)
      if (p.trained) {
        const PartSettings& part = settings_of(p.name, parts);
        trained_.push_back(&p);
        decays_.push_back(decays(p) ? part.decay.value_or(settings.decay) : 0);
        rate_shares_.push_back(part.learning_rate ? *part.learning_rate / learning_rate : 1);
        total += p.value.size();
      }
    check_parts(parts);
    moments_ = Buffer<Cpu>(2 * total * sizeof(float));
    float* next = reinterpret_cast<float*>(moments_.data());
    for (Parameter* p : trained_) {
      first_.push_back({next, p->value.size()});
      second_.push_back({next + total, p->value.size()});
      next += p->value.size();
    }
  }

  // The Euclidean norm of all gradients together.
  double gradient_norm(Runtime<Cpu>& s) const {
    double sum = 0;
    const View<double, 1, Cpu> result(&sum, Shape<1>{{1}});
    for (const Parameter* p : trained_)
      s.run(SquaredNorm<Cpu, float>{.x = flat<const float>(p->gradient), .result = result});
    return std::sqrt(sum);
  }

  // The same of all trained values; not finite where one of them is not.
  double value_norm(Runtime<Cpu>& s) const {
    double sum = 0;
    const View<double, 1, Cpu> result(&sum, Shape<1>{{1}});
    for (const Parameter* p : trained_)
      s.run(SquaredNorm<Cpu, float>{.x = flat<const float>(p->value), .result = result});
    return std::sqrt(sum);
  }

  // Update number `step` (from 1) with gradients of global norm `norm`, which are scaled down to the clip. A part with
  // a rate of its own takes that share of `rate`.
  void update(Runtime<Cpu>& s, Index step, double rate, double norm) {
    const double scale = settings_.clip > 0 && norm > settings_.clip ? settings_.clip / (norm + 1e-6) : 1.0;
    for (std::size_t i = 0; i < trained_.size(); ++i)
      s.run(AdamW<Cpu, float>{.parameter = flat<float>(trained_[i]->value),
                              .first_moment = flat<float>(first_[i]),
                              .second_moment = flat<float>(second_[i]),
                              .gradient = flat<const float>(trained_[i]->gradient),
                              .gradient_scale = scale,
                              .learning_rate = rate * rate_shares_[i],
                              .beta1 = settings_.beta1,
                              .beta2 = settings_.beta2,
                              .eps = settings_.eps,
                              .decay = decays_[i],
                              .step = step});
  }

  // The moments as a safetensors file; reading throws FileError [optimizer-state] for another model's.
  void write(const std::string& path) const {
    SafetensorsWriter writer(path);
    each_moment([&](const std::string& name, std::span<float> moment) {
      writer.declare(name, DType::F32, {static_cast<Index>(moment.size())});
    });
    each_moment(
        [&](const std::string& name, std::span<float> moment) { writer.write(name, std::as_bytes(moment)); });
    writer.commit();
  }
  void read(const std::string& path) {
    const SafetensorsFile file(path);
    each_moment([&](const std::string& name, std::span<float> moment) {
      detail::read_saved_values(file, path, name, moment, "optimizer-state");
    });
  }
  std::size_t moment_bytes() const { return moments_.size(); }

 private:
  bool decays(const Parameter& p) const {
    if (p.record->stored_shape().size() < 2) return settings_.decay_vectors;
    const bool table = p.name.ends_with("embed_tokens.weight") || p.name.ends_with("pos_embed.weight");
    return !table || settings_.decay_tables;
  }
  static const PartSettings& settings_of(std::string_view name, const PartsSettings& parts) {
    if (detail::in_merger(name)) return parts.merger;
    if (detail::in_encoder(name)) return parts.encoder;
    return name.starts_with("lm_head.") ? parts.head : parts.decoder;
  }
  void check_parts(const PartsSettings& parts) const {
    parts.for_each([&](std::string_view name, const PartSettings& part) {
      bool trains = part.empty();
      for (const Parameter* p : trained_) trains = trains || &settings_of(p->name, parts) == &part;
      if (!trains)
        throw ConfigError("recipe", {{"setting", "parts." + std::string(name)},
                                     {"expected", "settings of parts that train in this stage"},
                                     {"got", "a part of which nothing trains"},
                                     {"try", "a stage that trains it, or no settings for it"}});
    });
  }

  template <class T, class U>
  static View<T, 1, Cpu> flat(std::span<U> values) {
    return {values.data(), Shape<1>{{static_cast<Index>(values.size())}}};
  }
  template <class F>
  void each_moment(F&& f) const {
    for (std::size_t i = 0; i < trained_.size(); ++i) {
      f(trained_[i]->name + ".first_moment", first_[i]);
      f(trained_[i]->name + ".second_moment", second_[i]);
    }
  }

  AdamWSettings settings_;
  std::vector<Parameter*> trained_;
  std::vector<double> decays_, rate_shares_;  // of each
  std::vector<std::span<float>> first_, second_;
  Buffer<Cpu> moments_;
};

}  // namespace vlm
