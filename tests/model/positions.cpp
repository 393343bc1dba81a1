#include <vlm/model/positions.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <tuple>

using namespace vlm;

namespace {

ModelConfig config() {
  ModelConfig c;
  c.vision.features = 48;
  c.vision.heads = 3;
  c.vision.positions = 2304;
  return c;
}

constexpr std::int32_t text = 7, image = 151655, video = 151656;

// "TTi6v4": text tokens, six image tokens, four video tokens.
std::vector<std::int32_t> tokens(const std::string& pattern) {
  std::vector<std::int32_t> list;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == 'T') {
      list.push_back(text);
      continue;
    }
    list.insert(list.end(), static_cast<std::size_t>(pattern[at + 1] - '0'),
                pattern[at] == 'i' ? image : video);
    ++at;
  }
  return list;
}

struct Positions {
  std::vector<std::int32_t> axes[3];
  std::int32_t next = 0;
};
Positions positions(const std::string& pattern, const std::vector<Grid>& images,
                    const std::vector<Grid>& videos) {
  Positions p;
  p.next = append_positions(tokens(pattern), images, videos, config(), p.axes);
  return p;
}

using List = std::vector<std::int32_t>;

void check_example(const Positions& p, const List& time, const List& height, const List& width,
                   std::int32_t delta) {
  BOOST_TEST(p.axes[0] == time, boost::test_tools::per_element());
  BOOST_TEST(p.axes[1] == height, boost::test_tools::per_element());
  BOOST_TEST(p.axes[2] == width, boost::test_tools::per_element());
  BOOST_TEST(p.next - static_cast<std::int32_t>(time.size()) == delta);
}

std::string refusal(const std::string& pattern, const std::vector<Grid>& images,
                    const std::vector<Grid>& videos) {
  try {
    positions(pattern, images, videos);
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_positions)

BOOST_AUTO_TEST_CASE(text_counts_on_all_axes) {
  const List five = {0, 1, 2, 3, 4};
  check_example(positions("TTTTT", {}, {}), five, five, five, 0);
  check_example(positions("", {}, {}), {}, {}, {}, 0);
}

BOOST_AUTO_TEST_CASE(example_a_one_image) {
  check_example(positions("TTTTi6TTT", {{1, 4, 6}}, {}), {0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 7, 8, 9},
                {0, 1, 2, 3, 4, 4, 4, 5, 5, 5, 7, 8, 9}, {0, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9}, -3);
}

BOOST_AUTO_TEST_CASE(example_b_two_images) {
  check_example(positions("TTi4TTi6TT", {{1, 4, 4}, {1, 6, 4}}, {}),
                {0, 1, 2, 2, 2, 2, 4, 5, 6, 6, 6, 6, 6, 6, 9, 10},
                {0, 1, 2, 2, 3, 3, 4, 5, 6, 6, 7, 7, 8, 8, 9, 10},
                {0, 1, 2, 3, 2, 3, 4, 5, 6, 7, 6, 7, 6, 7, 9, 10}, -5);
}

// Each temporal step is a group of its own; time does not count frames.
BOOST_AUTO_TEST_CASE(example_c_a_video) {
  const Positions p = positions("TTTTTTTTTTv4TTTTTTTTv4TTTTTTTTv4TTT", {}, {{3, 4, 4}});
  List axes[3];
  const auto count = [&](std::int32_t from, std::int32_t to) {
    for (auto& axis : axes)
      for (std::int32_t i = from; i <= to; ++i) axis.push_back(i);
  };
  const auto group = [&](std::int32_t base) {
    axes[0].insert(axes[0].end(), {base, base, base, base});
    axes[1].insert(axes[1].end(), {base, base, base + 1, base + 1});
    axes[2].insert(axes[2].end(), {base, base + 1, base, base + 1});
  };
  count(0, 9);
  group(10);
  count(12, 19);
  group(20);
  count(22, 29);
  group(30);
  count(32, 34);
  check_example(p, axes[0], axes[1], axes[2], -6);
  BOOST_TEST(p.next == 35);
}

BOOST_AUTO_TEST_CASE(example_d_an_image_then_a_video) {
  const Positions p = positions("TTi2TTTTTTTTv4TTTTTTTTv4TT", {{1, 2, 4}}, {{2, 4, 4}});
  const List time = {0,  1,  2,  2,  4,  5,  6,  7,  8,  9,  10, 11, 12, 12, 12,
                     12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 22, 22, 22, 24, 25};
  const List height = {0,  1,  2,  2,  4,  5,  6,  7,  8,  9,  10, 11, 12, 12, 13,
                       13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 22, 23, 23, 24, 25};
  const List width = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 12,
                      13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 22, 23, 24, 25};
  check_example(p, time, height, width, -4);
}

// A decoded token stands behind the largest position of any axis, which the width of a picture at the end may hold.
BOOST_AUTO_TEST_CASE(decoding_goes_on_behind_the_largest_position) {
  for (const auto& [pattern, grid, next] : {std::tuple<std::string, Grid, std::int32_t>{"TTi6", {1, 4, 6}, 5},
                                            {"TTi6", {1, 6, 4}, 5},
                                            {"Ti4TT", {1, 4, 4}, 5},
                                            {"TTi8T", {1, 2, 16}, 11}}) {
    const Positions p = positions(pattern, {grid}, {});
    std::int32_t largest = 0;
    for (const auto& axis : p.axes) largest = std::max(largest, *std::max_element(axis.begin(), axis.end()));
    BOOST_TEST(p.next == largest + 1);
    BOOST_TEST(p.next == next);
  }
}

// A further turn begins where the first one ends: its positions are those of the rest of the whole.
BOOST_AUTO_TEST_CASE(a_turn_goes_on_where_the_last_one_ended) {
  const Positions whole = positions("TTi6TTTi4T", {{1, 4, 6}, {1, 4, 4}}, {});
  Positions turns;
  const std::vector<Grid> first = {{1, 4, 6}}, second = {{1, 4, 4}};
  turns.next = append_positions(tokens("TTi6T"), first, {}, config(), turns.axes);
  turns.next = append_positions(tokens("TTi4T"), second, {}, config(), turns.axes, turns.next);
  for (int axis = 0; axis < 3; ++axis)
    BOOST_TEST(turns.axes[axis] == whole.axes[axis], boost::test_tools::per_element());
  BOOST_TEST(turns.next == whole.next);
}

BOOST_AUTO_TEST_CASE(pictures_and_tokens_must_fit) {
  BOOST_TEST(refusal("Ti4", {}, {}) ==
             "vlm::DataError [visual-tokens]\n  at        token 1\n  expected  a grid for each group of "
             "visual tokens\n  "
             "got       0 grids\n  try       expand each placeholder to the tokens of its picture");
  BOOST_TEST(refusal("Ti4T", {{1, 4, 6}}, {}) ==
             "vlm::DataError [visual-tokens]\n  at        token 5\n  expected  6 visual tokens in a row\n  "
             "got       4\n  "
             "try       expand each placeholder to the tokens of its picture");
  BOOST_TEST(refusal("Ti4", {{1, 4, 6}}, {}).find("got       4") != std::string::npos);
  BOOST_TEST(refusal("Ti4v4", {{1, 4, 6}}, {{1, 4, 4}}).find("got       4") != std::string::npos);
  BOOST_TEST(refusal("TTv4", {{1, 4, 4}}, {{2, 4, 4}}) ==
             "vlm::DataError [visual-tokens]\n  expected  1 images and 1 videos among the tokens\n  got      "
             " 0 and 0\n  "
             "try       pass exactly the pictures that the text mentions");
  BOOST_TEST(refusal("Ti4i4i4", {{1, 4, 4}, {1, 4, 4}}, {}).find("got       2 grids") != std::string::npos);
}

// Which rows of the table a patch reads, and with which weights: corners of the picture meet
// corners of the table.
BOOST_AUTO_TEST_CASE(pitfall_04_the_position_table_meets_the_corners) {
  PatchTables tables;
  append_patch_tables({1, 4, 6}, config().vision, tables);
  BOOST_REQUIRE_EQUAL(tables.corners.size(), 24u * 4u);
  // Windows of 2 x 2 patches one after another: (1, 2) is the third patch of the second window.
  const std::size_t patch = 4 + 2;
  const List corners(tables.corners.begin() + patch * 4, tables.corners.begin() + patch * 4 + 4);
  BOOST_TEST(corners == (List{738, 739, 786, 787}), boost::test_tools::per_element());
  const float expected[] = {0.0666666f, 0.2666664f, 0.1333334f, 0.5333336f};
  for (std::size_t i = 0; i < 4; ++i)
    BOOST_TEST(std::abs(tables.weights[patch * 4 + i] - expected[i]) < 2e-6f);
  BOOST_TEST(tables.corners[0] == 0);
  BOOST_TEST(tables.weights[0] == 1.0f);
  // The last patch is the lower right corner.
  BOOST_TEST(tables.corners[23 * 4] == 2303);
  BOOST_TEST(tables.weights[23 * 4] == 1.0f);
  for (std::size_t i = 0; i < tables.weights.size(); i += 4)
    BOOST_TEST(std::abs(tables.weights[i] + tables.weights[i + 1] + tables.weights[i + 2] +
                        tables.weights[i + 3] - 1) < 1e-6f);
}

// A picture has the same tables alone and among others.
BOOST_AUTO_TEST_CASE(pitfall_04_one_picture_and_many_have_the_same_tables) {
  const std::vector<Grid> grids = {{1, 4, 6}, {2, 2, 8}, {1, 40, 26}};
  PatchTables together, alone;
  for (const Grid& grid : grids) append_patch_tables(grid, config().vision, together);
  std::size_t patch = 0;
  for (const Grid& grid : grids) {
    alone.clear();
    append_patch_tables(grid, config().vision, alone);
    const auto at = [&](const auto& list, std::size_t width) {
      return list.begin() + static_cast<std::ptrdiff_t>(patch * width);
    };
    BOOST_TEST(std::equal(alone.corners.begin(), alone.corners.end(), at(together.corners, 4)));
    BOOST_TEST(std::equal(alone.weights.begin(), alone.weights.end(), at(together.weights, 4)));
    BOOST_TEST(std::equal(alone.cosine.begin(), alone.cosine.end(), at(together.cosine, 8)));
    patch += static_cast<std::size_t>(grid.patches());
  }
}

// Weights are computed in fp32: those of a grid larger than the table, against the exact ones, and never zero between
// two entries. Rounded to bf16 they would be a thousand times as far away.
BOOST_AUTO_TEST_CASE(pitfall_05_position_weights_are_not_rounded) {
  const Grid grid{1, 62, 54};
  PatchTables tables;
  append_patch_tables(grid, config().vision, tables);
  double largest = 0;
  for (Index patch = 0; patch < grid.patches(); ++patch) {
    const Index window = patch / 4, row = window / (grid.width / 2) * 2 + patch % 4 / 2,
                column = window % (grid.width / 2) * 2 + patch % 2;
    const double u = static_cast<double>(row) * 47 / 61, v = static_cast<double>(column) * 47 / 53;
    for (std::size_t k = 0; k < 4; ++k) {
      const auto corner = static_cast<std::size_t>(patch) * 4 + k;
      const std::int32_t entry = tables.corners[corner];
      const double expected =
          std::max(0.0, 1 - std::abs(u - entry / 48)) * std::max(0.0, 1 - std::abs(v - entry % 48));
      // On the last line both corners are the same entry, and the second one has no weight.
      if (row == 61 || column == 53) continue;
      largest = std::max(largest, std::abs(static_cast<double>(tables.weights[corner]) - expected));
    }
  }
  BOOST_TEST(largest < 1e-5);
  BOOST_TEST(largest > 0);
}

BOOST_AUTO_TEST_CASE(a_line_is_sampled_from_both_ends) {
  for (const auto& [index, value] :
       {std::pair<Index, double>{0, 0}, {1, 9.4}, {2, 18.8}, {3, 28.2}, {4, 37.6}, {5, 47}}) {
    const detail::LineSample sample = detail::sample_line(index, 6, 48);
    BOOST_TEST(std::abs(sample.low + static_cast<double>(sample.share) - value) < 1e-5);
    BOOST_TEST(sample.high <= 47);
  }
  const detail::LineSample only = detail::sample_line(0, 1, 48);
  BOOST_TEST(only.low == 0);
  BOOST_TEST(only.share == 0.0f);
}

// Patches in merge-window order: rows and columns of every angle, and the same order in the position table.
BOOST_AUTO_TEST_CASE(rotary_angles_follow_the_windows) {
  PatchTables tables;
  append_patch_tables({2, 4, 6}, config().vision, tables);
  const std::pair<int, int> start[] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {0, 2}, {0, 3}, {1, 2},
                                       {1, 3}, {0, 4}, {0, 5}, {1, 4}, {1, 5}, {2, 0}, {2, 1}};
  constexpr std::size_t quarter = 4, pairs = 8;  // of heads of 16
  BOOST_REQUIRE_EQUAL(tables.cosine.size(), 48u * pairs);
  for (std::size_t patch = 0; patch < std::size(start); ++patch)
    for (std::size_t k = 0; k < quarter; ++k) {
      const double frequency = std::pow(10000.0, -static_cast<double>(k) / quarter);
      const double row = start[patch].first * frequency, column = start[patch].second * frequency;
      BOOST_TEST(std::abs(static_cast<double>(tables.cosine[patch * pairs + k]) - std::cos(row)) < 1e-6);
      BOOST_TEST(std::abs(static_cast<double>(tables.sine[patch * pairs + k]) - std::sin(row)) < 1e-6);
      BOOST_TEST(std::abs(static_cast<double>(tables.cosine[patch * pairs + quarter + k]) -
                          std::cos(column)) < 1e-6);
      BOOST_TEST(std::abs(static_cast<double>(tables.sine[patch * pairs + quarter + k]) - std::sin(column)) <
                 1e-6);
    }
  // The second step repeats the first: no axis of the tower counts time.
  BOOST_TEST(std::equal(tables.cosine.begin(), tables.cosine.begin() + 24 * pairs,
                        tables.cosine.begin() + 24 * pairs));
  BOOST_TEST(std::equal(tables.corners.begin(), tables.corners.begin() + 96, tables.corners.begin() + 96));
}

BOOST_AUTO_TEST_CASE(attention_stays_within_a_temporal_step) {
  PatchTables tables;
  append_patch_tables({3, 4, 4}, config().vision, tables);
  append_patch_tables({1, 2, 6}, config().vision, tables);
  BOOST_TEST(tables.offsets == (List{0, 16, 32, 48, 60}), boost::test_tools::per_element());
  tables.clear();
  BOOST_TEST(tables.offsets == List{0}, boost::test_tools::per_element());
  BOOST_TEST(tables.weights.empty());
}

BOOST_AUTO_TEST_SUITE_END()
