// WebP through libwebp: the picture, or the first frame of an animation on its canvas. Alpha is dropped.
#pragma once

#include <vlm/core/config.hpp>

#if VLM_HAS_IMAGE

#if !__has_include(<webp/decode.h>) || !__has_include(<webp/demux.h>)
#error "vlm: VLM_HAS_IMAGE=1 needs libwebp (Debian: libwebp-dev)"
#endif

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <webp/decode.h>
#include <webp/demux.h>

#include <vlm/vision/image_bytes.hpp>
#include <vlm/vision/image_codecs.hpp>

namespace vlm {

namespace detail {

// Decodes one picture into pixels of four bytes, `pitch` bytes from row to row.
inline void decode_webp_picture(const ImageBytes& bytes, std::string_view picture, std::uint8_t* pixels,
                                Index width, Index height, Index pitch) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) bytes.damaged("another version of libwebp");
  const auto* data = reinterpret_cast<const std::uint8_t*>(picture.data());
  VP8StatusCode status = WebPGetFeatures(data, picture.size(), &config.input);
  if (status == VP8_STATUS_OK && (config.input.width != width || config.input.height != height))
    bytes.damaged("two sizes of the image");
  config.output.colorspace = MODE_RGBA;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = pixels;
  config.output.u.RGBA.stride = static_cast<int>(pitch);
  config.output.u.RGBA.size = static_cast<std::size_t>(pitch * (height - 1) + 4 * width);
  if (status == VP8_STATUS_OK) status = WebPDecode(data, picture.size(), &config);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED) bytes.truncated();
  if (status != VP8_STATUS_OK) bytes.damaged("an error of libwebp, status " + std::to_string(status));
}

inline void decode_first_frame(const ImageBytes& bytes, std::string_view file, std::uint8_t* pixels,
                               Index width, Index height) {
  struct Demuxer {
    explicit Demuxer(std::string_view text) {
      const WebPData data = {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
      demuxer = WebPDemux(&data);
      found = demuxer && WebPDemuxGetFrame(demuxer, 1, &frame);
    }
    Demuxer(const Demuxer&) = delete;
    Demuxer& operator=(const Demuxer&) = delete;
    ~Demuxer() {
      WebPDemuxReleaseIterator(&frame);
      WebPDemuxDelete(demuxer);
    }
    WebPDemuxer* demuxer = nullptr;
    WebPIterator frame{};
    bool found = false;
  };
  const Demuxer file_of_frames(file);
  const WebPIterator& frame = file_of_frames.frame;
  if (!file_of_frames.found || !frame.complete) bytes.truncated();
  if (frame.x_offset + frame.width > width || frame.y_offset + frame.height > height)
    bytes.damaged("a frame beyond its canvas");
  const std::string_view picture(reinterpret_cast<const char*>(frame.fragment.bytes), frame.fragment.size);
  decode_webp_picture(bytes, picture, pixels + 4 * (frame.y_offset * width + frame.x_offset), frame.width,
                      frame.height, 4 * width);
}

inline std::unique_ptr<ImageRows> open_webp(std::string_view file, const ImageHeader& header,
                                            std::string_view name) {
  const ImageBytes bytes(file, name, "a WebP image");
  const Index height = swaps_sides(header.orientation) ? header.width : header.height;
  const Index width = swaps_sides(header.orientation) ? header.height : header.width;
  WebPBitstreamFeatures features{};
  const VP8StatusCode status =
      WebPGetFeatures(reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) bytes.truncated();
  if (status != VP8_STATUS_OK) bytes.damaged("an error of libwebp, status " + std::to_string(status));
  RowsOfPixels::Pixels pixels;
  if (features.has_animation) {
    pixels.assign(static_cast<std::size_t>(4 * height * width), 0);
    decode_first_frame(bytes, file, pixels.data(), width, height);
  } else {
    pixels.resize(static_cast<std::size_t>(4 * height * width));
    decode_webp_picture(bytes, file, pixels.data(), width, height, 4 * width);
  }
  return std::make_unique<RowsOfPixels>(height, width, std::move(pixels));
}
inline const bool webp_registered = register_image_codec(ImageFormat::WebP, open_webp);

}  // namespace detail

}  // namespace vlm

#endif  // VLM_HAS_IMAGE
