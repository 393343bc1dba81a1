// Text as a template argument: Named<"q_proj", L>.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace vlm {

template <std::size_t Size>
struct FixedString {
  char text[Size] = {};
  constexpr FixedString(const char (&literal)[Size]) { std::copy_n(literal, Size, text); }
  constexpr std::string_view view() const { return {text, Size - 1}; }
};

}  // namespace vlm
