// Text on an image, in one small font: printable ASCII; each other character is drawn as a hollow box.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <vlm/core/shape.hpp>
#include <vlm/vision/colour.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/resize.hpp>

namespace vlm {

namespace detail {

inline constexpr Index glyph_width = 5, glyph_height = 8, glyph_advance = 6;
inline constexpr char no_glyph = '\x7f';

// From space to the box in place of DEL: eight rows of five pixels, the first one in the highest bit.
inline constexpr std::array<std::uint64_t, 96> glyphs = {
    0x0000000000, 0x2108420080, 0x5294000000, 0x52beafa940, 0x23e8e2f880, 0xce44444e60, 0x64a88ac9a0,
    0x2108000000, 0x1110841040, 0x4104211100, 0x012aea9000, 0x0109f21000, 0x0000003188, 0x0001f00000,
    0x0000003180, 0x0044444000, 0x74675cc5c0, 0x23084211c0, 0x74422223e0, 0xf88820c5c0, 0x11952f8840,
    0xfc3c10c5c0, 0x3221e8c5c0, 0xf844442100, 0x7462e8c5c0, 0x7462f08980, 0x0318063000, 0x0318063110,
    0x1111041040, 0x003e0f8000, 0x4104111100, 0x7442220080, 0x7442dad5c0, 0x7463f8c620, 0xf463e8c7c0,
    0x74610845c0, 0xe4a318cb80, 0xfc21e843e0, 0xfc21e84200, 0x746178c5e0, 0x8c63f8c620, 0x71084211c0,
    0x3884214980, 0x8ca98a4a20, 0x84210843e0, 0x8eeb58c620, 0x8e6b59c620, 0x746318c5c0, 0xf463e84200,
    0x74631ac9a0, 0xf463ea4a20, 0x7c20e087c0, 0xf908421080, 0x8c6318c5c0, 0x8c6318a880, 0x8c635aee20,
    0x8c54454620, 0x8c54421080, 0xf8444443e0, 0x72108421c0, 0x0410410400, 0x70842109c0, 0x22a2000000,
    0x000000001f, 0x4104000000, 0x001c17c5e0, 0x843d18c7c0, 0x001d0841c0, 0x085f18c5e0, 0x001d1fc1c0,
    0x3251e42100, 0x001f18bc2e, 0x843d18c620, 0x20184211c0, 0x100c210a4c, 0x84254c5240, 0x61084211c0,
    0x003d5ad6a0, 0x003d18c620, 0x001d18c5c0, 0x003d18fa10, 0x001f18bc21, 0x002d984200, 0x001f0707c0,
    0x423c8424c0, 0x002318cda0, 0x002318a880, 0x00231ad540, 0x0022a22a20, 0x002318bc2e, 0x003e2223e0,
    0x1908821060, 0x2108421080, 0xc108221300, 0x0011510000, 0xfc6318c7e0};

// One byte for each character of UTF-8. A byte that begins and continues none is one, too.
inline std::string glyphs_of(std::string_view text) {
  std::string drawn;
  bool inside = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = inside && (byte & 0xc0) == 0x80;
    inside = byte >= 0x80;
    if (!continues) drawn += byte >= ' ' && byte < no_glyph ? c : no_glyph;
  }
  return drawn;
}

// Both ends belong to it; what lies outside of the image is not drawn.
inline void fill_rectangle(Image& image, Index top, Index left, Index bottom, Index right, Colour colour) {
  const Index last_row = std::min(bottom, image.height - 1), last_column = std::min(right, image.width - 1);
  for (Index y = std::max(top, Index{0}); y <= last_row; ++y)
    for (Index x = std::max(left, Index{0}); x <= last_column; ++x) {
      std::uint8_t* pixel = image.at(y, x);
      pixel[0] = colour.red;
      pixel[1] = colour.green;
      pixel[2] = colour.blue;
    }
}

}  // namespace detail

// The largest scale that text is drawn at: the pixels of a dot of its letters are scale x scale.
inline constexpr Index max_text_scale = 1 << 20;

// The pixels that a text takes; 0 x 0 for none, and at a scale that nothing is drawn at.
inline ImageSize text_size(std::string_view text, Index scale) {
  const auto count = static_cast<Index>(detail::glyphs_of(text).size());
  if (count == 0 || scale < 1 || scale > max_text_scale) return {};
  return {detail::glyph_height * scale, (detail::glyph_advance * count - 1) * scale};
}

// One line of text with its upper left corner in row `top` and column `left`, either of which may lie outside of the
// image; what does is not drawn. Nothing is drawn at a scale below 1 or above max_text_scale.
inline void draw_text(Image& image, std::string_view text, Index top, Index left, Colour colour,
                      Index scale = 1) {
  if (scale < 1 || scale > max_text_scale || top >= image.height) return;
  for (const char c : detail::glyphs_of(text)) {
    if (left >= image.width) return;
    const std::uint64_t glyph = detail::glyphs[static_cast<std::size_t>(c - ' ')];
    for (Index y = 0; y < detail::glyph_height; ++y)
      for (Index x = 0; x < detail::glyph_width; ++x)
        if (glyph >> (detail::glyph_height * detail::glyph_width - 1 - y * detail::glyph_width - x) & 1)
          detail::fill_rectangle(image, top + y * scale, left + x * scale, top + (y + 1) * scale - 1,
                                 left + (x + 1) * scale - 1, colour);
    left += detail::glyph_advance * scale;
  }
}

// The pixels of a label: its text with a margin of one dot.
inline ImageSize label_size(std::string_view text, Index scale) {
  const ImageSize size = text_size(text, scale);
  return size.height == 0 ? size : ImageSize{size.height + 2 * scale, size.width + 2 * scale};
}

// A text in black or white on a rectangle of the colour.
inline void draw_label(Image& image, std::string_view text, Index top, Index left, Colour background,
                       Index scale = 1) {
  const ImageSize size = label_size(text, scale);
  if (size.height == 0 || top >= image.height || left >= image.width) return;
  detail::fill_rectangle(image, top, left, top + size.height - 1, left + size.width - 1, background);
  draw_text(image, text, top + scale, left + scale, text_colour_on(background), scale);
}

}  // namespace vlm
