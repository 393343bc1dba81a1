// Nets that do at a known moment what a trained one does by chance: say a text, or be asked to stop.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "infer/tiny_chat.hpp"

namespace vlm::tests {

// The likeliest tokens after a prompt are those of `script`, in order.
struct SaysNet : TinyNet {
  explicit SaysNet(std::vector<std::int32_t> tokens) : TinyNet(tiny_net()), script(std::move(tokens)) {}

  void forward_last(Runtime<Cpu>& runtime, const Batch& batch, const Sequences<Cpu>& text,
                    View<const float, 2, Cpu> visual, const View<float, 2, Cpu>* taps,
                    View<float, 2, Cpu> hidden) const {
    TinyNet::forward_last(runtime, batch, text, visual, taps, hidden);
    if (runtime.measuring() || hidden.rows() == 0 || said == script.size()) return;
    // The token's own row of the output matrix: of random rows none is as near to it as itself.
    const Matrix<Cpu> head = this->head();
    const float* row = static_cast<const float*>(head.data) + script[said++] * head.pitch;
    std::copy_n(row, head.inputs, hidden.row(0));
  }
  std::vector<std::int32_t> script;
  mutable std::size_t said = 0;
};

// Asks to stop once the tower has taken so many parts of pictures.
struct StopsNet : TinyNet {
  explicit StopsNet(int after) : TinyNet(tiny_net()), stops_after(after) {}

  void encode(Runtime<Cpu>& runtime, const Batch& batch, View<float, 2, Cpu> visual,
              View<float, 2, Cpu>* taps, Saved& saved) const {
    TinyNet::encode(runtime, batch, visual, taps, saved);
    if (!runtime.measuring() && ++parts == stops_after) source.request_stop();
  }
  int stops_after;
  mutable int parts = 0;
  mutable std::stop_source source;
};

// Other chats of the cache keep pictures of theirs, one after each pass.
struct BusyNet : TinyNet {
  explicit BusyNet(std::shared_ptr<PrefixCache> shared) : TinyNet(tiny_net()), cache(std::move(shared)) {}

  void forward_last(Runtime<Cpu>& runtime, const Batch& batch, const Sequences<Cpu>& text,
                    View<const float, 2, Cpu> visual, const View<float, 2, Cpu>* taps,
                    View<float, 2, Cpu> hidden) const {
    TinyNet::forward_last(runtime, batch, text, visual, taps, hidden);
    if (runtime.measuring()) return;
    auto other = std::make_shared<EncodedPicture>();
    other->rows.resize(1);
    cache->keep_picture({++kept, 0}, std::move(other));
  }
  std::shared_ptr<PrefixCache> cache;
  mutable std::uint64_t kept = 0;
};

}  // namespace vlm::tests
