// Colours to draw with.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace vlm {

struct Colour {
  std::uint8_t red = 0, green = 0, blue = 0;
  friend bool operator==(const Colour&, const Colour&) = default;
};

// Strong colours that people with any colour vision tell apart.   Source: Okabe and Ito, "Color Universal Design".
inline constexpr std::array<Colour, 7> distinct_colours = {{{213, 94, 0},
                                                            {0, 114, 178},
                                                            {0, 158, 115},
                                                            {240, 228, 66},
                                                            {204, 121, 167},
                                                            {86, 180, 233},
                                                            {230, 159, 0}}};

// From 0 for black to 1 for white.   Source: WCAG 2, relative luminance.
inline double luminance(Colour colour) {
  const auto linear = [](std::uint8_t level) {
    const double value = level / 255.0;
    return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
}
// From 1 for equal luminances to 21.   Source: WCAG 2, contrast ratio.
inline double contrast(Colour a, Colour b) {
  const double first = luminance(a) + 0.05, second = luminance(b) + 0.05;
  return first > second ? first / second : second / first;
}

// Black or white, whichever is read more easily on the colour: a contrast of 4.5 or more.
inline Colour text_colour_on(Colour background) {
  constexpr Colour black{0, 0, 0}, white{255, 255, 255};
  return contrast(black, background) > contrast(white, background) ? black : white;
}

}  // namespace vlm
