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
#include <vlm/core/span_of.hpp>
#include <vlm/core/unzeroed.hpp>
#include <vlm/vision/image_rows.hpp>
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
  std::vector<double> times(plan.frames.size());
  std::transform(plan.frames.begin(), plan.frames.end(), times.begin(),
                 [&clock](Index frame) { return clock.time(frame); });
  plan.times = step_times(span_of(times), steps);
  return plan;
}
inline VideoPlan plan_video(const Video& video, const VideoSettings& settings) {
  return plan_video(video.frames(), video.size(), video.clock(), settings);
}

// What the vision encoder receives for one clip.
struct PatchedVideo {
  Grid grid;
  std::vector<double> times;  // seconds of each temporal step
  PatchRows rows;

  // Visual tokens of one temporal step.
  Index step_tokens(Index merge_size) const { return grid.visual_tokens(merge_size) / grid.frames; }
};

// Frames are pulled in order, each once, and written before the next is. The rows are the same for any number of threads.
inline PatchedVideo patchify(const Video& video, const VideoSettings& settings, Queue<Cpu>& queue) {
  VideoPlan plan = plan_video(video, settings);
  PatchedVideo patched{plan.grid, std::move(plan.times), {}};
  const ImageSettings& patches = settings.patches;
  const Index step_values = plan.grid.height * plan.grid.width * patches.features();
  patched.rows.resize(static_cast<std::size_t>(plan.grid.frames * step_values));

  const Index steps = patches.temporal_patch_size, places = plan.grid.frames * steps;
  // The frame that fills each temporal place: the sampled ones, then the last again.
  const auto frame_at = [&plan](Index place) {
    return plan.frames[std::min(static_cast<std::size_t>(place), plan.frames.size() - 1)];
  };
  Image storage;
  for (Index place = 0; place < places;) {
    const Index index = frame_at(place);
    const Image& frame = video.frame(index, storage);
    while (place < places && frame_at(place) == index) {
      const Index step = place / steps, first = place % steps;
      while (place < places && place / steps == step && frame_at(place) == index) ++place;
      RowsOfImage rows(frame);
      write_frame(rows, plan.size, {first, place - step * steps - first}, patches,
                  patched.rows.data() + step * step_values, queue);
    }
  }
  return patched;
}
inline PatchedVideo patchify(const Video& video, const VideoSettings& settings) {
  Queue<Cpu> queue(1);
  return patchify(video, settings, queue);
}

}  // namespace vlm
