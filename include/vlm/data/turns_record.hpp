// A record of turns, as qwen-vl-finetune, LLaVA and ShareGPT write them:
//   {"image": "cat.png", "conversations": [{"from": "human", "value": "<image>\nWhat is it?"},
//                                          {"from": "gpt", "value": "A cat."}]}
// The markers <image> and <video> in questions stand for the pictures that the record lists, in their order. As in
// qwen-vl-finetune, white space around the texts of its questions is left out; ShareGPT keeps it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/data/record_reader.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/chat_template.hpp>

namespace vlm::detail {

class TurnsReader : RecordReader {
 public:
  TurnsReader(const DataPlace& place, const RecordOptions& options)
      : RecordReader(place, options), options_(options) {}

  std::vector<Message> messages(const Json& line) {
    const std::vector<Json>& turns = list(line, "conversations");
    refuse(line, {"audio", "audios", "chosen", "rejected", "kto_tag"});
    trimmed_ = options_.format == RecordFormat::QwenFinetune ||
               (options_.format == RecordFormat::Recognised && !is_sharegpt(line, turns));
    if (trimmed_) refuse(line, {"system", "tools"});
    if (const Json* folder = present(line, "data_path"); folder && !string(*folder).empty())
      root_ = with_slash(folder->string().starts_with("/") ? folder->string() : root_ + folder->string());
    list_media(line, {"image", "images"}, ContentItem::Kind::Image);
    list_media(line, {"video", "videos"}, ContentItem::Kind::Video);
    if (!has_media() && !options_.images.empty()) list_images(options_.images);
    std::vector<Message> result;
    if (const Json* system = present(line, "system"); system && !string(*system).empty())
      result.push_back({"system", {ContentItem::from_text(system->string())}});
    for (const Json& turn : turns) result.push_back(message(turn));
    check_markers();
    return result;
  }

  using RecordReader::tools;

 private:
  static bool is_sharegpt(const Json& line, const std::vector<Json>& turns) {
    for (const char* key : {"images", "videos", "system", "tools"})
      if (present(line, key)) return true;
    for (const Json& turn : turns)
      if (const Json* from = turn.find("from"))
        if (from->is_string() && from->string() != "human" && from->string() != "gpt") return true;
    return false;
  }

  Message message(const Json& turn) {
    const std::string& from = string(turn, "from");
    const std::string& value = string(turn, "value");
    const bool answers = from == "gpt" || from == "assistant";
    if (from == "human" || from == "user" || (!trimmed_ && (from == "observation" || from == "tool"))) {
      Message result{from == "human" || from == "user" ? "user" : "tool", {}};
      append_marked(result.content, value, trimmed_);
      return result;
    }
    if (answers || (!trimmed_ && from == "system")) {
      Message result{answers ? "assistant" : "system", {}};
      if (!value.empty()) result.content.push_back(ContentItem::from_text(value));
      return result;
    }
    if (trimmed_ || from != "function_call")
      fail(turn.at("from").path(),
           trimmed_ ? "human or gpt" : "human, gpt, system, function_call or observation",
           "\"" + from + "\"");
    return calls(turn.at("value"));
  }

  // One call, or an array of them, as JSON in a string.
  Message calls(const Json& value) const {
    Message result{"assistant", {}};
    const Json parsed = unquoted(value);
    if (!parsed.is_array())
      result.tool_calls.push_back(tool_call(parsed, value.path()));
    else
      for (const Json& call : parsed.items()) result.tool_calls.push_back(tool_call(call, value.path()));
    return result;
  }

  const RecordOptions& options_;
  bool trimmed_ = false;  // as qwen-vl-finetune does
};

}  // namespace vlm::detail
