#include <vlm/nn/rope.hpp>

#include <boost/test/unit_test.hpp>
#include <string>

#include <vlm/core/runtime.hpp>
#include <vlm/ops/rope.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#endif

#include "reference/rope.hpp"

using namespace vlm;
using reference::Table;

namespace {

constexpr RopeSection released = {24, 20, 20};

template <class Kind>
std::string axes(const RopeSection& section, Index pairs) {
  std::string text;
  for (Index i = 0; i < pairs; ++i) text += "THW"[Kind::axis(i, pairs, section)];
  return text;
}

struct Tables {
  std::vector<float> cosine, sine;
};
Tables tables(const std::vector<std::int32_t>& positions, const std::vector<float>& frequencies,
              const RopeSection& section) {
  Tables t;
  fill_rope_tables<InterleavedM>(positions, frequencies, section, t.cosine, t.sine);
  return t;
}

// Two heads of 32 features at five places whose axes differ.
template <class Kind, class Angles>
void check_kind(Angles&& reference_angles, const RopeSection& section) {
  constexpr Index rows = 5, head_dim = 32, features = 2 * head_dim;
  const std::vector<std::int32_t> positions = {0, 7, 7, 7, 40, 0, 7, 8, 9, 41, 0, 9, 7, 8, 43};
  Table places(3, rows);
  for (Index i = 0; i < places.count(); ++i) places[i] = positions[static_cast<std::size_t>(i)];
  const Table angles = reference_angles(places);
  Table cosine = angles, sine = angles, x(rows, features), dy(rows, features);
  for (double& value : cosine.values) value = std::cos(value);
  for (double& value : sine.values) value = std::sin(value);
  for (Index i = 0; i < x.count(); ++i) {
    x[i] = std::sin(static_cast<double>(i));
    dy[i] = std::cos(static_cast<double>(3 * i));
  }

  Tables ours;
  fill_rope_tables<Kind>(positions, rope_frequencies<Kind>(1e4, head_dim), section, ours.cosine, ours.sine);
  BOOST_REQUIRE_EQUAL(ours.cosine.size(), cosine.values.size());
  for (std::size_t i = 0; i < ours.cosine.size(); ++i) {
    BOOST_TEST(std::abs(static_cast<double>(ours.cosine[i]) - cosine.values[i]) < 1e-5);
    BOOST_TEST(std::abs(static_cast<double>(ours.sine[i]) - sine.values[i]) < 1e-5);
  }

  std::vector<float> dx(dy.values.begin(), dy.values.end());
  const Shape<2> table{{rows, head_dim / 2}};
  Runtime<Cpu> runtime(1);
  runtime.run(RopeRotate<Cpu, float>{.x = {dx.data(), Shape<2>{{rows, features}}},
                                     .cosine = View<float, 2, Cpu>(ours.cosine.data(), table),
                                     .sine = View<float, 2, Cpu>(ours.sine.data(), table),
                                     .inverse = true});
  for (Index i = 0; i < x.count(); ++i) {
    Table above = x, below = x;
    above[i] += 1e-4;
    below[i] -= 1e-4;
    const double slope = (dot(dy, reference::rope(above, cosine, sine, false)) -
                          dot(dy, reference::rope(below, cosine, sine, false))) /
                         2e-4;
    BOOST_TEST(std::abs(static_cast<double>(dx[static_cast<std::size_t>(i)]) - slope) < 1e-5);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_rope)

// Frequencies take turns, three axes after one another; they do not stand in sections.
BOOST_AUTO_TEST_CASE(frequencies_interleave) {
  std::string expected;
  for (int i = 0; i < 20; ++i) expected += "THW";
  BOOST_TEST(axes<InterleavedM>(released, 64) == expected + "TTTT");
  BOOST_TEST(axes<InterleavedM>({6, 5, 5}, 16) == "THWTHWTHWTHWTHWT");
  BOOST_TEST(axes<InterleavedM>({2, 1, 1}, 4) == "THWT");
  BOOST_TEST(axes<InterleavedM>({4, 0, 0}, 4) == "TTTT");
}

BOOST_AUTO_TEST_CASE(frequencies_of_the_released_models) {
  const std::vector<float> f = rope_frequencies<InterleavedM>(5e6, 128);
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

// A section for each axis, as the configurations of Qwen2-VL and Qwen2.5-VL have them; nothing of that elsewhere.
BOOST_AUTO_TEST_CASE(axes_of_the_other_kinds) {
  const auto times = [](int count, char axis) { return std::string(static_cast<std::size_t>(count), axis); };
  BOOST_TEST(axes<SectionedM>({16, 24, 24}, 64) == times(16, 'T') + times(24, 'H') + times(24, 'W'));
  BOOST_TEST(axes<SectionedM>({2, 0, 2}, 4) == "TTWW");
  BOOST_TEST(axes<Plain1D>({2, 1, 1}, 4) == "TTTT");
  BOOST_TEST(axes<Spatial2D>({}, 8) == "HHHHWWWW");
}

BOOST_AUTO_TEST_CASE(frequencies_of_the_vision_tower) {
  const std::pair<Index, std::vector<double>> stated[] = {{64, {1, 0.562341, 0.316228}},
                                                          {72, {1, 0.599484, 0.359381}}};
  for (const auto& [head_dim, first] : stated) {
    const std::vector<float> f = rope_frequencies<Spatial2D>(1e4, head_dim);
    BOOST_REQUIRE_EQUAL(f.size(), static_cast<std::size_t>(head_dim) / 2);
    for (std::size_t i = 0; i < first.size(); ++i)
      BOOST_TEST(std::abs(static_cast<double>(f[i]) - first[i]) < 1e-6);
    for (std::size_t i = 0; i < f.size() / 2; ++i) BOOST_TEST(f[i] == f[f.size() / 2 + i]);
  }
}

// Cosines and sines of each kind against the reference's angles; and the backward of a rotation by them, which is the
// opposite rotation, against finite differences of the reference's forward.
BOOST_AUTO_TEST_CASE(kinds_agree_forward_and_backward) {
  const RopeSection section = {6, 5, 5};
  const auto& r = section;
  check_kind<Plain1D>([](const Table& p) { return reference::plain_angles(p, 0, 1e4, 32); }, section);
  check_kind<SectionedM>([&](const Table& p) { return reference::sectioned_angles(p, r, 1e4, 32); }, section);
  check_kind<InterleavedM>([&](const Table& p) { return reference::interleaved_angles(p, r, 1e4, 32); },
                           section);
  check_kind<Spatial2D>([](const Table& p) { return reference::spatial_angles(p, 1e4, 32); }, section);
}

// Text has equal axes, where the three kinds of the text stream are one.
BOOST_AUTO_TEST_CASE(text_alone_does_not_tell_the_kinds_apart) {
  const std::vector<std::int32_t> positions = {0, 5, 900, 0, 5, 900, 0, 5, 900};
  const std::vector<float> f = rope_frequencies<Plain1D>(5e6, 128);
  Tables plain, sectioned;
  fill_rope_tables<Plain1D>(positions, f, {}, plain.cosine, plain.sine);
  fill_rope_tables<SectionedM>(positions, f, {16, 24, 24}, sectioned.cosine, sectioned.sine);
  BOOST_TEST(sectioned.sine == plain.sine, boost::test_tools::per_element());
  BOOST_TEST(tables(positions, f, released).sine == plain.sine, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(rows_are_appended) {
  const std::vector<float> f = rope_frequencies<Spatial2D>(1e4, 8);
  Tables whole, parts;
  fill_rope_tables<Spatial2D>(std::vector<std::int32_t>{0, 0, 1, 2, 3, 4}, f, {}, whole.cosine, whole.sine);
  append_rope_tables<Spatial2D>(std::vector<std::int32_t>{0, 1, 3}, f, {}, parts.cosine, parts.sine);
  append_rope_tables<Spatial2D>(std::vector<std::int32_t>{0, 2, 4}, f, {}, parts.cosine, parts.sine);
  BOOST_TEST(parts.cosine == whole.cosine, boost::test_tools::per_element());
  BOOST_TEST(parts.sine == whole.sine, boost::test_tools::per_element());
}

// Each angle belongs to the pair (j, j + half) of a head, whose table row has half a head of entries.
BOOST_AUTO_TEST_CASE(pitfall_10_tables_for_three_different_axes) {
  const std::vector<float> f = rope_frequencies<InterleavedM>(5e6, 128);
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
BOOST_AUTO_TEST_CASE(pitfall_11_rotation_pairs_the_halves_of_a_head) {
  const Tables t = tables({3, 5, 9}, rope_frequencies<InterleavedM>(1e4, 16), {4, 2, 2});
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
  const std::vector<float> f = rope_frequencies<InterleavedM>(5e6, 128);
  const std::vector<std::int32_t> positions = {32'001, 32'001, 32'001};
  const Tables t = tables(positions, f, released);
  for (std::size_t i = 0; i < 64; ++i) BOOST_TEST(t.cosine[i] == std::cos(f[i] * 32'001.0f));
  bool differs = false;
  for (std::size_t i = 0; i < 64; ++i)
    differs |= t.cosine[i] != static_cast<float>(std::cos(static_cast<double>(f[i]) * 32'001.0));
  BOOST_TEST(differs);
}

BOOST_AUTO_TEST_CASE(no_tokens_give_empty_tables) {
  const Tables t = tables({}, rope_frequencies<InterleavedM>(1e4, 16), {4, 2, 2});
  BOOST_TEST(t.cosine.empty());
  BOOST_TEST(t.sine.empty());
}

BOOST_AUTO_TEST_SUITE_END()
