// The chat template that belongs to a model, from its folder. The published ones of Qwen3-VL are recognised and
// rendered by the rules of chat_template.hpp, any other by the interpreter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/io/crc32c.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/chat_json.hpp>
#include <vlm/text/chat_template.hpp>
#include <vlm/text/template_interpreter.hpp>

namespace vlm {

namespace detail {

// A published template by its size and checksum, less white space at the end.
inline std::optional<ChatVariant> published_template(std::string_view source) {
  const std::size_t end = source.find_last_not_of(" \t\r\n");
  source = source.substr(0, end + 1);  // npos + 1 is zero
  const std::uint32_t sum = crc32c(bytes_of(source));
  if (source.size() == 5291 && sum == 0xE464C8B5u) return ChatVariant::Instruct;
  if (source.size() == 5198 && sum == 0xAC19C2AAu) return ChatVariant::Thinking;
  return std::nullopt;
}

}  // namespace detail

// Many threads may use one object.
class ChatTemplate {
 public:
  // `document` names the source in errors. ConfigError [chat-template] for what is not understood.
  static ChatTemplate from_source(std::string_view source, const std::string& document) {
    const auto variant = detail::published_template(source);
    return variant ? ChatTemplate(*variant) : ChatTemplate(TemplateProgram(source, document));
  }
  explicit ChatTemplate(ChatVariant variant) : variant_(variant) {}
  explicit ChatTemplate(TemplateProgram program) : program_(std::move(program)) {}

  // From chat_template.jinja of a folder; without it from chat_template.json, {"chat_template": "..."}, or the member
  // of this name in tokenizer_config.json.
  static ChatTemplate load(const std::string& folder) {
    if (auto found = find(folder)) return std::move(*found);
    const std::string jinja = folder + "/chat_template.jinja";
    return from_source(read_file(jinja), jinja);  // says what is missing
  }
  // As load, or nothing where the folder has none.
  static std::optional<ChatTemplate> find(const std::string& folder) {
    const std::string jinja = folder + "/chat_template.jinja";
    if (file_exists(jinja)) return from_source(read_file(jinja), jinja);
    for (const char* name : {"/chat_template.json", "/tokenizer_config.json"}) {
      const std::string path = folder + name;
      if (!file_exists(path)) continue;
      const Json file = parse_json(read_file(path), path);
      if (const Json* source = file.find("chat_template")) return from_source(source->string(), path);
    }
    return std::nullopt;
  }

  // Which of the published templates this is; none for another.
  std::optional<ChatVariant> variant() const { return variant_; }

  // {"messages": [...], "tools": [...] or null, "add_generation_prompt": true, "add_vision_id": false}; all but the
  // messages may be left out. Errors are those of messages_from_json, render_chat and TemplateProgram::render.
  std::string render(const Json& conversation) const {
    if (!variant_) return program_->render(conversation);
    ChatOptions options;
    options.add_generation_prompt = flag(conversation, "add_generation_prompt");
    options.add_vision_id = flag(conversation, "add_vision_id");
    if (const Json* tools = conversation.find("tools"); tools && !tools->is_null())
      options.tools = tools->items();
    return render_chat(*variant_, span_of(messages_from_json(conversation.at("messages"))), options);
  }

 private:
  static bool flag(const Json& conversation, std::string_view name) {
    const Json* value = conversation.find(name);
    return value && !value->is_null() && value->boolean();
  }

  std::optional<ChatVariant> variant_;
  std::optional<TemplateProgram> program_;
};

}  // namespace vlm
