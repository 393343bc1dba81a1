// Which frames of a clip the model sees.   Source: sample_frames of the reference's Qwen3-VL video processor.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/vision/video.hpp>

namespace vlm {

// As many frames as the clip has at this rate, within min_frames and max_frames.
struct SampleRate {
  double frames_per_second = 2;
  friend bool operator==(const SampleRate&, const SampleRate&) = default;
};
// This many frames; more than the clip has repeat some, as in the reference.
struct SampleCount {
  Index frames = 0;
  friend bool operator==(const SampleCount&, const SampleCount&) = default;
};
// As many frames as the clip has, within min_frames and max_frames.
struct SampleRange {
  friend bool operator==(const SampleRange&, const SampleRange&) = default;
};
// The frames as they are: they were sampled before.
struct SampleNothing {
  friend bool operator==(const SampleNothing&, const SampleNothing&) = default;
};

struct FrameSampling {
  std::variant<SampleRate, SampleCount, SampleRange, SampleNothing> rule = SampleRate{};
  Index min_frames = 4;
  Index max_frames = 768;
  friend bool operator==(const FrameSampling&, const FrameSampling&) = default;
};

inline void check_sampling(const FrameSampling& sampling) {
  const auto fail = [](const char* field, std::string expected, std::string got) {
    throw ConfigError("video-sampling", {{"field", field},
                                         {"expected", std::move(expected)},
                                         {"got", std::move(got)},
                                         {"try", "the sampling of the model's preprocessor files"}});
  };
  const std::string most = std::to_string(max_sampled_frames);
  if (const auto* rate = std::get_if<SampleRate>(&sampling.rule);
      rate && !(rate->frames_per_second > 0 && rate->frames_per_second <= 1e6))
    fail("fps", "more than 0, at most 1000000", std::to_string(rate->frames_per_second));
  if (const auto* count = std::get_if<SampleCount>(&sampling.rule);
      count && (count->frames < 1 || count->frames > max_sampled_frames))
    fail("num_frames", "1 to " + most, std::to_string(count->frames));
  if (sampling.min_frames < 1 || sampling.min_frames > sampling.max_frames ||
      sampling.max_frames > max_sampled_frames)
    fail("min_frames, max_frames", "1 <= min_frames <= max_frames <= " + most,
         std::to_string(sampling.min_frames) + ", " + std::to_string(sampling.max_frames));
}

namespace detail {

// How many frames are taken of `total`.
inline Index sampled_count(Index total, const FrameClock& clock, const FrameSampling& sampling) {
  if (const auto* count = std::get_if<SampleCount>(&sampling.rule)) return count->frames;
  if (const auto* rate = std::get_if<SampleRate>(&sampling.rule)) {
    const double wanted = static_cast<double>(total) / clock.mean_rate(total) * rate->frames_per_second;
    const auto whole = static_cast<Index>(std::min(wanted, 1e9));  // truncated
    return std::min({std::max(whole, sampling.min_frames), sampling.max_frames, total});
  }
  return std::clamp(total, sampling.min_frames, sampling.max_frames);
}

// The frame shown nearest to a time; the earlier one of two equally near.
inline Index nearest_frame(Index total, const FrameClock& clock, double seconds) {
  Index low = 0, high = total - 1;
  while (low < high) {
    const Index middle = low + (high - low) / 2;
    if (clock.time(middle) < seconds) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low > 0 && seconds - clock.time(low - 1) <= clock.time(low) - seconds) return low - 1;
  return low;
}

}  // namespace detail

// Indices of the frames that are seen, rising. At a constant rate they lie evenly between the first and last frame,
// halves to even, which is the reference's rule; with times of their own evenly in time, each the nearest frame.
inline std::vector<Index> sample_frames(Index total, const FrameClock& clock, const FrameSampling& sampling) {
  check_sampling(sampling);
  const bool all = std::holds_alternative<SampleNothing>(sampling.rule);
  const Index count = all ? total : detail::sampled_count(total, clock, sampling);
  if (count > max_sampled_frames)
    throw DataError("video-sampling",
                    {{"expected", "at most " + std::to_string(max_sampled_frames) + " frames"},
                     {"got", std::to_string(count)},
                     {"try", "a rule that samples fewer frames"}});
  std::vector<Index> frames(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i) {
    Index& frame = frames[static_cast<std::size_t>(i)];
    if (all) {
      frame = i;
      continue;
    }
    // numpy.linspace: i times the step; the last point is the end itself.
    const double first = clock.is_constant() ? 0 : clock.time(0);
    const double last = clock.is_constant() ? static_cast<double>(total - 1) : clock.time(total - 1);
    const double step = count > 1 ? (last - first) / static_cast<double>(count - 1) : 0;
    const double place = count > 1 && i == count - 1 ? last : static_cast<double>(i) * step + first;
    frame = clock.is_constant() ? static_cast<Index>(std::nearbyint(place))
                                : detail::nearest_frame(total, clock, place);
  }
  return frames;
}

}  // namespace vlm
