// The pixel pass on the CPU. The result is cut into bands of rows; one thread at a time decodes rows into a ring, and each
// thread takes the next band whose rows are there. Which thread does what changes no bit.
#pragma once

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include <vlm/core/queue.hpp>
#include <vlm/core/recycled.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/ops/cpu/lanes.hpp>
#include <vlm/vision/cpu/pixel_kernels.hpp>
#include <vlm/vision/pixel_pass.hpp>
#include <vlm/vision/resample_weights.hpp>

namespace vlm {

namespace cpu {

using Places = std::vector<Index, Recycled<Index>>;

// Rows of pixels, each with room for vectors that reach over its end.
class PixelRows {
 public:
  PixelRows() = default;
  PixelRows(Index rows, Index width) : pitch_((width + pixel_padding + 15) / 16 * 16) {
    pixels_.resize(static_cast<std::size_t>(rows * pitch_));
    // What reaches over an end counts for nothing, but must not be indeterminate.
    for (Index row = 0; row < rows; ++row) std::fill(at(row) + width, at(row) + pitch_, Pixel{0});
  }
  Pixel* at(Index row) { return pixels_.data() + row * pitch_; }
  Index pitch() const { return pitch_; }

 private:
  Index pitch_ = 0;
  std::vector<Pixel, Recycled<Pixel>> pixels_;
};

// Decodes rows and hands out bands in order. `lows[b]` and `highs[b]` bound the source rows that band b reads; neither ever
// falls.
class BandedRows {
 public:
  BandedRows(ImageRows& source, const Places& lows, const Places& highs, int threads)
      : source_(source), lows_(lows), highs_(highs), finished_(lows_.size(), 0) {
    Index longest = 0;
    for (std::size_t band = 0; band < lows_.size(); ++band)
      longest = std::max(longest, highs_[band] - lows_[band]);
    ring_rows_ = std::min(source.height(), longest * (threads + 1) + chunk);
    ring_ = PixelRows(ring_rows_, source.width());
  }

  // Calls work(band) for bands until all are finished. Every thread calls this once.
  template <class Work>
  void run(Work&& work) {
    std::unique_lock lock(mutex_);
    while (!error_ && oldest_ < lows_.size()) {
      const bool ready = next_ < lows_.size() && highs_[next_] <= decoded_;
      if (const Index rows = decoding_ ? 0 : room(); rows > 0)
        unlocked(
            lock, [&] { decoding_ = true; }, [&] { decode(rows); },
            [&] { decoding_ = false, decoded_ += rows; });
      else if (const std::size_t band = next_; ready)
        unlocked(lock, [&] { ++next_; }, [&] { work(band); }, [&] { finish(band); });
      else
        changed_.wait(lock);
    }
    if (error_) std::rethrow_exception(error_);
  }

  const Pixel* row(Index y) { return ring_.at(y % ring_rows_); }

 private:
  static constexpr Index chunk = 16;

  // How many rows may be decoded now: up to the end of the image or of the ring, and none that a band still reads.
  Index room() const {
    const Index needed = oldest_ < lows_.size() ? lows_[oldest_] : decoded_;
    return std::min({chunk, source_.height() - decoded_, ring_rows_ - (decoded_ - std::min(needed, decoded_)),
                     ring_rows_ - decoded_ % ring_rows_});
  }
  void decode(Index rows) {
    source_.read(reinterpret_cast<std::uint8_t*>(ring_.at(decoded_ % ring_rows_)), rows, ring_.pitch() * 4);
  }
  void finish(std::size_t band) {
    finished_[band] = 1;
    while (oldest_ < finished_.size() && finished_[oldest_]) ++oldest_;
  }

  // Changes the state, works without the lock, and changes the state again.
  template <class Before, class Work, class After>
  void unlocked(std::unique_lock<std::mutex>& lock, Before before, Work work, After after) {
    before();
    lock.unlock();
    std::exception_ptr error;
    try {
      work();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    after();
    if (error && !error_) error_ = error;
    changed_.notify_all();
  }

  ImageRows& source_;
  const Places &lows_, &highs_;
  std::vector<std::uint8_t, Recycled<std::uint8_t>> finished_;
  PixelRows ring_;
  Index ring_rows_ = 0, decoded_ = 0;
  std::size_t next_ = 0, oldest_ = 0;  // the next band to be taken, and the first that is not finished
  bool decoding_ = false;
  std::exception_ptr error_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

// The geometry of a pass, and the work on one band.
class PixelPass {
 public:
  PixelPass(ImageRows& source, Index height, Index width, Index band_rows, Queue<Cpu>& queue)
      : source_(source),
        queue_(queue),
        height_(height),
        width_(width),
        band_rows_(band_rows),
        rows_(source.height(), height),
        columns_(source.width(), width),
        height_first_(height_comes_first(source.height(), source.width(), height, width)) {}

  // Calls use(rows, windows, first, count) for each band: its `count` resized rows from `first` on are the windows' rows,
  // weighted.
  template <class Use>
  void run(Use&& use) {
    const Index bands = (height_ + band_rows_ - 1) / band_rows_;
    Places lows(static_cast<std::size_t>(bands), source_.height()), highs(lows.size(), 0);
    for (Index y = 0; y < height_; ++y) {
      const auto band = static_cast<std::size_t>(y / band_rows_);
      lows[band] = std::min(lows[band], rows_.window(y).begin);
      highs[band] = std::max(highs[band], rows_.window(y).begin + rows_.window(y).count);
    }
    // Without the zeros at their ends, windows need not follow one another.
    for (std::size_t band = 1; band < lows.size(); ++band) {
      lows[lows.size() - 1 - band] = std::min(lows[lows.size() - 1 - band], lows[lows.size() - band]);
      highs[band] = std::max(highs[band], highs[band - 1]);
    }
    BandedRows banded(source_, lows, highs, queue_.threads());
    queue_.parallel(queue_.threads(), [&](Index, int) {
      Room room;
      banded.run([&](std::size_t band) {
        const Index first = static_cast<Index>(band) * band_rows_,
                    count = std::min(band_rows_, height_ - first);
        room.rows.clear();
        for (Index y = lows[band]; y < highs[band]; ++y) room.rows.push_back(banded.row(y));
        room.windows.clear();
        for (Index y = first; y < first + count; ++y) {
          room.windows.push_back(rows_.window(y));
          room.windows.back().begin -= lows[band];
        }
        if (width_ != source_.width()) change_width(room, count);
        use(room.rows.data(), room.windows.data(), first, count);
      });
    });
  }

 private:
  // What a thread keeps from band to band.
  struct Room {
    std::vector<const Pixel*, Recycled<const Pixel*>> rows;
    std::vector<ResampleWeights::Window, Recycled<ResampleWeights::Window>> windows;
    PixelRows shrunk, widened;
    Index shrunk_rows = 0, widened_rows = 0;
  };

  // Replaces the band's rows by rows of the new width, and where the height comes first, also its windows by those of
  // finished rows.
  void change_width(Room& room, Index count) const {
    static constexpr std::int32_t one[] = {1 << ResampleWeights::fraction_bits};
    if (height_first_) {
      if (room.shrunk_rows < count) room.shrunk = PixelRows(room.shrunk_rows = count, source_.width());
      for (Index y = 0; y < count; ++y)
        dispatch<WeighRow>(queue_.level(), room.rows.data(), &room.windows[static_cast<std::size_t>(y)],
                           room.shrunk.at(y), source_.width());
      room.rows.clear();
      for (Index y = 0; y < count; ++y) {
        room.rows.push_back(room.shrunk.at(y));
        room.windows[static_cast<std::size_t>(y)] = {y, 1, one};
      }
    }
    const auto rows = static_cast<Index>(room.rows.size());
    if (room.widened_rows < rows) room.widened = PixelRows(room.widened_rows = rows, width_);
    dispatch<WeighColumns>(queue_.level(), room.rows.data(), rows, &columns_, room.widened.at(0),
                           room.widened.pitch(), width_);
    for (Index y = 0; y < rows; ++y) room.rows[static_cast<std::size_t>(y)] = room.widened.at(y);
  }

  ImageRows& source_;
  Queue<Cpu>& queue_;
  Index height_, width_, band_rows_;
  ResampleWeights rows_, columns_;
  bool height_first_;
};

}  // namespace cpu

namespace detail {

template <class>
void resize_rows(ImageRows& source, Image& resized, Queue<Cpu>& queue) {
  cpu::PixelPass pass(source, resized.height, resized.width, 32, queue);
  pass.run(
      [&](const cpu::Pixel* const* rows, const ResampleWeights::Window* windows, Index first, Index count) {
        cpu::PixelRows finished(1, resized.width);
        for (Index y = 0; y < count; ++y) {
          cpu::dispatch<cpu::WeighRow>(queue.level(), rows, windows + y, finished.at(0), resized.width);
          std::uint8_t* to = resized.at(first + y, 0);
          for (Index x = 0; x < resized.width; ++x) std::memcpy(to + 3 * x, finished.at(0) + x, 3);
        }
      });
}

template <class>
void patch_rows(ImageRows& source, const PatchTarget& target, Queue<Cpu>& queue) {
  const Index p = target.patch, band_rows = p * target.merge;
  cpu::PixelPass pass(source, target.height, target.width, band_rows, queue);
  pass.run([&](const cpu::Pixel* const* rows, const ResampleWeights::Window* windows, Index first, Index) {
    float* to = target.rows + first * target.width * 3 * target.slices;
    cpu::dispatch<cpu::WeighPatches>(queue.level(), rows, windows, &target, to);
  });
}

}  // namespace detail

}  // namespace vlm
