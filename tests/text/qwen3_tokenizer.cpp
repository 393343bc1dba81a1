// The real vocabulary: ids as the reference gives them.
#include <boost/test/unit_test.hpp>

#include <vlm/io/crc32c.hpp>
#include <vlm/text/plain_tokenizer_file.hpp>
#include <vlm/text/tokenizer.hpp>

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "temporary_folder.hpp"
#include "text/qwen3_vocabulary.hpp"

using vlm::Tokenizer;
using Ids = std::vector<std::int32_t>;

namespace {

// Written once, read by all cases: the file is the published tokenizer.json.
struct Qwen3 {
  TemporaryFolder folder;
  std::string text = vlm::write_json(vlm::tokenizer_to_json(qwen3_definition()), 2);
  Tokenizer tokenizer = load();

  Tokenizer load() const {
    vlm::write_file_atomically(folder.path + "/tokenizer.json", text);
    return Tokenizer::load(folder.path);
  }
  static const Qwen3& get() {
    static const Qwen3 made;
    return made;
  }
};

void check_cases(const std::string& name, std::size_t count) {
  const Tokenizer& tokenizer = Qwen3::get().tokenizer;
  const std::string path = tokenizer_goldens + "/" + name;
  const auto cases = golden_lines(path);
  BOOST_TEST(cases.size() == count);
  std::size_t line = 0;
  for (const vlm::Json& c : cases) {
    Ids ids;
    for (const vlm::Json& id : c.at("ids").items()) ids.push_back(static_cast<std::int32_t>(id.integer()));
    const std::string& text = c.at("text").string();
    BOOST_TEST_CONTEXT(path << ":" << ++line) {
      BOOST_TEST(tokenizer.encode(text) == ids, boost::test_tools::per_element());
      BOOST_TEST(tokenizer.decode(ids) == vlm::to_nfc(text));
      vlm::StreamDecoder stream(tokenizer);
      std::string streamed;
      for (const std::int32_t id : ids) {
        const std::string part = stream.push(id);
        BOOST_TEST(vlm::repair_utf8(part) == part);
        streamed += part;
      }
      BOOST_TEST(streamed + stream.finish() == vlm::to_nfc(text));
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_qwen3_tokenizer)

BOOST_AUTO_TEST_CASE(the_file_is_the_published_one) {
  const std::string about = tokenizer_goldens + "/added_tokens.json";
  const vlm::Json published = vlm::parse_json(vlm::read_file(about), about);
  const std::string& text = Qwen3::get().text;
  BOOST_TEST(text.size() == static_cast<std::size_t>(published.at("bytes").integer()));
  BOOST_TEST(vlm::crc32c(std::as_bytes(std::span(text))) == published.at("crc32c").integer());
}

BOOST_AUTO_TEST_CASE(given_cases) { check_cases("given.jsonl", 200); }

BOOST_AUTO_TEST_CASE(own_cases) { check_cases("cases.jsonl", 500); }

// What the look-up of whole tokens skips gives the same as merging from bytes.
BOOST_AUTO_TEST_CASE(tokens_are_whole_if_and_only_if_their_bytes_merge_to_them) {
  const vlm::TokenizerDefinition definition = qwen3_definition();
  const vlm::BytePairs pairs(definition.merges);
  const auto is_byte = [&](std::size_t id) { return definition.tokens[id].size() == 1; };
  const std::vector<bool> whole = pairs.whole_tokens(definition.tokens.size(), is_byte);
  std::int32_t bytes[256];
  for (std::int32_t id = 0; id < 256; ++id)
    bytes[static_cast<unsigned char>(definition.tokens[static_cast<std::size_t>(id)][0])] = id;
  std::size_t wrong = 0, count = 0;
  for (std::size_t id = 0; id < definition.tokens.size(); ++id) {
    Ids ids;
    for (const char byte : definition.tokens[id]) ids.push_back(bytes[static_cast<unsigned char>(byte)]);
    pairs.merge(ids, 0);
    const bool one = ids.size() == 1 && ids[0] == static_cast<std::int32_t>(id);
    wrong += one != whole[id];
    count += one;
  }
  BOOST_TEST(wrong == 0u);
  BOOST_TEST(count > 150000u);
}

BOOST_AUTO_TEST_CASE(both_ways_of_reading_agree) {
  const std::string& text = Qwen3::get().text;
  const auto quick = vlm::detail::PlainTokenizerReader(text).read("t.json");
  BOOST_REQUIRE(quick.has_value());
  const vlm::TokenizerDefinition slow = vlm::tokenizer_from_json(vlm::parse_json(text, "t.json"));
  BOOST_TEST(quick->tokens == slow.tokens);
  BOOST_TEST(quick->merges.size() == slow.merges.size());
  for (std::size_t i = 0; i < slow.merges.size(); ++i) {
    const vlm::Merge &a = quick->merges[i], &b = slow.merges[i];
    if (a.left != b.left || a.right != b.right || a.result != b.result) BOOST_ERROR("merge " << i);
  }
  BOOST_TEST(quick->added_tokens.size() == slow.added_tokens.size());
}

BOOST_AUTO_TEST_CASE(vocabulary_and_merges_in_files_of_their_own) {
  const vlm::TokenizerDefinition definition = qwen3_definition();
  const vlm::Json model = vlm::tokenizer_to_json(definition).at("model");
  std::string merges = "#version: 0.2\n";
  for (const vlm::Json& merge : model.at("merges").items())
    merges += merge.at(0).string() + " " + merge.at(1).string() + "\n";
  vlm::Json decoder = vlm::Json::object();
  for (const vlm::AddedToken& token : definition.added_tokens)
    decoder.set(std::to_string(token.id),
                vlm::Json::object({{"content", token.text}, {"special", token.special}, {"lstrip", false}}));
  TemporaryFolder folder;
  vlm::write_file_atomically(folder.path + "/vocab.json", vlm::write_json(model.at("vocab")));
  vlm::write_file_atomically(folder.path + "/merges.txt", merges);
  vlm::write_file_atomically(folder.path + "/tokenizer_config.json",
                             vlm::write_json(vlm::Json::object({{"tokenizer_class", "Qwen2Tokenizer"},
                                                                {"added_tokens_decoder", decoder}})));
  const Tokenizer tokenizer = Tokenizer::load(folder.path);
  BOOST_TEST(vlm::write_json(tokenizer.to_json(), 2) == Qwen3::get().text);
}

BOOST_AUTO_TEST_SUITE_END()
