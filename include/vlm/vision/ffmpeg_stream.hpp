// A video stream of a file through FFmpeg's libraries, version 5 or later: packets, frames, seeking. Only containers of
// video are opened, and nothing but the file or the bytes themselves: no playlists, no network. What FFmpeg writes to
// its log is set with its own av_log_set_level.
#pragma once

#include <vlm/core/config.hpp>

#if VLM_HAS_VIDEO

#if !__has_include(<libavformat/avformat.h>) || !__has_include(<libswscale/swscale.h>)
#error \
    "vlm: VLM_HAS_VIDEO=1 needs FFmpeg (Debian: libavformat-dev libavcodec-dev libswscale-dev libavutil-dev)"
#endif

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/error.h>
#include <libswscale/swscale.h>
}

#if LIBAVFORMAT_VERSION_MAJOR < 59
#error "vlm: VLM_HAS_VIDEO=1 needs FFmpeg 5 or later"
#endif

#include <vlm/core/error.hpp>
#include <vlm/vision/ffmpeg_memory.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/resize.hpp>
#include <vlm/vision/video_source.hpp>

namespace vlm {

namespace detail {

struct FfmpegDelete {
  void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(SwsContext* context) const { sws_freeContext(context); }
};
template <class T>
using FfmpegOwner = std::unique_ptr<T, FfmpegDelete>;

inline std::string ffmpeg_text(int status) {
  char text[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(status, text, sizeof text);
  return text;
}

// Options for FFmpeg; freed with what it did not take.
class FfmpegOptions {
 public:
  FfmpegOptions() = default;
  FfmpegOptions(const FfmpegOptions&) = delete;
  FfmpegOptions& operator=(const FfmpegOptions&) = delete;
  ~FfmpegOptions() { av_dict_free(&options_); }
  void set(const char* name, const std::string& value) { av_dict_set(&options_, name, value.c_str(), 0); }
  AVDictionary** get() { return &options_; }

 private:
  AVDictionary* options_ = nullptr;
};

// A file with its best video stream and a decoder for it, at the first packet.
class FfmpegStream {
 public:
  FfmpegStream(const VideoSource& source, int threads) : source_(source) {
    open_file();
    choose_stream();
    open_decoder(threads);
  }

  AVStream& stream() const { return *format_->streams[stream_]; }
  ImageSize stored_size() const { return {stream().codecpar->height, stream().codecpar->width}; }

  // The next packet of the stream; false at the end of the file. The packet is cleared by the next call.
  bool next_packet() {
    while (true) {
      av_packet_unref(packet_.get());
      const int status = av_read_frame(format_.get(), packet_.get());
      if (status == AVERROR_EOF) return false;
      if (status < 0) throw_damaged("packets up to the end", ffmpeg_text(status));
      note_end(*packet_);
      if (packet_->stream_index != stream_) continue;
      if (packet_->flags & AV_PKT_FLAG_CORRUPT) throw_damaged("whole packets", "a packet that is cut off");
      return true;
    }
  }
  const AVPacket& packet() const { return *packet_; }

  // After the last packet. Some containers end in silence where a file is cut off; what they promise tells.
  void check_end(Index packets) const {
    const auto is = [this](const char* name) {
      return std::string_view(format_->iformat->name).find(name) != std::string_view::npos;
    };
    if (const Index promised = stream().nb_frames; is("avi") && promised > packets)
      throw_damaged(std::to_string(promised) + " frames", std::to_string(packets));
    const double promised = static_cast<double>(format_->duration) / AV_TIME_BASE;
    const double mean = end_ / static_cast<double>(packets < 1 ? 1 : packets);
    if (is("matroska") && end_ < promised * 0.98 - 3 * mean)
      throw_damaged(std::to_string(promised) + " seconds", std::to_string(end_));
  }

  // The next frame in the order of showing; null at the end.
  const AVFrame* next_frame() {
    while (true) {
      const int status = avcodec_receive_frame(decoder_.get(), frame_.get());
      if (status == 0) return frame_.get();
      if (status == AVERROR_EOF) return nullptr;
      if (status != AVERROR(EAGAIN)) throw_damaged("frames that decode", ffmpeg_text(status));
      const bool more = next_packet();
      const int sent = avcodec_send_packet(decoder_.get(), more ? packet_.get() : nullptr);
      if (sent < 0 && sent != AVERROR_EOF) throw_damaged("frames that decode", ffmpeg_text(sent));
    }
  }

  // Has the container leave out what is not of the stream.
  void skip_other_streams() {
    for (unsigned i = 0; i < format_->nb_streams; ++i)
      if (static_cast<int>(i) != stream_) format_->streams[i]->discard = AVDISCARD_ALL;
  }

  // Goes on at the key frame that is shown at `time` or before; false where the file cannot be sought in.
  bool seek(std::int64_t time) {
    if (avformat_seek_file(format_.get(), stream_, INT64_MIN, time, time, 0) < 0) return false;
    avcodec_flush_buffers(decoder_.get());
    return true;
  }

  [[noreturn]] void throw_damaged(const std::string& expected, const std::string& got) const {
    throw FileError("video-damaged", {{"file", source_.name},
                                      {"expected", expected},
                                      {"got", got},
                                      {"try", "fetch or encode the file again"}});
  }

 private:
  // Those that carry times: a bare stream of H.264, say, does not.
  static constexpr const char* containers =
      "mov,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf,gif,apng,yuv4mpegpipe,ivf,nut,mxf,dv,rm,wtv";

  [[noreturn]] void throw_no_video(const std::string& expected, const std::string& got) const {
    throw FileError("video-file", {{"file", source_.name},
                                   {"expected", expected},
                                   {"got", got},
                                   {"try", "check the path, or encode the video again"}});
  }

  void note_end(const AVPacket& packet) {
    const std::int64_t time = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
    if (time == AV_NOPTS_VALUE) return;
    const double tick = av_q2d(format_->streams[packet.stream_index]->time_base);
    end_ = std::max(end_, (static_cast<double>(time) + static_cast<double>(packet.duration)) * tick);
  }

  void open_file() {
    FfmpegOptions options;
    options.set("format_whitelist", containers);
    options.set("protocol_whitelist", source_.bytes ? "none" : "file");
    if (source_.bytes) memory_ = std::make_unique<FfmpegMemory>(*source_.bytes);
    AVFormatContext* format = avformat_alloc_context();
    if (!format) throw std::bad_alloc();
    if (memory_) format->pb = memory_->get();
    // Of bytes nothing is opened under the name, but FFmpeg guesses by it too.
    const int status = avformat_open_input(&format, ("file:" + source_.name).c_str(), nullptr, options.get());
    if (status == AVERROR_INVALIDDATA || status == AVERROR(EINVAL))
      throw FileError("video-format",
                      {{"file", source_.name},
                       {"expected", "a video file"},
                       {"got", "another kind of file, or a damaged one"},
                       {"try", "check the path, or encode the video again, as MP4 for example"}});
    if (status < 0) throw_no_video("a video file", ffmpeg_text(status));
    format_.reset(format);  // where it fails, FFmpeg frees it
    // Reading the header may decode: the limits hold there too.
    std::vector<AVDictionary*> limits(format_->nb_streams);
    for (AVDictionary*& limit : limits) av_dict_set_int(&limit, "max_pixels", max_image_pixels, 0);
    const int found = avformat_find_stream_info(format_.get(), limits.data());
    for (AVDictionary*& limit : limits) av_dict_free(&limit);
    if (found < 0) throw_no_video("a video file", ffmpeg_text(found));
  }

  void choose_stream() {
    const AVCodec* codec = nullptr;
    const int best = av_find_best_stream(format_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (best == AVERROR_DECODER_NOT_FOUND) throw_no_video("a codec that this FFmpeg decodes", "another one");
    if (best < 0 || format_->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC)
      throw_no_video("a video stream", "none");
    stream_ = best;
    codec_ = codec;
    check_image_size(stored_size().height, stored_size().width, source_.name);
  }

  void open_decoder(int threads) {
    decoder_.reset(avcodec_alloc_context3(codec_));
    frame_.reset(av_frame_alloc());
    packet_.reset(av_packet_alloc());
    if (!decoder_ || !frame_ || !packet_) throw std::bad_alloc();
    decoder_->pkt_timebase = stream().time_base;
    decoder_->thread_count = threads;
    decoder_->max_pixels = max_image_pixels;
    int status = avcodec_parameters_to_context(decoder_.get(), stream().codecpar);
    if (status >= 0) status = avcodec_open2(decoder_.get(), codec_, nullptr);
    if (status < 0) throw_no_video("a stream that decodes", ffmpeg_text(status));
  }

  VideoSource source_;
  std::unique_ptr<FfmpegMemory> memory_;  // outlives what reads it
  FfmpegOwner<AVFormatContext> format_;
  FfmpegOwner<AVCodecContext> decoder_;
  FfmpegOwner<AVFrame> frame_;
  FfmpegOwner<AVPacket> packet_;
  const AVCodec* codec_ = nullptr;
  int stream_ = -1;
  double end_ = 0;  // of all packets so far, in seconds
};

}  // namespace detail

}  // namespace vlm

#endif  // VLM_HAS_VIDEO
