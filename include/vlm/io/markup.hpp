// Text inside HTML and SVG.
#pragma once

#include <string>
#include <string_view>

namespace vlm {

// Text as it may stand between tags and in quoted attributes of HTML and SVG. What is no UTF-8 is shown as U+FFFD by
// whoever reads it; control characters that XML forbids are left out.
inline std::string escape_markup(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= ' ' || c == '\n' || c == '\t') escaped += c;
    }
  }
  return escaped;
}

}  // namespace vlm
