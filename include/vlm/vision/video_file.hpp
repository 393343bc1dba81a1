// Clips from video files, on disk or in memory. A translation unit that is compiled with VLM_HAS_VIDEO=1 brings
// FFmpeg's decoders, for the whole program; the CMake target vlm::video sets it and links the libraries.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <string>

#include <vlm/core/error.hpp>
#include <vlm/vision/video.hpp>
#include <vlm/vision/video_source.hpp>

namespace vlm {

struct VideoFileOptions {
  int decoding_threads = 0;  // 0: as many as the decoder finds useful
};

using VideoOpener = Video (*)(const VideoSource& source, const VideoFileOptions& options);

namespace detail {

inline std::atomic<VideoOpener> video_opener = nullptr;

}  // namespace detail

// Makes `open` what opens video files, before or while they are opened; true, for use as an initialiser.
inline bool register_video_opener(VideoOpener open) {
  detail::video_opener.store(open);
  return true;
}

namespace detail {

inline Video open_video_source(const VideoSource& source, const VideoFileOptions& options) {
  if (const VideoOpener open = video_opener.load()) return open(source, options);
  throw FileError("video-support", {{"file", source.name},
                                    {"expected", "a program with vlm::video"},
                                    {"got", "one without"},
                                    {"try", "link vlm::video, or make a Video from the file's frames"}});
}

}  // namespace detail

// The first video stream of a file. Its times are those of the file: a constant rate where the frames keep to it, and
// else the time of each frame from the first one on. Frames are decoded when they are asked for, seeking where that
// is shorter, and only those are converted to RGB; frames that the file says are turned by quarters are turned. The
// file must not change while the clip is in use. FileError where there is no clip in it, or it is damaged.
inline Video open_video(const std::string& path, const VideoFileOptions& options = {}) {
  return detail::open_video_source({path}, options);
}
// The same from the bytes of a file. They are borrowed, and must outlive the clip and its copies; `name` stands in
// errors, which are those of a file.
inline Video open_video(std::span<const std::byte> bytes, const std::string& name,
                        const VideoFileOptions& options = {}) {
  return detail::open_video_source({name, bytes}, options);
}

}  // namespace vlm

#include <vlm/vision/ffmpeg.hpp>
