// The frames of video files through FFmpeg's libraries; included by video_file.hpp. One pass over the packets finds the time
// of each frame and the key frames, decoding nothing.
#pragma once

#include <vlm/core/config.hpp>

#if VLM_HAS_VIDEO

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libswscale/swscale.h>
}

#include <vlm/core/error.hpp>
#include <vlm/core/thread_pool.hpp>
#include <vlm/vision/ffmpeg_stream.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/video_file.hpp>

namespace vlm {

namespace detail {

// How many quarters the frames are to be turned clockwise.
inline int quarter_turns(const AVStream& stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 100)
  const AVPacketSideData* data = av_packet_side_data_get(
      stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  const std::uint8_t* matrix = data && data->size >= 9 * sizeof(std::int32_t) ? data->data : nullptr;
#else
  std::size_t size = 0;
  const std::uint8_t* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  const std::uint8_t* matrix = size >= 9 * sizeof(std::int32_t) ? data : nullptr;
#endif
  if (!matrix) return 0;
  std::array<std::int32_t, 9> numbers{};
  std::memcpy(numbers.data(), matrix, sizeof numbers);
  const double degrees = av_display_rotation_get(numbers.data());  // counter-clockwise; NaN for no rotation
  if (!(std::abs(degrees) <= 360)) return 0;
  return static_cast<int>(std::lround(-degrees / 90) + 8) % 4;
}

// Frames to RGB, turned.
class FfmpegConverter {
 public:
  explicit FfmpegConverter(int turns) : turns_(turns) {}

  // A null pointer of FFmpeg's here means no memory; a format that it cannot convert gives no image.
  bool convert(const AVFrame& frame, Image& image) {
    const auto format = static_cast<AVPixelFormat>(frame.format);
    context_.reset(sws_getCachedContext(
        context_.release(), frame.width, frame.height, format, frame.width, frame.height, AV_PIX_FMT_RGB24,
        SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, nullptr, nullptr, nullptr));
    if (!context_) return false;
    const bool full = frame.color_range == AVCOL_RANGE_JPEG;
    sws_setColorspaceDetails(context_.get(), sws_getCoefficients(frame.colorspace), full,
                             sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    if (!rgb_ || rgb_->width != frame.width || rgb_->height != frame.height) {
      // Rows with room behind them: the vector code writes beyond odd widths.
      rgb_.reset(av_frame_alloc());
      if (!rgb_) return false;
      rgb_->width = frame.width;
      rgb_->height = frame.height;
      rgb_->format = AV_PIX_FMT_RGB24;
      if (av_frame_get_buffer(rgb_.get(), 64) < 0) return false;
    }
    if (sws_scale(context_.get(), frame.data, frame.linesize, 0, frame.height, rgb_->data, rgb_->linesize) !=
        frame.height)
      return false;
    copy_turned(image);
    return true;
  }

 private:
  void copy_turned(Image& image) const {
    const Index height = rgb_->height, width = rgb_->width;
    image = turns_ % 2 == 0 ? Image(height, width) : Image(width, height);
    for (Index y = 0; y < height; ++y) {
      const std::uint8_t* row = rgb_->data[0] + y * rgb_->linesize[0];
      if (turns_ == 0) {
        std::memcpy(image.at(y, 0), row, static_cast<std::size_t>(3 * width));
        continue;
      }
      for (Index x = 0; x < width; ++x) {
        std::uint8_t* pixel = turns_ == 1   ? image.at(x, height - 1 - y)
                              : turns_ == 2 ? image.at(height - 1 - y, width - 1 - x)
                                            : image.at(width - 1 - x, y);
        std::memcpy(pixel, row + 3 * x, 3);
      }
    }
  }

  int turns_;
  FfmpegOwner<SwsContext> context_;
  FfmpegOwner<AVFrame> rgb_;
};

// The frames of a file by their place in the order of showing.
class FfmpegReader {
 public:
  FfmpegReader(VideoSource source, const VideoFileOptions& options)
      : source_(std::move(source)), threads_(options.decoding_threads) {
    file_ = std::make_unique<FfmpegStream>(source_, threads_);
    turns_ = quarter_turns(file_->stream());
    converter_ = FfmpegConverter(turns_);
    scan();
    open();  // at the first packet again
  }

  Index frames() const { return frames_; }
  ImageSize size() const {
    const ImageSize stored = file_->stored_size();
    return turns_ % 2 == 0 ? stored : ImageSize{stored.width, stored.height};
  }

  FrameClock clock() const {
    const AVStream& stream = file_->stream();
    const AVRational average = stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
    const double rate = average.num > 0 && average.den > 0 ? av_q2d(average) : 0;
    if (times_.empty()) {
      if (rate > 0) return FrameClock::rate(rate);
      throw FileError("video-times", {{"file", source_.name},
                                      {"expected", "times of the frames, or a frame rate"},
                                      {"got", "neither"},
                                      {"try", "put the stream into a container that has times"}});
    }
    const double tick = av_q2d(stream.time_base);
    std::vector<double> seconds;
    bool constant = rate > 0;
    for (std::size_t i = 0; i < times_.size(); ++i) {
      seconds.push_back(static_cast<double>(times_[i] - times_[0]) * tick);
      // Times are whole ticks, the first one too.
      constant = constant && std::abs(seconds[i] - static_cast<double>(i) / rate) <= 1.5 * tick + 1e-6;
    }
    return constant ? FrameClock::rate(rate) : FrameClock::times(std::move(seconds));
  }

  Image frame(Index index) {
    const AVFrame& frame = times_.empty() ? frame_by_count(index) : frame_by_time(index);
    Image image;
    const bool damaged = frame.decode_error_flags != 0 || (frame.flags & AV_FRAME_FLAG_CORRUPT) != 0;
    if (damaged || !converter_.convert(frame, image))
      file_->throw_damaged("frames that decode", "frame " + std::to_string(index) + ", which does not");
    return image;
  }

 private:
  void open() {
    file_ = std::make_unique<FfmpegStream>(source_, threads_);
    file_->skip_other_streams();
    shown_ = 0;
    last_time_ = INT64_MIN;
  }

  void scan() {
    bool all_have_times = true;
    Index packets = 0;
    for (; file_->next_packet(); ++packets) {
      const AVPacket& packet = file_->packet();
      if (packet.flags & AV_PKT_FLAG_DISCARD) continue;
      if (++frames_ > max_video_frames)
        throw FileError("video-file",
                        {{"file", source_.name},
                         {"expected", "at most " + std::to_string(max_video_frames) + " frames"},
                         {"got", "more"},
                         {"try", "a shorter video, or a part of this one"}});
      all_have_times = all_have_times && packet.pts != AV_NOPTS_VALUE;
      times_.push_back(packet.pts);
      if (packet.flags & AV_PKT_FLAG_KEY) keys_.push_back(packet.pts);
    }
    if (frames_ == 0) file_->throw_damaged("frames", "none");
    file_->check_end(packets);
    if (!all_have_times) times_.clear();
    std::sort(times_.begin(), times_.end());
    std::sort(keys_.begin(), keys_.end());
  }

  // Decodes on to the frame, or again from the start.
  const AVFrame& frame_by_count(Index index) {
    if (index < shown_) open();
    while (const AVFrame* frame = file_->next_frame())
      if (shown_++ == index) return *frame;
    file_->throw_damaged("frame " + std::to_string(index), "the end of the frames");
  }

  const AVFrame& frame_by_time(Index index) {
    const std::int64_t time = times_[static_cast<std::size_t>(index)];
    const auto after = std::upper_bound(keys_.begin(), keys_.end(), time);
    const std::int64_t key = after == keys_.begin() ? INT64_MIN : after[-1];
    if (time <= last_time_) open();
    if (key > last_time_ && key > times_[0]) {
      const bool sought = file_->seek(key);
      const AVFrame* first = sought ? file_->next_frame() : nullptr;
      // Where seeking led too far, or nowhere, every frame is decoded from the start.
      if (first && first->best_effort_timestamp != AV_NOPTS_VALUE && first->best_effort_timestamp <= time) {
        if (reaches(*first, time)) return *first;
      } else {
        open();
      }
    }
    while (const AVFrame* frame = file_->next_frame())
      if (reaches(*frame, time)) return *frame;
    file_->throw_damaged("frame " + std::to_string(index), "the end of the frames");
  }
  bool reaches(const AVFrame& frame, std::int64_t time) {
    if (frame.best_effort_timestamp != AV_NOPTS_VALUE) last_time_ = frame.best_effort_timestamp;
    return last_time_ >= time;
  }

  VideoSource source_;
  int threads_;
  int turns_ = 0;
  std::unique_ptr<FfmpegStream> file_;
  FfmpegConverter converter_{0};
  Index frames_ = 0, shown_ = 0;
  std::int64_t last_time_ = INT64_MIN;  // of the frame that was decoded last
  std::vector<std::int64_t> times_,
      keys_;  // in ticks, rising; no times where the file has none for some frame
};

inline Video open_with_ffmpeg(const VideoSource& source, const VideoFileOptions& options) {
  if (options.decoding_threads < 0 || options.decoding_threads > detail::most_threads)
    throw ConfigError("video-options", {{"field", "decoding_threads"},
                                        {"expected", "0 to " + std::to_string(detail::most_threads)},
                                        {"got", std::to_string(options.decoding_threads)},
                                        {"try", "0, which takes one thread per processor"}});
  const auto reader = std::make_shared<FfmpegReader>(source, options);
  return Video(reader->frames(), reader->size(), reader->clock(),
               [reader](Index frame) { return reader->frame(frame); });
}

inline const bool ffmpeg_is_registered = register_video_opener(open_with_ffmpeg);

}  // namespace detail

}  // namespace vlm

#endif  // VLM_HAS_VIDEO
