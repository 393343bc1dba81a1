#include <vlm/text/rope.hpp>

#include <boost/test/unit_test.hpp>
#include <string>

#include <vlm/core/runtime.hpp>
#include <vlm/ops/rope.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#endif

using namespace vlm;

namespace {

constexpr std::array<Index, 3> released = {24, 20, 20};

std::string axes(const std::array<Index, 3>& section, Index frequencies) {
  std::string text;
  for (Index i = 0; i < frequencies; ++i) text += "THW"[InterleavedM::axis(i, section)];
  return text;
}

struct Tables {
  std::vector<float> cosine, sine;
};
Tables tables(const std::vector<std::int32_t>& positions, const std::vector<float>& frequencies,
              const std::array<Index, 3>& section) {
  Tables t;
  fill_rope_tables<InterleavedM>(positions, frequencies, section, t.cosine, t.sine);
  return t;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_rope)

// Frequencies take turns, three axes after one another; they do not stand in sections.
BOOST_AUTO_TEST_CASE(frequencies_interleave) {
  std::string expected;
  for (int i = 0; i < 20; ++i) expected += "THW";
  BOOST_TEST(axes(released, 64) == expected + "TTTT");
  BOOST_TEST(axes({6, 5, 5}, 16) == "THWTHWTHWTHWTHWT");
  BOOST_TEST(axes({2, 1, 1}, 4) == "THWT");
  BOOST_TEST(axes({4, 0, 0}, 4) == "TTTT");
}

BOOST_AUTO_TEST_CASE(frequencies_of_the_released_models) {
  const std::vector<float> f = rope_frequencies(5e6, 128);
  BOOST_REQUIRE_EQUAL(f.size(), 64u);
  for (std::size_t i = 0; i < 64; ++i) {
    const double exact = std::pow(5e6, -static_cast<double>(i) / 64);
    BOOST_TEST(std::abs(static_cast<double>(f[i]) - exact) < 3e-6 * exact);
  }
  BOOST_TEST(f[0] == 1.0f);
  const std::pair<std::size_t, double> stated[] = {{1, 0.78583},     {2, 0.617529},    {3, 0.485273},
                                                   {57, 1.08076e-6}, {58, 8.49295e-7}, {59, 6.67401e-7},
                                                   {60, 5.24464e-7}, {63, 2.54508e-7}};
  for (const auto& [i, value] : stated)
    BOOST_TEST(std::abs(static_cast<double>(f[i]) - value) < 1e-5 * value);
}

// Each angle belongs to the pair (j, j + half) of a head, whose table row has half a head of entries.
BOOST_AUTO_TEST_CASE(tables_for_three_different_axes) {
  const std::vector<float> f = rope_frequencies(5e6, 128);
  const std::vector<std::int32_t> positions = {0,  100, 7,   0,   205,
                                               11, 0,   333, 1000};  // T, H, W of three tokens
  const Tables t = tables(positions, f, released);
  BOOST_REQUIRE_EQUAL(t.cosine.size(), 3u * 64u);
  BOOST_REQUIRE_EQUAL(t.sine.size(), 3u * 64u);
  for (std::size_t token = 0; token < 3; ++token)
    for (std::size_t i = 0; i < 64; ++i) {
      const std::size_t axis = i < 60 ? i % 3 : 0;
      const double angle = std::pow(5e6, -static_cast<double>(i) / 64) * positions[axis * 3 + token];
      BOOST_TEST(std::abs(static_cast<double>(t.cosine[token * 64 + i]) - std::cos(angle)) < 1e-4);
      BOOST_TEST(std::abs(static_cast<double>(t.sine[token * 64 + i]) - std::sin(angle)) < 1e-4);
    }
}

// What interleaves is the choice of frequencies; the rotation pairs j with j + half, not neighbours.
BOOST_AUTO_TEST_CASE(rotation_pairs_the_halves_of_a_head) {
  const Tables t = tables({3, 5, 9}, rope_frequencies(1e4, 16), {4, 2, 2});
  std::vector<float> q(32, 0.0f);
  q[1] = 1;        // head 0, pair 1: first half
  q[16 + 10] = 1;  // head 1, pair 2: second half
  Runtime<Cpu> runtime(1);
  runtime.run(RopeRotate<Cpu, float>{.x = {q.data(), Shape<2>{{1, 32}}},
                                     .cosine = {t.cosine.data(), Shape<2>{{1, 8}}},
                                     .sine = {t.sine.data(), Shape<2>{{1, 8}}}});
  std::vector<float> expected(32, 0.0f);
  expected[1] = t.cosine[1];
  expected[9] = t.sine[1];
  expected[16 + 2] = -t.sine[2];
  expected[16 + 10] = t.cosine[2];
  BOOST_TEST(q == expected, boost::test_tools::per_element());
}

// The angle is one fp32 product, not a product in double: at far positions the two differ.
BOOST_AUTO_TEST_CASE(angles_are_fp32_products_as_in_the_reference) {
  const std::vector<float> f = rope_frequencies(5e6, 128);
  const std::vector<std::int32_t> positions = {32'001, 32'001, 32'001};
  const Tables t = tables(positions, f, released);
  for (std::size_t i = 0; i < 64; ++i) BOOST_TEST(t.cosine[i] == std::cos(f[i] * 32'001.0f));
  bool differs = false;
  for (std::size_t i = 0; i < 64; ++i)
    differs |= t.cosine[i] != static_cast<float>(std::cos(static_cast<double>(f[i]) * 32'001.0));
  BOOST_TEST(differs);
}

BOOST_AUTO_TEST_CASE(no_tokens_give_empty_tables) {
  const Tables t = tables({}, rope_frequencies(1e4, 16), {4, 2, 2});
  BOOST_TEST(t.cosine.empty());
  BOOST_TEST(t.sine.empty());
}

BOOST_AUTO_TEST_SUITE_END()
