// A clip becomes rows of patches: sampled, resized, normalised, cut up. With p, tp, m as in patches.hpp, rows are
// [gt * gh * gw, 3 * tp * p * p]: temporal steps in order, inside one ordered as the rows of an image; the tp frames
// of a step fill the temporal slices of its patches. An incomplete last step repeats the last frame.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <vlm/core/queue.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/vision/patches.hpp>
#include <vlm/vision/resize.hpp>
#include <vlm/vision/timestamps.hpp>
#include <vlm/vision/video.hpp>
#include <vlm/vision/video_settings.hpp>

namespace vlm {

// What the model will see of a clip, known before a frame is decoded.
struct VideoPlan {
  std::vector<Index> frames;  // indices into the clip, rising
  std::vector<double> times;  // seconds of each temporal step
  ImageSize size;             // of each frame after resizing
  Grid grid;
};

inline VideoPlan plan_video(Index frames, ImageSize size, const FrameClock& clock,
                            const VideoSettings& settings) {
  VideoPlan plan;
  plan.frames = sample_frames(frames, clock, settings.sampling);
  const auto count = static_cast<Index>(plan.frames.size());
  plan.size = smart_resize(count, size.height, size.width, settings);
  const Index p = settings.patches.patch_size, steps = settings.patches.temporal_patch_size;
  plan.grid = {(count + steps - 1) / steps, plan.size.height / p, plan.size.width / p};
  std::vector<double> times;
  for (const Index frame : plan.frames) times.push_back(clock.time(frame));
  plan.times = step_times(times, steps);
  return plan;
}
inline VideoPlan plan_video(const Video& video, const VideoSettings& settings) {
  return plan_video(video.frames(), video.size(), video.clock(), settings);
}

// What the vision encoder receives for one clip.
struct PatchedVideo {
  Grid grid;
  std::vector<double> times;  // seconds of each temporal step
  std::vector<float> rows;

  // Visual tokens of one temporal step.
  Index step_tokens(Index merge_size) const { return grid.visual_tokens(merge_size) / grid.frames; }
};

namespace detail {

// Writes a frame into one temporal slice of the gh * gw rows of its step.
inline void write_frame(const Image& resized, const ImageSettings& settings, const NormalisedLevels& levels,
                        Index slice, float* rows) {
  const Index p = settings.patch_size, m = settings.merge_size, factor = settings.factor();
  const Index plane = p * p, channel = settings.temporal_patch_size * plane;
  float* row = rows + slice * plane;
  const auto write_patch = [&](Index top, Index left) {
    for (Index y = 0; y < p; ++y) {
      const std::uint8_t* pixel = resized.at(top + y, left);
      float* values = row + y * p;
      for (Index x = 0; x < p; ++x, pixel += 3) {
        values[x] = levels[0][pixel[0]];
        values[channel + x] = levels[1][pixel[1]];
        values[2 * channel + x] = levels[2][pixel[2]];
      }
    }
    row += settings.features();
  };
  for (Index window_top = 0; window_top < resized.height; window_top += factor)
    for (Index window_left = 0; window_left < resized.width; window_left += factor)
      for (Index i = 0; i < m; ++i)
        for (Index j = 0; j < m; ++j) write_patch(window_top + i * p, window_left + j * p);
}

}  // namespace detail

// Frames are pulled in order by the calling thread, and resized and written by the queue's. No more of them are held
// than the queue has threads. The rows are the same for any number of threads.
inline PatchedVideo patchify(const Video& video, const VideoSettings& settings, Queue<Cpu>& queue) {
  VideoPlan plan = plan_video(video, settings);
  PatchedVideo patched{plan.grid, std::move(plan.times), {}};
  const ImageSettings& patches = settings.patches;
  const detail::NormalisedLevels levels = detail::normalised_levels(patches);
  const auto step_values = static_cast<std::size_t>(plan.grid.height * plan.grid.width * patches.features());
  patched.rows.resize(static_cast<std::size_t>(plan.grid.frames) * step_values);

  const auto places = static_cast<std::size_t>(plan.grid.frames * patches.temporal_patch_size);
  // The frame that fills each temporal place: the sampled ones, then the last again.
  const auto frame_at = [&](std::size_t place) {
    return plan.frames[std::min(place, plan.frames.size() - 1)];
  };
  struct Held {
    Image storage;
    const Image* image = nullptr;
    std::size_t first = 0, end = 0;  // the places that it fills
  };
  std::vector<Held> held(static_cast<std::size_t>(queue.threads()));
  for (std::size_t place = 0; place < places;) {
    std::size_t count = 0;
    for (; count < held.size() && place < places; ++count) {
      Held& next = held[count];
      next.first = place;
      while (place < places && frame_at(place) == frame_at(next.first)) ++place;
      next.end = place;
      next.image = &video.frame(frame_at(next.first), next.storage);
    }
    queue.parallel(static_cast<Index>(count), [&](Index task, int) {
      const Held& one = held[static_cast<std::size_t>(task)];
      const Image resized = resize_bicubic(*one.image, plan.size.height, plan.size.width);
      for (std::size_t at = one.first; at < one.end; ++at) {
        const auto step = static_cast<Index>(at);
        detail::write_frame(
            resized, patches, levels, step % patches.temporal_patch_size,
            patched.rows.data() + static_cast<std::size_t>(step / patches.temporal_patch_size) * step_values);
      }
    });
  }
  return patched;
}
inline PatchedVideo patchify(const Video& video, const VideoSettings& settings) {
  Queue<Cpu> queue(1);
  return patchify(video, settings, queue);
}

}  // namespace vlm
