// Fuzz target: any bytes are a video file in memory or an Error; its frames have the size of the clip and are decoded
// alike in turn and one by one.
// needs: video
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include <vlm/vision/video_file.hpp>

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  av_log_set_level(AV_LOG_QUIET);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    const vlm::VideoFileOptions options{.decoding_threads = 1};
    const vlm::Video video = vlm::open_video(bytes, "input", options);
    if (video.size().height > (1 << 14) / video.size().width) return 0;  // larger ones would only take longer
    vlm::Image storage;
    const vlm::Index last = video.frames() < 4 ? video.frames() - 1 : 3;
    for (vlm::Index i = 0; i < last; ++i) video.frame(i, storage);
    const vlm::Image frame = video.frame(last, storage);
    if (vlm::open_video(bytes, "input", options).frame(last, storage) != frame) std::abort();
  } catch (const vlm::Error&) {
    // Refused, as most inputs are.
  }
  return 0;
}
