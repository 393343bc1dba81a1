// Items of an endless numbered sequence, made ahead by worker threads and taken in order, in memory of items that were
// taken before. What is taken does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>

namespace vlm {

template <class T>
class ReadAhead {
 public:
  using Make = std::function<void(Index number, int worker, T& item)>;
  using Cost = std::function<Index(const T&)>;

  // Workers call make(first, ...), make(first + 1, ...), ... at the same time, each with its own number from 0 and an
  // item that is new or was taken. They begin no further item while those that wait to be taken cost `budget` or more.
  ReadAhead(Index first, int threads, Index budget, Make make, Cost cost)
      : next_(first), budget_(budget), make_(std::move(make)), cost_(std::move(cost)) {
    if (threads < 1 || budget < 1)
      throw ConfigError("read-ahead",
                        {{"expected", "at least one thread and a positive budget"},
                         {"got", std::to_string(threads) + " threads, a budget of " + std::to_string(budget)},
                         {"try", "one thread, and the bytes that may lie ready"}});
    workers_.reserve(static_cast<std::size_t>(threads));
    try {
      for (int i = 0; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
    } catch (...) {  // the system has no thread left
      stop();
      throw;
    }
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead() {
    stop();
    for (std::unique_ptr<Slot>* list : {&first_, &free_})  // one by one: a chain of destructors could be deep
      while (*list) *list = std::move((*list)->next);
  }

  // The next item in order; waits for it, and throws what making it threw. It stays in front until pop().
  const T& front() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return first_ && first_->ready; });
    if (first_->error) std::rethrow_exception(first_->error);
    return first_->item;
  }

  // Drops the item in front, which front() has given or thrown for.
  void pop() {
    std::unique_ptr<Slot> dropped;  // outside of the lock: its memory may be large
    {
      const std::lock_guard lock(mutex_);
      waiting_cost_ -= first_->cost;
      std::unique_ptr<Slot> slot = std::move(first_);
      first_ = std::move(slot->next);
      if (!first_) last_ = nullptr;
      dropped = keep(std::move(slot));
    }
    room_.notify_all();
  }

 private:
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  struct Slot {
    T item{};
    std::exception_ptr error;
    Index cost = 0, largest_cost = 0;  // of this item, and of those whose memory it has
    bool ready = false;
    std::unique_ptr<Slot> next;
  };

  // A slot behind the last one.
  Slot& append_slot() {
    std::unique_ptr<Slot> slot = std::move(free_);
    if (slot)
      free_ = std::move(slot->next);
    else
      slot = std::make_unique<Slot>();
    slot->error = nullptr;
    slot->ready = false;
    std::unique_ptr<Slot>& end = last_ ? last_->next : first_;
    end = std::move(slot);
    last_ = end.get();
    return *last_;
  }
  // For another item; gives the slot back where all slots together hold the memory of more than twice the budget.
  std::unique_ptr<Slot> keep(std::unique_ptr<Slot> slot) {
    if (held_cost_ > 2 * budget_) {
      held_cost_ -= slot->largest_cost;
      return slot;
    }
    slot->next = std::move(free_);
    free_ = std::move(slot);
    return nullptr;
  }

  void work(int worker) {
    std::unique_lock lock(mutex_);
    for (;;) {
      room_.wait(lock, [this] { return stopping_ || waiting_cost_ < budget_; });
      if (stopping_) return;
      const Index number = next_++;
      Slot& slot = append_slot();
      lock.unlock();
      fill(number, worker, slot);
      lock.lock();
      slot.ready = true;
      waiting_cost_ += slot.cost;
      held_cost_ += std::max(slot.cost - slot.largest_cost, Index{0});
      slot.largest_cost = std::max(slot.largest_cost, slot.cost);
      ready_.notify_all();
    }
  }

  void fill(Index number, int worker, Slot& slot) const {
    try {
      make_(number, worker, slot.item);
      slot.cost = cost_(slot.item);
    } catch (...) {
      slot.error = std::current_exception();
      slot.cost = 1;
    }
  }

  std::mutex mutex_;
  std::condition_variable room_, ready_;
  std::unique_ptr<Slot> first_, free_;  // those in order, and those that were taken
  Slot* last_ = nullptr;
  Index next_, budget_, waiting_cost_ = 0, held_cost_ = 0;
  bool stopping_ = false;
  Make make_;
  Cost cost_;
  std::vector<std::thread> workers_;
};

}  // namespace vlm
