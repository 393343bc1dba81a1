// When the frames of a clip are shown: the time base without which no clip can be made, and times as text.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>

namespace vlm {

// Seconds from the start of a clip to each of its frames: a constant rate, or times of their own. There is no
// default, because a guessed rate makes every time that the model reads or answers wrong.
class FrameClock {
 public:
  // Frame i at i / frames_per_second.
  static FrameClock rate(double frames_per_second) {
    if (!(frames_per_second >= least_rate && frames_per_second <= most_rate))
      throw ConfigError("video-rate",
                        {{"expected", "0.000001 to 1000000 frames per second"},
                         {"got", std::to_string(frames_per_second)},
                         {"try", "take the rate from the file or camera the frames come from"}});
    FrameClock clock;
    clock.rate_ = frames_per_second;
    return clock;
  }
  // Frame i at seconds[i]: not negative, not decreasing.
  static FrameClock times(std::vector<double> seconds) {
    if (seconds.empty()) throw_time("a time for each frame", "no times");
    for (std::size_t i = 0; i < seconds.size(); ++i)
      if (!(seconds[i] >= (i == 0 ? 0 : seconds[i - 1]) && seconds[i] <= most_seconds))
        throw_time("seconds from 0 to 1000000000, none before the one ahead of it",
                   std::to_string(seconds[i]) + " for frame " + std::to_string(i));
    FrameClock clock;
    clock.times_ = std::move(seconds);
    return clock;
  }

  bool is_constant() const { return times_.empty(); }
  // How many frames have a time; -1 at a constant rate, where all have.
  Index frames() const { return is_constant() ? -1 : static_cast<Index>(times_.size()); }

  double time(Index frame) const {
    return is_constant() ? static_cast<double>(frame) / rate_ : times_[static_cast<std::size_t>(frame)];
  }
  // Frames per second over the first `count` frames, each shown until the next: the constant rate, or the mean.
  double mean_rate(Index count) const {
    if (is_constant()) return rate_;
    const double span = time(count - 1) - time(0);
    return span > 0 ? static_cast<double>(count - 1) / span : most_rate;
  }

 private:
  static constexpr double least_rate = 1e-6, most_rate = 1e6, most_seconds = 1e9;

  FrameClock() = default;
  [[noreturn]] static void throw_time(std::string expected, std::string got) {
    throw ConfigError("video-times",
                      {{"expected", std::move(expected)},
                       {"got", std::move(got)},
                       {"try", "frames in the order in which they are shown, with their times"}});
  }

  double rate_ = 0;
  std::vector<double> times_;
};

// How a time stands in the text: "3.0 seconds", or hours, minutes and seconds, "00:00:03.0".
enum class TimeForm : std::uint8_t { Seconds, Clock };

// With one decimal, rounded half to even on the exact binary value, in both forms: 0.25 is 0.2 and 59.96 is 60.0.
inline std::string time_text(double seconds, TimeForm form = TimeForm::Seconds) {
  if (!(seconds >= 0 && seconds <= 1e12))
    throw ConfigError("video-times", {{"expected", "seconds from 0 to 1000000000000"},
                                      {"got", std::to_string(seconds)},
                                      {"try", "the seconds of each frame from the beginning of the video"}});
  char digits[32];
  const char* begin = digits;
  const char* end = std::to_chars(digits, digits + sizeof digits, seconds, std::chars_format::fixed, 1).ptr;
  if (form == TimeForm::Seconds) return std::string(begin, end) + " seconds";
  Index whole = 0;
  const char* point = std::from_chars(begin, end, whole).ptr;
  const auto two_digits = [](Index value) { return (value < 10 ? "0" : "") + std::to_string(value); };
  return two_digits(whole / 3600) + ":" + two_digits(whole / 60 % 60) + ":" + two_digits(whole % 60) +
         std::string(point, end);
}

}  // namespace vlm
