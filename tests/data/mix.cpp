#include <boost/test/unit_test.hpp>

#include <vlm/data/mix.hpp>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tiny.hpp"

using vlm::Index;
using vlm::Mix;
using vlm::tests::Folder;

namespace {

std::string lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += vlm::tests::line_of({vlm::tests::text_item("?")}, std::to_string(i));
  return text;
}

// How often an epoch takes each line of each source.
using Counts = std::map<std::pair<std::size_t, Index>, int>;
Counts count(const Mix& mix, Index epoch) {
  Counts counts;
  for (Index position = 0; position < mix.epoch_size(); ++position) {
    const Mix::Item item = mix.item(epoch, position);
    ++counts[{item.source, item.line}];
  }
  return counts;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_mix)

BOOST_AUTO_TEST_CASE(weight_one_takes_each_line_once_in_a_new_order_each_epoch) {
  const Folder folder;
  const Mix mix({{folder.write("a", lines(7))}, {folder.write("b", lines(13))}}, 1);
  BOOST_TEST(mix.epoch_size() == 20);
  std::set<std::vector<Index>> orders;
  for (Index epoch = 0; epoch < 4; ++epoch) {
    const Counts counts = count(mix, epoch);
    BOOST_TEST(counts.size() == 20u);
    std::vector<Index> order;
    for (Index position = 0; position < 20; ++position) {
      const Mix::Item item = mix.item(epoch, position);
      order.push_back(static_cast<Index>(item.source) * 100 + item.line);
    }
    orders.insert(order);
  }
  BOOST_TEST(orders.size() == 4u);
  const Mix::Item item = mix.item(0, 0);
  BOOST_TEST(vlm::reference_answer(mix.conversation(item)) == std::to_string(item.line));
}

BOOST_AUTO_TEST_CASE(weights_repeat_or_thin_out_a_file) {
  const Folder folder;
  const Mix mix({{folder.write("a", lines(10)), 2.5}, {folder.write("b", lines(40)), 0.25}}, 9);
  BOOST_TEST(mix.epoch_size() == 35);
  std::set<std::vector<Index>> halves;
  for (Index epoch = 0; epoch < 3; ++epoch) {
    const Counts counts = count(mix, epoch);
    std::vector<Index> three_times;
    int thin = 0;
    for (const auto& [item, times] : counts) {
      if (item.first == 1) {
        BOOST_TEST(times == 1);
        ++thin;
      } else {
        BOOST_TEST((times == 2 || times == 3));
        if (times == 3) three_times.push_back(item.second);
      }
    }
    BOOST_TEST(thin == 10);
    BOOST_TEST(three_times.size() == 5u);
    halves.insert(three_times);
  }
  BOOST_TEST(halves.size() == 3u);
}

BOOST_AUTO_TEST_CASE(the_seed_decides_the_order) {
  const Folder folder;
  const std::string path = folder.write("a", lines(50));
  const Mix mix({{path}}, 5), same({{path}}, 5), other({{path}}, 6);
  int equal = 0;
  for (Index position = 0; position < 50; ++position) {
    BOOST_TEST((mix.item(1, position) == same.item(1, position)));
    equal += mix.item(1, position) == other.item(1, position);
  }
  BOOST_TEST(equal < 10);
}

BOOST_AUTO_TEST_CASE(wrong_sources) {
  const Folder folder;
  const std::string path = folder.write("a", lines(2)), empty = folder.write("empty", "\n");
  for (const double weight : {0.0, -1.0, 1e7, std::nan("")})
    BOOST_TEST(message_of([&] { Mix({{path, weight}}, 1); }) ==
               "vlm::ConfigError [data-weight]\n  file      " + path +
                   "\n  expected  a weight above 0 and up to 1000000\n  got       " + std::to_string(weight) +
                   "\n  try       1 for every conversation once in an epoch");
  // A source that would never be read is an error, not a silence.
  BOOST_TEST(message_of([&] { Mix({{path}, {empty}}, 1); }) ==
             "vlm::DataError [data-empty]\n  file      " + empty +
                 "\n  expected  at least one conversation of it in an epoch\n  got       0 lines at weight "
                 "1.000000"
                 "\n  try       a file with conversations, or a larger weight");
  BOOST_TEST(message_of([&] { Mix({{path, 0.2}}, 1); }).find("2 lines at weight 0.2") != std::string::npos);
  BOOST_TEST(message_of([&] { Mix({}, 1); }) ==
             "vlm::DataError [data-empty]\n  expected  at least one conversation\n"
             "  got       0 files without any"
             "\n  try       files with conversations");
}

BOOST_AUTO_TEST_SUITE_END()
