#include <vlm/model/features.hpp>

#include <boost/test/unit_test.hpp>

#include "model/samples.hpp"

using namespace vlm;

namespace {

using Net = Model<Qwen3VL, Cpu>;

}  // namespace

BOOST_AUTO_TEST_SUITE(model_features)

BOOST_AUTO_TEST_CASE(hidden_states_are_what_the_head_reads) {
  const ModelConfig config = golden::Case("dense_04_image_video").config;
  const Net net = Net::make(config, 3);
  const Batch batch =
      golden::pack(config, {golden::draw_sample(config, "..i.v.", {{1, 4, 6}, {2, 2, 4}}, 1)});
  Runtime<Cpu> s(2);
  const Features hidden = hidden_states(net, s, batch);
  BOOST_TEST(hidden.rows == batch.token_count());
  BOOST_TEST(hidden.width == config.text.features);
  BOOST_TEST(golden::same_bits(hidden.values, golden::hidden_rows(net, batch, false)));
  BOOST_TEST(golden::same_bits(
      hidden.row(3), {hidden.values.data() + 3 * hidden.width, static_cast<std::size_t>(hidden.width)}));
}

// The rows of a picture hang on that picture alone; the runtime is left as it was.
BOOST_AUTO_TEST_CASE(visual_features_of_pictures) {
  const ModelConfig config = golden::Case("dense_04_image_video").config;
  const Net net = Net::make(config, 3);
  const Sample one = golden::draw_sample(config, ".i", {{1, 4, 6}}, 1),
               two = golden::draw_sample(config, "v", {{2, 2, 4}}, 2);
  Runtime<Cpu> s(2);
  const VisualFeatures both = visual_features(net, s, golden::pack(config, {one, two}));
  BOOST_TEST(both.merged.rows == 6 + 4);
  BOOST_TEST(both.merged.width == config.vision.out_features);
  BOOST_TEST(both.taps.size() == 3u);
  const VisualFeatures first = visual_features(net, s, golden::pack(config, {one})),
                       second = visual_features(net, s, golden::pack(config, {two}));
  BOOST_TEST(s.keeping());
  const auto check = [](const Features& all, const Features& a, const Features& b) {
    std::vector<float> joined = a.values;
    joined.insert(joined.end(), b.values.begin(), b.values.end());
    BOOST_TEST(golden::same_bits(all.values, joined));
  };
  check(both.merged, first.merged, second.merged);
  for (std::size_t j = 0; j < 3; ++j) check(both.taps[j], first.taps[j], second.taps[j]);

  const VisualFeatures none =
      visual_features(net, s, golden::pack(config, {golden::draw_sample(config, "..", {}, 1)}));
  BOOST_TEST(none.merged.rows == 0);
  BOOST_TEST(none.merged.values.empty());
}

BOOST_AUTO_TEST_SUITE_END()
