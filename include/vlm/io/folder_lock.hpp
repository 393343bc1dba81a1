// FolderLock: one owner of a folder at a time, among all processes of a machine. The lock is the kernel's on the file
// .lock in it, so that it ends with its process, however that ends.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include <vlm/core/error.hpp>
#include <vlm/io/file.hpp>

namespace vlm {

class FolderLock {
 public:
  // Throws FileError: [folder-in-use] where another has it, [file-write] where the folder cannot be written.
  explicit FolderLock(const std::string& folder)
      : file_(::open((folder + "/.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    const std::string path = folder + "/.lock";
    if (file_.get() < 0) detail::throw_file_error("file-write", path, "a place that can be written");
    while (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) detail::throw_file_error("file-write", path, "a file that can be locked");
      throw FileError("folder-in-use", {{"folder", folder},
                                        {"expected", "a folder that no other run writes"},
                                        {"got", "one that another process or object has locked"},
                                        {"try", "wait for that run or stop it, or choose another folder"}});
    }
  }

 private:
  detail::FileDescriptor file_;
};

}  // namespace vlm
