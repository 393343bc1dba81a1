// Times of a clip in the prompt: each temporal step is its time and then its visual tokens,
//   <0.3 seconds><|vision_start|><|video_pad|>...<|vision_end|><1.3 seconds><|vision_start|>...
// with nothing between.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/vision/frame_clock.hpp>

namespace vlm {

// Seconds of each temporal step: halfway between its first and its last frame. The last time is repeated where
// frames are, to fill the last step.
inline std::vector<double> step_times(std::span<const double> frame_times, Index temporal_patch_size) {
  const auto size = static_cast<std::size_t>(temporal_patch_size);
  std::vector<double> times;
  for (std::size_t first = 0; first < frame_times.size(); first += size)
    times.push_back((frame_times[first] + frame_times[std::min(first + size, frame_times.size()) - 1]) / 2);
  return times;
}

// The text of one clip; `tokens` are the visual tokens of one temporal step.
inline std::string video_text(std::span<const double> times, Index tokens,
                              TimeForm form = TimeForm::Seconds) {
  std::string text;
  for (const double time : times) {
    text.append("<").append(time_text(time, form)).append("><|vision_start|>");
    for (Index i = 0; i < tokens; ++i) text += "<|video_pad|>";
    text += "<|vision_end|>";
  }
  return text;
}

// Puts the texts of clips where a rendered prompt has placeholders, in order. A bare <|video_pad|> is replaced
// alone. Around one in <|vision_start|> and <|vision_end|>, as chat templates write it, the pair is replaced too, as
// the model was trained; with Keep it stays around the clip, as transformers 5.23 has it.
enum class OuterPair : std::uint8_t { Replace, Keep };
inline std::string place_video_texts(std::string_view prompt, std::span<const std::string> clips,
                                     OuterPair pair = OuterPair::Replace) {
  constexpr std::string_view start = "<|vision_start|>", pad = "<|video_pad|>", end = "<|vision_end|>";
  std::string text;
  std::size_t from = 0, clip = 0;
  for (std::size_t at; (at = prompt.find(pad, from)) != prompt.npos; ++clip) {
    if (clip == clips.size()) break;
    std::string_view before = prompt.substr(from, at - from);
    from = at + pad.size();
    const bool paired = before.ends_with(start) && prompt.substr(from).starts_with(end);
    if (paired && pair == OuterPair::Replace) {
      before.remove_suffix(start.size());
      from += end.size();
    }
    text.append(before).append(clips[clip]);
  }
  std::size_t found = clip;
  for (std::size_t at = from; (at = prompt.find(pad, at)) != prompt.npos; at += pad.size()) ++found;
  if (found != clips.size())
    throw DataError("video-placeholders",
                    {{"expected", "a <|video_pad|> for each of " + std::to_string(clips.size()) + " videos"},
                     {"got", std::to_string(found)},
                     {"try", "pass exactly the videos that the text mentions"}});
  return text.append(prompt.substr(from));
}

// The same for one piece of a rendered prompt, with the clips from `next` on, which moves past those that it takes.
inline std::string place_next_video_texts(std::string_view piece, std::span<const std::string> clips,
                                          std::size_t& next) {
  constexpr std::string_view pad = "<|video_pad|>";
  std::size_t count = 0;
  for (std::size_t at = 0; (at = piece.find(pad, at)) != piece.npos; at += pad.size()) ++count;
  const std::span these = clips.subspan(next, std::min(count, clips.size() - next));
  next += these.size();
  return place_video_texts(piece, these);
}

}  // namespace vlm
