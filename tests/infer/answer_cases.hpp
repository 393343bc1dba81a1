// The stored cases with one sample (tests/golden/cases), each with a model of its own type that has the case's weights.
#pragma once

#include <string>

#include "model/golden.hpp"

namespace golden {

using One = vlm::Vlm<vlm::Encoder<vlm::SigLIP2>, vlm::Merger<vlm::MLP2, vlm::DeepStack<1>>,
                     vlm::Decoder<vlm::Qwen3, vlm::Dense>, vlm::Rope<vlm::InterleavedM>>;
using OneMoE = vlm::Vlm<vlm::Encoder<vlm::SigLIP2>, vlm::Merger<vlm::MLP2, vlm::DeepStack<1>>,
                        vlm::Decoder<vlm::Qwen3, vlm::MoE>, vlm::Rope<vlm::InterleavedM>>;

// Calls use(case, net), the net of the type that the case's config says.
template <class Use>
void with_case(const std::string& folder, Use&& use) {
  const Case test(folder);
  const auto call = [&]<class Spec>() {
    auto net = vlm::Model<Spec, vlm::Cpu, vlm::F32, vlm::Trainable<vlm::part::All>>::make(test.config, 1);
    for (vlm::Parameter& p : net.parameters()) fill_parameter(p, test.seed);
    use(test, net);
  };
  const bool three = test.config.vision.taps.size() == 3;
  if (test.config.text.experts > 0)
    three ? call.template operator()<vlm::Qwen3VLMoE>() : call.template operator()<OneMoE>();
  else
    three ? call.template operator()<vlm::Qwen3VL>() : call.template operator()<One>();
}

}  // namespace golden
