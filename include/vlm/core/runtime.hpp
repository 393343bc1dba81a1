// Runtime<Device>: everything a pass needs beside the layers: the queue, the step's arenas, the sequence at
// hand. `run(op)` is the only caller of compute().
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include <vlm/core/arena.hpp>
#include <vlm/core/cell_pages.hpp>
#include <vlm/core/observer.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

// What attention must know of the packed rows that pass through: sequences laid end to end, their rotary
// tables, and, when answering, the cells of the key/value cache.
template <class Device>
struct Sequences {
  View<const std::int32_t, 1, Device> query_offsets{};  // [sequences + 1], first row of each sequence
  View<const float, 2, Device> cosine{}, sine{};        // [rows, rotated pairs], of each row's position
  bool causal = true;
  // Of a single sequence, the borders of its last rows where a pass wants only those ({0, rows}; nn/layer.hpp,
  // forward_last). Keys are counted by key_counts then.
  View<const std::int32_t, 1, Device> last_offsets{};
  // The cache; all empty where there is none. Each block of the network owns `cells_per_block` cells.
  View<const std::int32_t, 1, Device> cells{};       // [rows], where each row's key and value are stored
  View<const std::int32_t, 1, Device> key_begin{};   // [sequences], first cell of each sequence
  View<const std::int32_t, 1, Device> key_counts{};  // [sequences], cells in use after this pass
  View<float, 2, Device> keys{}, values{};           // [blocks * cells_per_block, kv heads * head_dim]
  Index cells_per_block = 0;
  // The same cache in pages, in place of the three lists above and the rows.
  CellPages<Device> pages{};
};

// Load balancing of experts, asked for while training: each sparse layer adds coefficient * its balance loss.
template <class Device>
struct Balance {
  // What counts the choices of experts: forward passes, of which nothing is learned yet; backward passes, each before
  // it needs them; or nothing more, since the counts are whole.
  enum class Counting : std::uint8_t { Forward, Backward, Done };

  float coefficient = 0;
  View<float, 1, Device> loss{};           // [1]
  View<std::int64_t, 2, Device> counts{};  // [blocks, experts], choices since they were zeroed; or empty
  Counting counting = Counting::Backward;
};

template <class Device>
class Runtime {
 public:
  template <class... QueueArguments>
  explicit Runtime(QueueArguments&&... arguments) : queue_(std::forward<QueueArguments>(arguments)...) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Queue<Device>& queue() { return queue_; }

  // Whether activations are kept for a backward pass. Off while answering, also on a trained type.
  bool keeping() const { return keeping_; }
  void keep_activations(bool keeping) { keeping_ = keeping; }

  Sequences<Device>& sequences() { return sequences_; }
  Balance<Device>& balance() { return balance_; }
  // The index of the block that runs, set by Stack: it selects the cells of the cache.
  Index block() const { return block_; }
  void set_block(Index block) { block_ = block; }

  // Who sees the rows of each stage of a pass, or null. The observer must outlive the passes.
  void set_observer(Observer<Device>* observer) { observer_ = observer; }
  // Where nobody observes, and while measuring, this is one comparison.
  void observe(std::string_view stage, Index index, View<const float, 2, Device> rows) {
    if (observer_ && !measuring()) observer_->see(stage, index, rows);
  }

  // Rows that live until the enclosing scope ends: kept activations (bottom) and temporaries (top).
  template <class T>
  View<T, 1, Device> keep(Index size) {
    return carve<T>(true, Shape<1>{{size}});
  }
  template <class T>
  View<T, 2, Device> keep(Index rows, Index features) {
    return carve<T>(true, Shape<2>{{rows, features}});
  }
  template <class T>
  View<T, 1, Device> scratch(Index size) {
    return carve<T>(false, Shape<1>{{size}});
  }
  template <class T>
  View<T, 2, Device> scratch(Index rows, Index features) {
    return carve<T>(false, Shape<2>{{rows, features}});
  }
  // Host-side records, given back with the scope.
  template <class T>
  T* records(Index count) {
    return host_.allocate<T>(static_cast<std::size_t>(count));
  }

  // Gives back, at its end, everything that was taken since its beginning.
  class Scope {
   public:
    explicit Scope(Runtime& runtime)
        : runtime_(runtime), arena_(runtime.arena_.mark()), host_(runtime.host_.mark()) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      runtime_.arena_.release(arena_);
      runtime_.host_.release(host_);
    }

   private:
    Runtime& runtime_;
    typename Arena<Device>::Mark arena_;
    HostArena::Mark host_;
  };
  Scope scope() { return Scope(*this); }

  // Keeps no activations until its end, whatever was asked for before.
  class Forgetting {
   public:
    explicit Forgetting(Runtime& runtime) : runtime_(runtime), keeping_(runtime.keeping_) {
      runtime.keeping_ = false;
    }
    Forgetting(const Forgetting&) = delete;
    Forgetting& operator=(const Forgetting&) = delete;
    ~Forgetting() { runtime_.keeping_ = keeping_; }

   private:
    Runtime& runtime_;
    bool keeping_;
  };
  Forgetting forgetting() { return Forgetting(*this); }

  // Computes an operation; while measuring it only reserves the operation's scratch.
  template <class Operation>
  void run(const Operation& operation) {
    const auto given_back = scope();
    Scratch scratch;
    if constexpr (requires { scratch_bytes(queue_, operation); }) {
      scratch.size = scratch_bytes(queue_, operation);
      if (scratch.size > 0) scratch.data = arena_.scratch(scratch.size);
    }
    if (!arena_.measuring()) compute(queue_, operation, scratch);
  }

  bool measuring() const { return arena_.measuring(); }
  // Runs `pass` without computing anything; the bytes that it needs at its peak.
  template <class Pass>
  std::size_t measure(Pass&& pass) {
    arena_.begin_measuring();
    try {
      const auto given_back = scope();
      pass();
    } catch (...) {
      arena_.end_measuring();
      throw;
    }
    return arena_.end_measuring();
  }
  // Measures `pass` and makes room for it; call it between steps.
  template <class Pass>
  void plan(Pass&& pass) {
    arena_.reserve(measure(pass));
  }
  std::size_t reserved_bytes() const { return arena_.capacity(); }

 private:
  template <class T, int Rank>
  View<T, Rank, Device> carve(bool kept, Shape<Rank> shape) {
    const std::size_t bytes = static_cast<std::size_t>(shape.count()) * sizeof(T);
    // A view of no rows must not be null: null means "not wanted".
    return {reinterpret_cast<T*>(kept ? arena_.keep(bytes) : arena_.scratch(bytes)), shape};
  }

  Queue<Device> queue_;
  Arena<Device> arena_;
  HostArena host_;
  Sequences<Device> sequences_;
  Balance<Device> balance_;
  Observer<Device>* observer_ = nullptr;
  Index block_ = 0;
  bool keeping_ = true;
};

}  // namespace vlm
