// The orientation that the chunks of a PNG file give, as Pillow finds it: of EXIF in the chunk eXIf or the text "exif",
// or else in the text "Raw profile type exif", as ImageMagick writes it; or else of XMP in the text
// "XML:com.adobe.xmp".
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <vlm/vision/orientation.hpp>

namespace vlm::detail {

// What inflates a zlib stream: empty where it is damaged, or gives more bytes than `most`. There is one where PNG is
// decoded; other programs see no compressed texts.
using Inflater = std::string (*)(std::string_view stream, std::size_t most);
inline std::atomic<Inflater> png_inflater{nullptr};
inline bool register_png_inflater(Inflater inflate) {
  png_inflater.store(inflate);
  return true;
}
inline constexpr std::size_t most_png_text = std::size_t{1} << 20;

// The bytes of a raw profile: an empty line, its name, its size, then hexadecimal digits; empty where it is damaged.
inline std::string raw_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return {};
    text.remove_prefix(end + 1);
  }
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) continue;
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return {};
    if (high >= 0) bytes += static_cast<char>(high << 4 | digit);
    high = high >= 0 ? -1 : digit;
  }
  return high >= 0 ? std::string() : bytes;
}

class PngOrientation {
 public:
  // The chunks in their order; of two that say the same the later one counts.
  void see(std::string_view kind, std::string_view data) {
    if (kind == "eXIf") exif_ = exif_orientation(data);
    if (kind != "tEXt" && kind != "zTXt" && kind != "iTXt") return;
    const std::size_t end = data.find('\0');
    if (end == data.npos) return;
    const std::string_view key = data.substr(0, end);
    const bool exif = key == "exif" && kind == "tEXt", profile = key == "Raw profile type exif";
    if (!exif && !profile && key != "XML:com.adobe.xmp") return;
    const std::optional<std::string> text = text_of(kind, data.substr(end + 1));
    if (!text) return;
    if (exif)
      exif_ = exif_orientation(*text);
    else if (profile)
      profile_ = exif_orientation(raw_profile(*text));
    else
      xmp_ = xmp_orientation(*text);
  }

  int value() const {
    const int exif = exif_.value_or(profile_);
    return exif > 0 ? exif : xmp_ > 0 ? xmp_ : upright;
  }

 private:
  static std::string inflated(std::string_view stream) {
    const Inflater inflate = png_inflater.load();
    return inflate ? inflate(stream, most_png_text) : std::string();
  }
  // What stands behind the key; none where the chunk is damaged.
  static std::optional<std::string> text_of(std::string_view kind, std::string_view rest) {
    if (kind == "tEXt") return std::string(rest);
    if (kind == "zTXt") return rest.empty() || rest[0] != 0 ? std::string() : inflated(rest.substr(1));
    if (rest.size() < 2) return std::nullopt;
    const bool compressed = rest[0] != 0;
    if (compressed && rest[1] != 0) return std::nullopt;
    rest.remove_prefix(2);
    for (int name = 0; name < 2; ++name) {  // the language, and the key in it
      const std::size_t end = rest.find('\0');
      if (end == rest.npos) return std::nullopt;
      rest.remove_prefix(end + 1);
    }
    return compressed ? inflated(rest) : std::string(rest);
  }

  std::optional<int> exif_;
  int profile_ = 0, xmp_ = 0;
};

}  // namespace vlm::detail
