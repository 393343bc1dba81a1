#include <vlm/model/spec.hpp>

#include <boost/test/unit_test.hpp>

using namespace vlm;

namespace {

// A merger kind of a user's own.
struct Mine {
  template <class E>
  using Layer = TapMerger<E>;
};

// Angles made in a way of one's own.
struct Backwards : Plain1D {
  static int axis(Index, Index, const RopeSection&) { return 2; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model_spec)

BOOST_AUTO_TEST_CASE(released_models_are_composed_of_these_words) {
  static_assert(
      std::is_same_v<Qwen3VL, Vlm<vlm::Encoder<vlm::SigLIP2>, vlm::Merger<vlm::MLP2, vlm::DeepStack<3>>,
                                  vlm::Decoder<vlm::Qwen3, vlm::Dense>, vlm::Rope<vlm::InterleavedM>>>);
  static_assert(Qwen3VL::taps == 3 && !Qwen3VL::sparse);
  static_assert(Qwen3VLMoE::taps == 3 && Qwen3VLMoE::sparse);
  using E = Env<Cpu, F32, Trained>;
  static_assert(std::is_same_v<Qwen3VL::EncoderSpec::Layer<E>, SigLIP2Encoder<E>>);
  static_assert(std::is_same_v<Qwen3VLMoE::DecoderSpec::Layer<E>, Qwen3Decoder<E, MoE::Layer<E>>>);
  static_assert(std::is_same_v<Qwen3VL::RopeSpec::RopeKind, InterleavedM>);
  BOOST_TEST(Qwen3VL::taps == 3);
}

BOOST_AUTO_TEST_CASE(a_spec_is_empty_and_open) {
  using Own = Vlm<Encoder<SigLIP2>, Merger<Mine, DeepStack<4>>, Decoder<Qwen3, MoE>, Rope<InterleavedM>>;
  static_assert(std::is_empty_v<Own> && Own::taps == 4 && Own::sparse);
  static_assert(Merger<MLP2>::taps == 0);
  BOOST_TEST((std::is_same_v<Own::MergerSpec::MergerKind, Mine>));
}

BOOST_AUTO_TEST_CASE(rope_takes_every_kind) {
  static_assert(std::is_same_v<Rope<Plain1D>::RopeKind, Plain1D>);
  static_assert(std::is_same_v<Rope<SectionedM>::RopeKind, SectionedM>);
  static_assert(std::is_same_v<Rope<Spatial2D>::RopeKind, Spatial2D>);
  static_assert(RotaryKind<Backwards> && !RotaryKind<Dense>);
  using Own = Vlm<Encoder<SigLIP2>, Merger<MLP2>, Decoder<Qwen3, Dense>, Rope<Backwards>>;
  BOOST_TEST((std::is_same_v<Own::RopeSpec::RopeKind, Backwards>));
}

BOOST_AUTO_TEST_SUITE_END()
