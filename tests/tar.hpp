// A tar archive written in memory, as small as the format allows.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace vlm::tests {

// One member: a header of 512 bytes, and the content in whole blocks. `target`: what a link leads to.
inline std::string tar_member(std::string_view name, std::string_view content, char kind = '0',
                              std::string_view prefix = "", std::string_view target = "") {
  std::string header(512, '\0');
  const auto put = [&header](std::size_t at, std::string_view text) {
    header.replace(at, text.size(), text);
  };
  char digits[24];
  std::snprintf(digits, sizeof digits, "%011lo", static_cast<unsigned long>(content.size()));
  put(0, name);
  put(100, "0000644");
  put(124, digits);
  put(148, "        ");
  header[156] = kind;
  put(157, target);
  put(257, std::string_view("ustar\0"
                            "00",
                            8));
  put(345, prefix);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(digits, sizeof digits, "%06o", sum);
  put(148, std::string_view(digits, 7));
  std::string member = header + std::string(content);
  member.resize((member.size() + 511) / 512 * 512);
  return member;
}

inline std::string tar_link(std::string_view name, std::string_view target, char kind = '1') {
  return tar_member(name, "", kind, "", target);
}

inline std::string tar_end() { return std::string(1024, '\0'); }

}  // namespace vlm::tests
