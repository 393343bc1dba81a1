// GIF through giflib: the first frame on its screen. Around it and where it is transparent stands what Pillow puts there:
// the colour of the transparent index, or of index 0.
#pragma once

#include <vlm/core/config.hpp>

#if VLM_HAS_IMAGE

#if !__has_include(<gif_lib.h>)
#error "vlm: VLM_HAS_IMAGE=1 needs giflib (Debian: libgif-dev)"
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <gif_lib.h>

#include <vlm/vision/image_bytes.hpp>
#include <vlm/vision/image_codecs.hpp>

namespace vlm {

namespace detail {

class GifDecoder {
 public:
  GifDecoder(std::string_view file, Index height, Index width, std::string_view name)
      : bytes_(file, name, "a GIF image"), rest_(file), height_(height), width_(width) {
    int error = 0;
    gif_ = DGifOpen(this, take, &error);
    if (!gif_) fail(error);
  }
  GifDecoder(const GifDecoder&) = delete;
  GifDecoder& operator=(const GifDecoder&) = delete;
  ~GifDecoder() {
    int error = 0;
    DGifCloseFile(gif_, &error);
  }

  RowsOfPixels::Pixels decode() {
    find_frame();
    const GifImageDesc& frame = gif_->Image;
    if (frame.Left < 0 || frame.Top < 0 || frame.Width < 1 || frame.Height < 1 ||
        frame.Left + frame.Width > width_ || frame.Top + frame.Height > height_)
      bytes_.damaged("a frame beyond its screen");
    std::vector<std::uint8_t> indices(static_cast<std::size_t>(width_ * height_), background_);
    for (const Index row : rows_in_order(frame.Height, frame.Interlace)) {
      std::uint8_t* to = indices.data() + (frame.Top + row) * width_ + frame.Left;
      if (DGifGetLine(gif_, to, frame.Width) != GIF_OK) fail(gif_->Error);
    }
    return coloured(indices, frame.ColorMap ? frame.ColorMap : gif_->SColorMap);
  }

 private:
  static int take(GifFileType* gif, GifByteType* to, int count) {
    auto* self = static_cast<GifDecoder*>(gif->UserData);
    const std::size_t got = std::min(static_cast<std::size_t>(count), self->rest_.size());
    std::memcpy(to, self->rest_.data(), got);
    self->rest_.remove_prefix(got);
    self->truncated_ = self->truncated_ || got < static_cast<std::size_t>(count);
    return static_cast<int>(got);
  }
  [[noreturn]] void fail(int error) const {
    if (truncated_) bytes_.truncated();
    const char* text = GifErrorString(error);
    bytes_.damaged(text ? text : "an unknown error of giflib");
  }

  // Reads up to the first frame's pixels; a graphic control block before it may name the transparent index.
  void find_frame() {
    for (;;) {
      GifRecordType record = UNDEFINED_RECORD_TYPE;
      if (DGifGetRecordType(gif_, &record) != GIF_OK) fail(gif_->Error);
      if (record == IMAGE_DESC_RECORD_TYPE) break;
      if (record == TERMINATE_RECORD_TYPE) bytes_.damaged("no frame");
      if (record != EXTENSION_RECORD_TYPE) continue;
      int code = 0;
      GifByteType* block = nullptr;
      if (DGifGetExtension(gif_, &code, &block) != GIF_OK) fail(gif_->Error);
      if (code == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4 && (block[1] & 1)) background_ = block[4];
      while (block)
        if (DGifGetExtensionNext(gif_, &block) != GIF_OK) fail(gif_->Error);
    }
    if (DGifGetImageDesc(gif_) != GIF_OK) fail(gif_->Error);
  }

  static std::vector<Index> rows_in_order(Index height, bool interlaced) {
    std::vector<Index> rows;
    constexpr Index first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    for (std::size_t pass = 0; pass < (interlaced ? 4u : 1u); ++pass)
      for (Index row = first[pass]; row < height; row += interlaced ? step[pass] : 1) rows.push_back(row);
    return rows;
  }

  // Entries that the file does not have are black, or grey where it has none but those, as in Pillow.
  RowsOfPixels::Pixels coloured(const std::vector<std::uint8_t>& indices, const ColorMapObject* map) const {
    std::array<std::uint8_t, 1024> palette{};
    const int count = map ? std::min(map->ColorCount, 256) : 0;
    bool grey = true;
    for (int i = 0; i < 256; ++i) {
      std::uint8_t* entry = palette.data() + 4 * i;
      if (i < count) {
        const GifColorType colour = map->Colors[i];
        grey = grey && colour.Red == i && colour.Green == i && colour.Blue == i;
        entry[0] = colour.Red;
        entry[1] = colour.Green;
        entry[2] = colour.Blue;
      } else if (grey) {
        std::memset(entry, i, 3);
      }
    }
    RowsOfPixels::Pixels pixels(indices.size() * 4);
    for (std::size_t i = 0; i < indices.size(); ++i)
      std::memcpy(pixels.data() + 4 * i, palette.data() + std::size_t{4} * indices[i], 4);
    return pixels;
  }

  ImageBytes bytes_;
  std::string_view rest_;
  Index height_, width_;
  GifFileType* gif_ = nullptr;
  bool truncated_ = false;
  std::uint8_t background_ = 0;
};

inline std::unique_ptr<ImageRows> open_gif(std::string_view file, const ImageHeader& header,
                                           std::string_view name) {
  RowsOfPixels::Pixels pixels = GifDecoder(file, header.height, header.width, name).decode();
  return std::make_unique<RowsOfPixels>(header.height, header.width, std::move(pixels));
}
inline const bool gif_registered = register_image_codec(ImageFormat::Gif, open_gif);

}  // namespace detail

}  // namespace vlm

#endif  // VLM_HAS_IMAGE
