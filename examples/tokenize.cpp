// tokenize FOLDER < LINES: token ids of texts, {"text": ...} a line; writes one JSON array of ids a line.
// With --decode the other way: arrays of ids in, {"text": ...} out.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

namespace {

std::string ids_of(const vlm::Tokenizer& tokenizer, const vlm::Json& line) {
  vlm::Json ids = vlm::Json::array();
  for (const std::int32_t id : tokenizer.encode(line.at("text").string())) ids.push_back(id);
  return vlm::write_json(ids, -1);
}

std::string text_of(const vlm::Tokenizer& tokenizer, const vlm::Json& line) {
  std::vector<std::int32_t> ids;
  for (const vlm::Json& id : line.items()) {
    const auto narrow = static_cast<std::int32_t>(id.integer());
    ids.push_back(narrow == id.integer() ? narrow : -1);  // neither names a token
  }
  return vlm::write_json(vlm::Json::object({{"text", tokenizer.decode(ids)}}), -1);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Token ids of texts: {\"text\": ...} a line in, an array of ids a line out.");
  std::string folder;
  bool decode = false;
  app.add_option("FOLDER", folder, "folder with tokenizer.json, or with vocab.json and merges.txt")
      ->required();
  app.add_flag("--decode", decode, "arrays of ids in, {\"text\": ...} out");
  return example::run(app, count, arguments, [&] {
    const vlm::Tokenizer tokenizer = vlm::Tokenizer::load(folder);
    example::for_each_line([&](const std::string& line) {
      const vlm::Json json = vlm::parse_json(line, "standard input");
      std::puts((decode ? text_of(tokenizer, json) : ids_of(tokenizer, json)).c_str());
    });
    return 0;
  });
}
