// with_model(folder, f): loads a folder as the model type that its config.json describes, and gives the model
// to f. For programs that take any model; whoever knows the type writes Model<Spec, Device>::load(folder).
#pragma once

#include <string>
#include <utility>

#include <vlm/core/error.hpp>
#include <vlm/model/config.hpp>
#include <vlm/model/model.hpp>
#include <vlm/model/spec.hpp>

namespace vlm {

// Calls f(model) with one of four types: dense or sparse, with 1 or 3 DeepStack taps. f returns the same type for
// each. `Trains` names the parts that train, none by default.
template <class Device = Cpu, class Precision = F32, class Trains = Trainable<>, class F>
auto with_model(const std::string& folder, F&& f) {
  using Visual = Encoder<SigLIP2>;
  using OneTap = Merger<MLP2, DeepStack<1>>;
  using ThreeTaps = Merger<MLP2, DeepStack<3>>;
  using Turns = Rope<InterleavedM>;
  const auto call = [&]<class MergerPart, class FeedForward>() {
    using Spec = Vlm<Visual, MergerPart, Decoder<Qwen3, FeedForward>, Turns>;
    auto model = Model<Spec, Device, Precision, Trains>::load(folder);
    return std::forward<F>(f)(model);
  };
  const ModelConfig config = ModelConfig::load(folder);
  const std::size_t taps = config.vision.taps.size();
  if (taps != 1 && taps != 3)
    throw ConfigError("config-type", {{"file", folder + "/config.json"},
                                      {"at", "vision_config.deepstack_visual_indexes"},
                                      {"expected", "1 or 3 taps"},
                                      {"got", std::to_string(taps)},
                                      {"try", "a program that names the type: Merger<MLP2, DeepStack<" +
                                                  std::to_string(taps) + ">>"}});
  if (config.text.experts > 0)
    return taps == 1 ? call.template operator()<OneTap, MoE>() : call.template operator()<ThreeTaps, MoE>();
  return taps == 1 ? call.template operator()<OneTap, Dense>() : call.template operator()<ThreeTaps, Dense>();
}

}  // namespace vlm
