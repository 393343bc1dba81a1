// Ctrl-C as a request: while an Interrupt lives, SIGINT and SIGTERM only set a flag that
// the training loop reads.
#pragma once

#include <csignal>

namespace vlm {

class Interrupt {
 public:
  Interrupt() {
    flag() = 0;
    struct sigaction action{};
    action.sa_handler = [](int) { flag() = 1; };
    action.sa_flags = SA_RESTART;  // the saving that follows must not see interrupted calls
    sigaction(SIGINT, &action, &interrupt_);
    sigaction(SIGTERM, &action, &terminate_);
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  ~Interrupt() {
    sigaction(SIGINT, &interrupt_, nullptr);
    sigaction(SIGTERM, &terminate_, nullptr);
  }
  bool requested() const { return flag() != 0; }

 private:
  static volatile std::sig_atomic_t& flag() {
    static volatile std::sig_atomic_t value = 0;
    return value;
  }
  struct sigaction interrupt_{}, terminate_{};
};

}  // namespace vlm
