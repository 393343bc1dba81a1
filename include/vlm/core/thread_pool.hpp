// A thread pool for parallel loops. Which worker runs which task is open, so a task must not depend on it;
// then results are the same for any number of threads.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>

namespace vlm {

namespace detail {

inline constexpr int most_threads = 1024;

// The processors that a control group's "quota period" pays for, rounded up; `most_threads` where it sets no limit.
inline int processors_of_quota(const char* text) {
  long long quota = 0, period = 0;
  if (std::sscanf(text, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0) return most_threads;
  return static_cast<int>(std::min<long long>(most_threads, (quota - 1) / period + 1));
}

inline int processors_of_control_group() {
  char text[64] = "";
  if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    if (!std::fgets(text, sizeof text, file)) text[0] = 0;
    std::fclose(file);
  }
  return processors_of_quota(text);
}

}  // namespace detail

// The processors that this process may use: its affinity, and the limit of its control group.
inline int available_processors() {
  cpu_set_t set;
  int count = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  return std::clamp(count, 1, detail::processors_of_control_group());
}

class ThreadPool {
 public:
  // `threads` workers, the calling thread among them; 0 means one for each available processor. Throws DeviceError
  // [threads] where that many cannot be had.
  explicit ThreadPool(int threads = 0) : size_(threads == 0 ? available_processors() : threads) {
    if (size_ < 0 || size_ > detail::most_threads)
      throw DeviceError("threads", {{"expected", "0 to " + std::to_string(detail::most_threads) + " threads"},
                                    {"got", std::to_string(size_)},
                                    {"try", "0, which means one for each processor"}});
    spins_ = size_ <= available_processors() ? 4000 : 0;
    try {
      for (int worker = 1; worker < size_; ++worker) threads_.emplace_back([this, worker] { serve(worker); });
    } catch (...) {
      stop();
      throw DeviceError("threads", {{"expected", std::to_string(size_) + " threads"},
                                    {"got", std::to_string(threads_.size() + 1)},
                                    {"try", "fewer threads"}});
    }
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() { stop(); }

  int size() const { return size_; }

  // Calls work(task, worker) for each task in [0, tasks), then returns. Not reentrant: one loop at a time.
  // The first exception that a task throws is thrown again here.
  template <class Work>
  void parallel(Index tasks, Work&& work) {
    if (size_ == 1 || tasks <= 1) {
      for (Index task = 0; task < tasks; ++task) work(task, 0);
      return;
    }
    using Callable = std::remove_reference_t<Work>;
    call_ = [](void* context, Index task, int worker) { (*static_cast<Callable*>(context))(task, worker); };
    context_ = const_cast<void*>(static_cast<const void*>(&work));
    tasks_ = tasks;
    keep_workers_off(sched_getcpu());
    next_.store(0, std::memory_order_relaxed);
    pending_.store(size_ - 1, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    take_tasks(0);
    wait_until_zero();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void stop() {
    stopping_ = true;
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // Some schedulers wake a worker where its caller runs, behind whom it then waits for milliseconds beside an idle
  // processor. So the workers may use every processor but that one.
  void keep_workers_off(int processor) {
    if (spins_ == 0 || processor == avoided_ || processor < 0 || processor >= CPU_SETSIZE) return;
    avoided_ = processor;
    cpu_set_t others;
    if (sched_getaffinity(0, sizeof others, &others) != 0) return;
    CPU_CLR(processor, &others);
    if (CPU_COUNT(&others) + 1 < size_) return;
    for (std::thread& thread : threads_)
      pthread_setaffinity_np(thread.native_handle(), sizeof others, &others);
  }

  void take_tasks(int worker) {
    try {
      for (Index task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;)
        call_(context_, task, worker);
    } catch (...) {
      next_.store(tasks_, std::memory_order_relaxed);
      const std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  void serve(int worker) {
    for (std::uint32_t seen = 0;;) {
      wait_for_round(seen);
      ++seen;
      if (stopping_) return;
      take_tasks(worker);
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
    }
  }

  // Spins for a while before it sleeps: a decoded token crosses hundreds of these borders.
  void wait_for_round(std::uint32_t seen) {
    for (int i = 0; i < spins_; ++i) {
      if (round_.load(std::memory_order_acquire) != seen) return;
      pause();
    }
    while (round_.load(std::memory_order_acquire) == seen) round_.wait(seen, std::memory_order_acquire);
  }
  void wait_until_zero() {
    for (int i = 0; i < spins_; ++i) {
      if (pending_.load(std::memory_order_acquire) == 0) return;
      pause();
    }
    for (int left; (left = pending_.load(std::memory_order_acquire)) != 0;)
      pending_.wait(left, std::memory_order_acquire);
  }
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  int size_;
  int spins_ = 0;
  int avoided_ = -1;  // the processor that the workers are kept off
  std::vector<std::thread> threads_;
  std::atomic<std::uint32_t> round_{0};
  std::atomic<int> pending_{0};
  std::atomic<Index> next_{0};
  std::atomic<bool> stopping_{false};
  void (*call_)(void*, Index, int) = nullptr;
  void* context_ = nullptr;
  Index tasks_ = 0;
  std::exception_ptr error_;
  std::mutex error_mutex_;
};

}  // namespace vlm
