// Items of an endless numbered sequence, made ahead by worker threads and taken in order. What is taken does
// not depend on the number of threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>

namespace vlm {

template <class T>
class ReadAhead {
 public:
  using Make = std::function<T(Index)>;
  using Cost = std::function<Index(const T&)>;

  // Workers call make(first), make(first + 1), ... at the same time. They begin no further item while those
  // that wait to be taken cost `budget` or more.
  ReadAhead(Index first, int threads, Index budget, Make make, Cost cost)
      : next_(first), budget_(budget), make_(std::move(make)), cost_(std::move(cost)) {
    if (threads < 1 || budget < 1)
      throw ConfigError("read-ahead", {{"expected", "at least one thread and a positive budget"},
                                       {"got", std::to_string(threads) + " threads, a budget of " +
                                                   std::to_string(budget)}});
    for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  // The next item in order; waits for it, and throws what making it threw. It stays in front until pop().
  const T& front() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return !slots_.empty() && slots_.front().ready; });
    const Slot& slot = slots_.front();
    if (slot.error) std::rethrow_exception(slot.error);
    return *slot.item;
  }

  // Drops the item in front, which front() has given or thrown for.
  void pop() {
    {
      const std::lock_guard lock(mutex_);
      waiting_cost_ -= slots_.front().cost;
      slots_.pop_front();
    }
    room_.notify_all();
  }

 private:
  struct Slot {
    std::optional<T> item;
    std::exception_ptr error;
    Index cost = 0;
    bool ready = false;
  };

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      room_.wait(lock, [this] { return stopping_ || waiting_cost_ < budget_; });
      if (stopping_) return;
      const Index number = next_++;
      Slot& slot = slots_.emplace_back();  // a deque keeps it in place while others come and go
      lock.unlock();
      fill(number, slot);
      lock.lock();
      slot.ready = true;
      waiting_cost_ += slot.cost;
      ready_.notify_all();
    }
  }

  void fill(Index number, Slot& slot) const {
    try {
      slot.item = make_(number);
      slot.cost = cost_(*slot.item);
    } catch (...) {
      slot.error = std::current_exception();
      slot.cost = 1;
    }
  }

  std::mutex mutex_;
  std::condition_variable room_, ready_;
  std::deque<Slot> slots_;
  Index next_, budget_, waiting_cost_ = 0;
  bool stopping_ = false;
  Make make_;
  Cost cost_;
  std::vector<std::thread> workers_;
};

}  // namespace vlm
