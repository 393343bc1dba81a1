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

// Calls f(model) with one of eight types: dense or sparse, with 0 to 3 DeepStack taps. f returns the same type for
// each. `Trains` names the parts that train, none by default.
template <class Device = Cpu, class Precision = F32, class Trains = Trainable<>, class F>
auto with_model(const std::string& folder, F&& f, FrozenWeights frozen = FrozenWeights::Stored) {
  const ModelConfig config = ModelConfig::load(folder);
  const auto call = [&]<class FeedForward, int Taps>() {
    using Spec =
        Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<Taps>>, Decoder<Qwen3, FeedForward>, Rope<InterleavedM>>;
    auto model = Model<Spec, Device, Precision, Trains>::load(folder, frozen);
    return std::forward<F>(f)(model);
  };
  const auto call_with_taps = [&]<int Taps>() {
    return config.text.experts > 0 ? call.template operator()<MoE, Taps>()
                                   : call.template operator()<Dense, Taps>();
  };
  switch (config.vision.taps.size()) {
    case 0:
      return call_with_taps.template operator()<0>();
    case 1:
      return call_with_taps.template operator()<1>();
    case 2:
      return call_with_taps.template operator()<2>();
    case 3:
      return call_with_taps.template operator()<3>();
    default:
      break;
  }
  const std::string taps = std::to_string(config.vision.taps.size());
  throw ConfigError("config-type",
                    {{"file", folder + "/config.json"},
                     {"at", "vision_config.deepstack_visual_indexes"},
                     {"expected", "at most 3 taps"},
                     {"got", taps},
                     {"try", "a program that names the type: Merger<MLP2, DeepStack<" + taps + ">>"}});
}

}  // namespace vlm
