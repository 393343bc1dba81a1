#include <boost/test/unit_test.hpp>

#include <vlm/text/token_table.hpp>

#include <cstdint>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(text_token_table)

BOOST_AUTO_TEST_CASE(tokens_of_all_lengths) {
  std::vector<std::string> tokens = {"", std::string(1, '\0'), std::string(2, '\0')};
  for (std::size_t size = 1; size < 40; ++size)
    for (const char last : {'a', 'b', '\xFF'}) tokens.push_back(std::string(size - 1, 'x') + last);
  vlm::TokenTable table(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id)
    BOOST_TEST(table.add(tokens, static_cast<std::int32_t>(id), id % 2 == 0) == -1);
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    BOOST_TEST(table.find(tokens, tokens[id]).id == static_cast<std::int32_t>(id));
    BOOST_TEST(table.find(tokens, tokens[id]).whole == (id % 2 == 0));
    BOOST_TEST(table.find(tokens, tokens[id] + "y").id == -1);
  }
}

BOOST_AUTO_TEST_CASE(the_first_of_equal_tokens_stays) {
  const std::vector<std::string> tokens = {"same", "other", "same"};
  vlm::TokenTable table(3);
  BOOST_TEST(table.add(tokens, 0) == -1);
  BOOST_TEST(table.add(tokens, 1) == -1);
  BOOST_TEST(table.add(tokens, 2) == 0);
  BOOST_TEST(table.find(tokens, "same").id == 0);
  BOOST_TEST(vlm::TokenTable().find(tokens, "same").id == -1);
}

BOOST_AUTO_TEST_SUITE_END()
