#include <vlm/nn/yarn.hpp>

#include <boost/test/unit_test.hpp>
#include <cmath>

#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/nn/rope.hpp>
#if !VLM_COMPILED
#include <vlm/io/json_definitions.hpp>
#endif

using namespace vlm;

BOOST_AUTO_TEST_SUITE(nn_yarn)

// Powers may differ in the last place from those of the reference; a frequency is a few roundings from them.
BOOST_AUTO_TEST_CASE(frequencies_are_those_of_transformers) {
  const char* path = "tests/golden/yarn.json";
  const Json cases = parse_json(read_file(path), path);
  BOOST_TEST(cases.items().size() == 4);
  for (const Json& test : cases.items()) {
    const Json& rope = test.at("rope");
    Yarn yarn{.factor = rope.at("factor").number(),
              .original_positions = rope.at("original_max_position_embeddings").number()};
    if (const Json* value = rope.find("beta_fast")) yarn.beta_fast = value->number();
    if (const Json* value = rope.find("beta_slow")) yarn.beta_slow = value->number();
    if (const Json* value = rope.find("attention_factor")) yarn.attention_factor = value->number();
    const double theta = rope.at("rope_theta").number();
    const Index head_dim = test.at("head_dim").integer();
    std::vector<float> frequencies = rope_frequencies<InterleavedM>(theta, head_dim);
    stretch_frequencies(frequencies, theta, head_dim, yarn);
    BOOST_TEST(std::abs(yarn.attention_scale() - test.at("attention").number()) < 1e-6);
    const std::vector<Json>& expected = test.at("frequencies").items();
    BOOST_REQUIRE(expected.size() == frequencies.size());
    for (std::size_t i = 0; i < frequencies.size(); ++i)
      BOOST_TEST(std::abs(frequencies[i] / expected[i].number() - 1) < 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(published_numbers_of_factor_three) {
  std::vector<float> f = rope_frequencies<InterleavedM>(5e6, 128);
  const std::vector<float> before = f;
  stretch_frequencies(f, 5e6, 128, {.factor = 3});
  for (std::size_t i = 0; i <= 29; ++i) BOOST_TEST(f[i] == before[i]);
  const auto near = [](float ours, double published) { return std::abs(ours / published - 1) < 1e-6; };
  BOOST_TEST(near(f[30], 6.940239e-4));
  BOOST_TEST(near(f[37], 8.934427e-5));
  BOOST_TEST(near(f[45], 6.496291e-6));
  for (std::size_t i = 45; i < 64; ++i) BOOST_TEST(near(f[i] * 3, static_cast<double>(before[i])));
  BOOST_TEST(near(Yarn{.factor = 3}.attention_scale(), 1.1098612));
  BOOST_TEST(near(Yarn{.factor = 1e6 / 262144}.attention_scale(), 1.1338861));  // as transformers 4 has it
  BOOST_TEST(Yarn{}.attention_scale() == 1.0f);
}

BOOST_AUTO_TEST_SUITE_END()
