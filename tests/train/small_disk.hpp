// A disk of a few megabytes, for what happens when it is full.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

namespace detail {

// A disk of its own for this process, at `folder`. False where the system does not allow that.
inline bool mount_small_disk(const std::string& folder, const std::string& size) {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  if (user != 0) {
    if (unshare(CLONE_NEWUSER) != 0) return false;
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
    std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
  }
  return unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("small", folder.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
}

}  // namespace detail

// Calls work() in a process of its own that has a small disk at `folder`; true if it could. The process ends with work.
template <class Work>
bool on_small_disk(const std::string& folder, const std::string& size, Work&& work) {
  constexpr int not_allowed = 77;
  const pid_t child = fork();
  if (child == 0) {
    if (!detail::mount_small_disk(folder, size)) _exit(not_allowed);
    try {
      work();
      _exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "on the small disk: %s\n", error.what());
      _exit(3);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == not_allowed) {
    BOOST_TEST_MESSAGE("skipped: this system lets no test mount a small disk");
    return false;
  }
  BOOST_REQUIRE(WIFEXITED(status));
  BOOST_REQUIRE_EQUAL(WEXITSTATUS(status), 0);
  return true;
}
