// Bytes in memory as a file of FFmpeg's.
#pragma once

#include <vlm/core/config.hpp>

#if VLM_HAS_VIDEO

#if !__has_include(<libavformat/avio.h>)
#error "vlm: VLM_HAS_VIDEO=1 needs FFmpeg (Debian: libavformat-dev)"
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <new>
#include <span>

extern "C" {
#include <libavformat/avio.h>
#include <libavutil/error.h>
#include <libavutil/mem.h>
}

namespace vlm::detail {

// The bytes are borrowed; the object stays where it is.
class FfmpegMemory {
 public:
  explicit FfmpegMemory(std::span<const std::byte> bytes) : bytes_(bytes) {
    constexpr int buffered = 1 << 15;
    auto* buffer = static_cast<unsigned char*>(av_malloc(buffered));
    if (buffer) context_ = avio_alloc_context(buffer, buffered, 0, this, read, nullptr, seek);
    if (context_) return;
    av_free(buffer);
    throw std::bad_alloc();
  }
  FfmpegMemory(const FfmpegMemory&) = delete;
  FfmpegMemory& operator=(const FfmpegMemory&) = delete;
  ~FfmpegMemory() {
    av_free(context_->buffer);  // which FFmpeg may have replaced
    avio_context_free(&context_);
  }

  AVIOContext* get() { return context_; }

 private:
  std::int64_t size() const { return static_cast<std::int64_t>(bytes_.size()); }

  static int read(void* opaque, std::uint8_t* to, int count) {
    auto* self = static_cast<FfmpegMemory*>(opaque);
    if (self->next_ >= self->size()) return AVERROR_EOF;
    const auto taken = static_cast<int>(std::min<std::int64_t>(count, self->size() - self->next_));
    std::memcpy(to, self->bytes_.data() + self->next_, static_cast<std::size_t>(taken));
    self->next_ += taken;
    return taken;
  }
  // As in a file, behind the end too; there is nothing to read there.
  static std::int64_t seek(void* opaque, std::int64_t offset, int whence) {
    auto* self = static_cast<FfmpegMemory*>(opaque);
    if (whence & AVSEEK_SIZE) return self->size();
    whence &= ~AVSEEK_FORCE;
    const std::int64_t from = whence == SEEK_CUR ? self->next_ : whence == SEEK_END ? self->size() : 0;
    if (offset < -from || offset > std::numeric_limits<std::int64_t>::max() - from) return AVERROR(EINVAL);
    return self->next_ = from + offset;
  }

  std::span<const std::byte> bytes_;
  std::int64_t next_ = 0;
  AVIOContext* context_ = nullptr;
};

}  // namespace vlm::detail

#endif  // VLM_HAS_VIDEO
