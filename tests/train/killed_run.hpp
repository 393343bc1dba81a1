// Runs that are killed without warning, and what they have written.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <vlm/io/file.hpp>

// The values of log.jsonl under a name as they are written, all digits.
inline std::vector<std::string> logged(const std::string& out, const std::string& name) {
  const std::string text = vlm::read_file(out + "/log.jsonl"), key = "\"" + name + "\":";
  std::vector<std::string> found;
  for (std::size_t at = 0; (at = text.find(key, at)) != std::string::npos; ++at)
    found.push_back(text.substr(at + key.size(), text.find(',', at) - at - key.size()));
  return found;
}
inline std::vector<std::string> losses(const std::string& out) { return logged(out, "loss"); }

// Calls run(), which gives a status, in a process of its own and kills it after `delay`; true if it finished first,
// with status 0.
template <class Run>
bool kill_after(std::chrono::duration<double> delay, Run&& run) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      _exit(run());
    } catch (...) {
      _exit(3);
    }
  }
  int status = 0;
  bool ended = false;
  const auto end = std::chrono::steady_clock::now() + delay;
  while (!ended && std::chrono::steady_clock::now() < end) {
    ended = waitpid(child, &status, WNOHANG) == child;
    if (!ended) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!ended) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
  }
  if (WIFEXITED(status)) BOOST_REQUIRE_EQUAL(WEXITSTATUS(status), 0);
  return WIFEXITED(status);
}
