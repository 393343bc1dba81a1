// What the readers of records share: typed access whose errors name file, line and field, and the images and videos
// that a record lists beside its text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/data/data_line.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/chat_template.hpp>

namespace vlm {

// How a record is read. Recognised: one with `messages` as Messages. One with `conversations` as ShareGpt where it has
// images, videos, system, tools, or turns from anyone but human and gpt; as QwenFinetune otherwise.
enum class RecordFormat : std::uint8_t { Recognised, Messages, QwenFinetune, ShareGpt };

struct RecordOptions {
  RecordFormat format = RecordFormat::Recognised;
  std::string root{};                 // folder where relative paths start; empty: that of the file
  std::vector<std::string> images{};  // of a record that names none itself
};

namespace detail {

class RecordReader {
 public:
  RecordReader(const DataPlace& place, const RecordOptions& options)
      : place_(place), root_(options.root.empty() ? folder_of(place.file) : with_slash(options.root)) {}

 protected:
  [[noreturn]] void fail(std::string field, std::string expected, std::string got,
                         std::string advice = "correct this line") const {
    throw_data_line(place_, std::move(field), std::move(expected), std::move(got), std::move(advice));
  }

  const Json& member(const Json& object, std::string_view key, std::string_view wanted) const {
    if (!object.is_object())
      fail(object.path(), "an object with \"" + std::string(key) + "\"", kind_and_value(object));
    const Json* value = object.find(key);
    if (!value) fail(path_below(object.path(), key), std::string(wanted), "no member of this name");
    return *value;
  }
  const std::string& string(const Json& value) const {
    if (!value.is_string()) fail(value.path(), "a string", kind_and_value(value));
    return value.string();
  }
  const std::string& string(const Json& object, std::string_view key) const {
    return string(member(object, key, "a string"));
  }
  // A list of at least one.
  const std::vector<Json>& list(const Json& line, std::string_view key) const {
    const std::string wanted = "an array of " + std::string(key == "messages" ? "messages" : "turns");
    if (!line.is_object()) fail("top level", "an object with " + std::string(key), kind_and_value(line));
    const Json& entries = member(line, key, wanted);
    if (!entries.is_array() || entries.items().empty())
      fail(entries.path(), wanted, entries.is_array() ? "an empty array" : kind_and_value(entries));
    return entries.items();
  }
  // The member, unless it is absent or null.
  static const Json* present(const Json& object, std::string_view key) {
    const Json* value = object.find(key);
    return value && !value->is_null() ? value : nullptr;
  }
  void refuse(const Json& object, std::initializer_list<std::string_view> keys) const {
    for (const std::string_view key : keys)
      if (const Json* value = present(object, key))
        fail(value->path(), "no such member: this reader has no use for it", kind_and_value(*value));
  }

  // JSON, or JSON written in a string.
  Json unquoted(const Json& value) const {
    if (!value.is_string()) return value;
    try {
      return parse_json(value.string(), place_.file);
    } catch (const FileError& error) {
      fail(value.path(), "JSON in a string: " + field_of(error, "expected"), field_of(error, "got"));
    }
  }
  // Descriptions of functions: an array, or one in a string.
  std::vector<Json> tools(const Json& line) const {
    const Json* value = present(line, "tools");
    if (!value || (value->is_string() && value->string().find_first_not_of(" \n") == std::string::npos))
      return {};
    const Json array = unquoted(*value);
    if (!array.is_array()) fail(value->path(), "an array of functions", kind_and_value(array));
    return array.items();
  }
  ToolCall tool_call(const Json& entry, const std::string& field) const {
    const Json* function = entry.is_object() ? present(entry, "function") : nullptr;
    const Json& call = function ? *function : entry;
    const Json* name = call.find("name");
    const Json* arguments = call.find("arguments");
    if (!name || !name->is_string() || !arguments || !(arguments->is_object() || arguments->is_string()))
      fail(field, "a call: {\"name\": \"...\", \"arguments\": {...}}", write_json(entry, -1).substr(0, 60));
    return {name->string(), *arguments};
  }

  // Where an image or video is read from: a path, with relative ones from the root on, or a data: URL.
  std::string reference(const Json& value, const std::string& kind) const {
    std::string text = string(value);
    if (text.empty()) fail(value.path(), "the path of " + kind, "an empty string");
    if (text.starts_with("data:")) return text;
    if (text.starts_with("http://") || text.starts_with("https://"))
      fail(value.path(), "the path of " + kind + " or a data: URL", text.substr(0, 60),
           "fetch it first: training reads nothing from the network");
    if (text.starts_with("file://")) text.erase(0, 7);
    return text.starts_with("/") ? text : root_ + text;
  }

  // Takes in what a record lists for its markers: a string, or an array of them, in the first of `keys` that it has.
  void list_media(const Json& line, std::initializer_list<std::string_view> keys, ContentItem::Kind kind) {
    Media& media = media_of(kind);
    for (const std::string_view key : keys) {
      const Json* value = present(line, key);
      if (!value) continue;
      if (media.listed) fail(value->path(), "one list of " + media.name + "s", "two");
      media.listed = true;
      media.field = value->path();
      if (!value->is_array())
        take_listed(*value, media);
      else
        for (const Json& entry : value->items()) take_listed(entry, media);
    }
  }
  void list_images(const std::vector<std::string>& references) {
    images_.listed = true;
    for (const std::string& path : references) images_.items.push_back(ContentItem::image(path));
  }
  bool has_media() const { return images_.listed || videos_.listed; }

  // Appends a text whose markers <image> and <video> stand for what the record lists; `trimmed` leaves out white space
  // around the texts between.
  void append_marked(std::vector<ContentItem>& content, std::string_view text, bool trimmed) {
    while (!text.empty()) {
      const std::size_t image = text.find("<image>"), video = text.find("<video>");
      const std::size_t at = std::min({image, video, text.size()});
      std::string_view before = text.substr(0, at);
      if (trimmed) before = trim(before);
      if (!before.empty()) content.push_back(ContentItem::from_text(std::string(before)));
      if (at == text.size()) return;
      Media& media = at == image ? images_ : videos_;
      if (media.markers++ < media.items.size()) content.push_back(media.items[media.markers - 1]);
      text.remove_prefix(at + std::string_view("<image>").size());
    }
  }
  void check_markers() const {
    for (const Media* media : {&images_, &videos_})
      if (media->markers != media->items.size())
        fail(media->field,
             "as many " + media->name + "s as markers <" + media->name + ">, " +
                 std::to_string(media->markers),
             std::to_string(media->items.size()));
  }

  static std::string_view trim(std::string_view text) {
    constexpr std::string_view space = " \t\r\n\v\f";
    text.remove_prefix(std::min(text.find_first_not_of(space), text.size()));
    text.remove_suffix(text.size() - (text.find_last_not_of(space) + 1));  // npos + 1 is zero
    return text;
  }

  static std::string with_slash(const std::string& folder) {
    return folder.ends_with('/') ? folder : folder + "/";
  }

  const DataPlace& place_;
  std::string root_;  // ends with a slash, or is empty

 private:
  struct Media {
    std::string name, field;
    bool listed = false;
    std::vector<ContentItem> items{};
    std::size_t markers = 0;
  };

  static std::string folder_of(const std::string& file) { return file.substr(0, file.rfind('/') + 1); }

  Media& media_of(ContentItem::Kind kind) { return kind == ContentItem::Kind::Image ? images_ : videos_; }

  // A path, or {"path": ...} or {"url": ...} around one.
  void take_listed(const Json& value, Media& media) {
    const bool image = &media == &images_;
    const Json* inside = value.is_object() ? present(value, "path") : &value;
    if (!inside) inside = &member(value, "url", "a string");
    std::string place = reference(*inside, image ? "an image" : "a video");
    media.items.push_back(image ? ContentItem::image(std::move(place))
                                : ContentItem::video(std::move(place)));
  }

  Media images_{"image", "images"}, videos_{"video", "videos"};
};

}  // namespace detail

}  // namespace vlm
