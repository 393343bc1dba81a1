// A hash of all that decides what a model makes of tokens and pictures: what was computed with one model is of no use to
// another, though it has the same shapes.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <vlm/core/siphash.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/model/config.hpp>
#include <vlm/model/load.hpp>
#include <vlm/nn/yarn.hpp>

namespace vlm {

namespace detail {

inline void add_number(SipHash& hash, double number) { hash.add(std::bit_cast<std::uint64_t>(number)); }
inline void add_text(SipHash& hash, std::string_view text) {
  hash.add(static_cast<std::uint64_t>(text.size()));
  hash.add(bytes_of(text));
}
inline void add_yarn(SipHash& hash, const std::optional<Yarn>& yarn) {
  hash.add(std::uint64_t{yarn.has_value()});
  if (!yarn) return;
  for (const double number : {yarn->factor, yarn->original_positions, yarn->beta_fast, yarn->beta_slow,
                              static_cast<double>(yarn->attention_scale())})
    add_number(hash, number);
}
// What decides results besides the shapes of tensors.
inline void add_sizes(SipHash& hash, const ModelConfig& config) {
  const TextSizes& text = config.text;
  const VisionSizes& vision = config.vision;
  for (const double number :
       std::array{text.rope_theta, static_cast<double>(text.norm_eps), static_cast<double>(vision.norm_eps)})
    add_number(hash, number);
  for (const Index size :
       std::array{text.heads, text.kv_heads, text.head_dim, text.chosen, vision.heads, vision.patch_size,
                  vision.temporal_patch_size, vision.merge_size, Index{config.image_token},
                  Index{config.video_token}, Index{config.vision_start_token},
                  static_cast<Index>(vision.taps.size())})
    hash.add(static_cast<std::uint64_t>(size));
  for (const Index tap : vision.taps) hash.add(static_cast<std::uint64_t>(tap));
}
// All of up to 4 KiB; of more 64 pieces of 64 bytes, evenly spread from the first to the last.
inline void add_sample(SipHash& hash, std::span<const std::byte> bytes) {
  constexpr std::size_t pieces = 64, size = 64;
  hash.add(static_cast<std::uint64_t>(bytes.size()));
  if (bytes.size() <= pieces * size) return hash.add(bytes);
  const std::size_t step = (bytes.size() - size) / (pieces - 1);
  for (std::size_t i = 0; i < pieces; ++i)
    hash.add(bytes.subspan(i + 1 < pieces ? i * step : bytes.size() - size, size));
}

}  // namespace detail

// Of the configuration, the rotary settings in use, and every tensor's name, shape, format and bytes. Large tensors are
// sampled, so that a mapped file is not read to its end: rounding, merging, and training of more than the token table
// change numbers everywhere, and show; a single row changed by hand may not. Settings of layers of one's own show where
// they stand in the configuration.
template <class Net>
Hash128 model_identity(const Net& net) {
  using Kind = typename Net::RopeKind;
  const TextSizes& text = net.config().text;
  SipHash hash;
  detail::add_text(hash, net.config().text_of_file);
  detail::add_sizes(hash, net.config());
  for (Index i = 0; i < text.head_dim / 2; ++i) {
    hash.add(static_cast<std::uint64_t>(Kind::axis(i, text.head_dim / 2, text.rope_section)));
    detail::add_number(hash, static_cast<double>(Kind::exponent(i, text.head_dim / 2)));
  }
  detail::add_yarn(hash, text.yarn);
  for (const Parameter& p : net.parameters()) {
    detail::add_text(hash, p.name);
    detail::add_text(hash, name_of(p.record->format()));
    hash.add(std::uint64_t{p.record->turned()});
    for (const Index size : p.record->stored_shape()) hash.add(static_cast<std::uint64_t>(size));
    detail::add_sample(hash, {static_cast<const std::byte*>(p.record->data()), p.record->bytes()});
  }
  return hash.finish();
}

}  // namespace vlm
