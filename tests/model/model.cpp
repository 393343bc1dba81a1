#include <boost/test/unit_test.hpp>

#include "model/golden.hpp"

using namespace vlm;

namespace {

using One = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;
using OneMoE = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, MoE>, Rope<InterleavedM>>;

double relative_error(const std::vector<double>& ours, const std::vector<double>& theirs, std::size_t from) {
  double difference = 0, size = 0;
  for (std::size_t i = from; i < ours.size(); ++i) {
    difference += (ours[i] - theirs[i]) * (ours[i] - theirs[i]);
    size += theirs[i] * theirs[i];
  }
  return std::sqrt(difference / size);
}

template <class Spec>
void check_case(const std::string& folder) {
  BOOST_TEST_CONTEXT(folder) {
    const golden::Case test(folder);
    golden::Run<Spec> run(test, test.seed);
    Batch batch;
    batch.append(test.sample(), test.config);
    std::vector<std::int64_t> positions;
    for (const auto& axis : batch.axes) positions.insert(positions.end(), axis.begin(), axis.end());
    BOOST_TEST(positions == golden::values_of<std::int64_t>(test.file, "position_ids"),
               boost::test_tools::per_element());

    Runtime<Cpu> runtime(2);
    run.forward_and_backward(runtime, batch);
    const auto logits = golden::values_of<float>(test.file, "logits");
    BOOST_REQUIRE_EQUAL(run.logits.size(), logits.size());
    BOOST_TEST(golden::largest_difference(run.logits, logits) <= 1e-4f);
    BOOST_TEST(std::abs(run.loss - golden::values_of<float>(test.file, "loss").at(0)) <= 1e-5);

    std::size_t compared = 0;
    for (const Parameter& p : run.net.parameters()) {
      const auto stored = golden::values_of<float>(test.file, "grad." + p.name);
      BOOST_TEST_CONTEXT(p.name) {
        BOOST_REQUIRE_EQUAL(stored.size(), 33u);
        const std::vector<double> theirs(stored.begin(), stored.end());
        const std::vector<double> ours = golden::summary(p.gradient, p.name, test.seed);
        if (theirs[0] < 1e-8) {
          BOOST_TEST(ours[0] <= 1e-8);
        } else {
          BOOST_TEST(std::abs(ours[0] - theirs[0]) <= 1e-4 * theirs[0]);
          BOOST_TEST(relative_error(ours, theirs, 1) <= 1e-4);
        }
      }
      ++compared;
    }
    std::size_t gradients = 0;
    for (const StoredTensor& tensor : test.file.tensors()) gradients += tensor.name.starts_with("grad.");
    BOOST_TEST(compared == gradients);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_model)

// The logits, the loss and every parameter's gradient equal the reference's.
BOOST_AUTO_TEST_CASE(dense_goldens) {
  for (const char* folder : {"dense_00_text", "dense_01_image", "dense_02_two_images", "dense_03_video",
                             "dense_04_image_video", "dense_05_wide_and_tall"}) {
    if (golden::Case(folder).config.vision.taps.size() == 3)
      check_case<Qwen3VL>(folder);
    else
      check_case<One>(folder);
  }
}

BOOST_AUTO_TEST_CASE(sparse_goldens) {
  for (const char* folder : {"moe_00_text", "moe_01_image", "moe_02_two_images", "moe_03_video",
                             "moe_04_image_video", "moe_05_wide_and_tall"}) {
    if (golden::Case(folder).config.vision.taps.size() == 3)
      check_case<Qwen3VLMoE>(folder);
    else
      check_case<OneMoE>(folder);
  }
}

BOOST_AUTO_TEST_SUITE_END()
