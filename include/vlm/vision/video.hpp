// A clip: frames in the order in which they are shown, and the times at which they are.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/vision/frame_clock.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/resize.hpp>

namespace vlm {

// The most frames of a clip, and the most that are sampled from one.
inline constexpr Index max_video_frames = Index{1} << 24;
inline constexpr Index max_sampled_frames = 2 * 0xffff;

// Copies share their frames. One object belongs to one thread at a time, since a source may have a state.
class Video {
 public:
  // Gives one frame. The frames that are wanted are asked for in rising order, each once.
  using Source = std::function<Image(Index frame)>;

  // Frames that are made or decoded when they are wanted.
  Video(Index frames, ImageSize size, FrameClock clock, Source source)
      : frames_(frames), size_(size), clock_(std::move(clock)), source_(std::move(source)) {
    check();
  }

  // Frames at hand: any range of Image, for example a vector. They are copied, or moved out of an rvalue.
  template <class Frames>
  static Video from_frames(Frames&& frames, FrameClock clock) {
    auto images = std::make_shared<std::vector<Image>>();
    if constexpr (std::is_same_v<Frames, std::vector<Image>>) {
      *images = std::forward<Frames>(frames);
    } else {
      for (auto&& frame : frames) images->emplace_back(std::forward<decltype(frame)>(frame));
    }
    const ImageSize size =
        images->empty() ? ImageSize{} : ImageSize{images->front().height, images->front().width};
    Video video(static_cast<Index>(images->size()), size, std::move(clock), {});
    video.images_ = std::move(images);
    return video;
  }

  Index frames() const { return frames_; }
  ImageSize size() const { return size_; }
  const FrameClock& clock() const { return clock_; }
  double time(Index frame) const { return clock_.time(frame); }

  // One frame: the one at hand, or `storage` filled by the source. DataError where it has another size than the clip.
  const Image& frame(Index index, Image& storage) const {
    if (index < 0 || index >= frames_)
      throw DataError("video-frame", {{"expected", "a frame from 0 to " + std::to_string(frames_ - 1)},
                                      {"got", std::to_string(index)},
                                      {"try", "an index below frames()"}});
    if (!images_) storage = source_(index);
    const Image& image = images_ ? (*images_)[static_cast<std::size_t>(index)] : storage;
    const bool fits = image.height == size_.height && image.width == size_.width &&
                      image.pixels.size() == static_cast<std::size_t>(size_.height * size_.width * 3);
    if (fits) return image;
    throw DataError("video-frame", {{"at", "frame " + std::to_string(index)},
                                    {"expected", shape_text(std::array{size_.height, size_.width, Index{3}}) +
                                                     ", as the clip"},
                                    {"got", shape_text(std::array{image.height, image.width}) + " with " +
                                                std::to_string(image.pixels.size()) + " bytes"},
                                    {"try", "resize the frames of a clip to one size"}});
  }

 private:
  void check() const {
    if (frames_ < 1 || frames_ > max_video_frames)
      throw DataError("video-frames", {{"expected", "1 to " + std::to_string(max_video_frames) + " frames"},
                                       {"got", std::to_string(frames_)},
                                       {"try", "at least one frame; of a long video, a part"}});
    check_image_size(size_.height, size_.width, "frames of a video");
    if (!clock_.is_constant() && clock_.frames() != frames_)
      throw DataError("video-times",
                      {{"expected", "a time for each of " + std::to_string(frames_) + " frames"},
                       {"got", std::to_string(clock_.frames()) + " times"},
                       {"try", "a clock of as many frames"}});
  }

  Index frames_;
  ImageSize size_;
  FrameClock clock_;
  Source source_;
  std::shared_ptr<const std::vector<Image>> images_;
};

}  // namespace vlm
