// Files: read-only memory maps, whole-file reading, and atomic writing (temporary name, sync, rename).
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <vlm/core/error.hpp>

namespace vlm {

namespace detail {

[[noreturn]] inline void throw_file_error(std::string_view id, const std::string& path,
                                          std::string_view wanted) {
  const int code = errno;
  throw FileError(
      id, {{"file", path},
           {"expected", std::string(wanted)},
           {"got", std::strerror(code)},
           {"try", code == ENOSPC ? "free space on this disk" : "check the path and its permissions"}});
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int handle) : handle_(handle) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { close(); }
  int get() const { return handle_; }
  int release() { return std::exchange(handle_, -1); }
  bool close() {
    const int handle = std::exchange(handle_, -1);
    return handle < 0 || ::close(handle) == 0;
  }

 private:
  int handle_;
};

// A rename must reach the disk too; a folder that cannot be synced is not an error of what is in it.
inline void sync_folder_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const FileDescriptor handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle.get() >= 0) ::fsync(handle.get());
}

}  // namespace detail

// A file mapped for reading. The bytes stay valid as long as the object lives.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) : path_(path) {
    // Not blocking, or a named pipe without a writer would hang here; regular files ignore the flag.
    detail::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) detail::throw_file_error("file-open", path, "a readable file");
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) detail::throw_file_error("file-open", path, "a readable file");
    if (!S_ISREG(status.st_mode))
      throw FileError("file-open", {{"file", path},
                                    {"expected", "a regular file"},
                                    {"got", "something else"},
                                    {"try", "the path of the file itself"}});
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (address == MAP_FAILED) detail::throw_file_error("file-map", path, "a file that can be memory-mapped");
    data_ = static_cast<const std::byte*>(address);
  }
  MappedFile(MappedFile&& other) noexcept
      : path_(std::move(other.path_)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile() {
    if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Gives back the memory of the whole pages in `bytes` of a mapped file; read again, they come from the file again.
inline void forget_pages(std::span<const std::byte> bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t first = (reinterpret_cast<std::uintptr_t>(bytes.data()) + page - 1) / page * page;
  const std::uintptr_t last = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (last > first) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

// The whole content of a file as text.
inline std::string read_file(const std::string& path) { return std::string(MappedFile(path).text()); }

inline bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// Writes under a temporary name beside `path`; `commit()` syncs and renames. Without commit the temporary
// file is removed and what stood at `path` is untouched. Of several writers each has a temporary file of its own, and the
// last that commits stays. What a killed writer left is used by the next that comes to its number.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path) : path_(path), file_(open_temporary()) {}
  ~AtomicFile() {
    if (!committed_) ::unlink(temporary_.c_str());
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size) {
    const char* next = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(file_.get(), next, size);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) detail::throw_file_error("file-write", path_, "room for the whole file");
      next += written;
      size -= static_cast<std::size_t>(written);
    }
  }
  void write(std::string_view text) { write(text.data(), text.size()); }

  void commit() {
    if (::fsync(file_.get()) != 0) detail::throw_file_error("file-write", path_, "a file that can be synced");
    if (::rename(temporary_.c_str(), path_.c_str()) != 0)
      detail::throw_file_error("file-write", path_, "a file that can be renamed into place");
    committed_ = true;
    file_.close();  // and with it the lock, which others may take over only with the name
    detail::sync_folder_of(path_);
  }

 private:
  // The first of path.partial, path.partial-2, ... that no other writer has locked, emptied. Sets temporary_.
  int open_temporary() {
    constexpr int most_taken = 10000;
    for (int number = 1, taken = 0;;) {
      temporary_ = path_ + ".partial" + (number > 1 ? "-" + std::to_string(number) : "");
      const int handle = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
      if (handle < 0) detail::throw_file_error("file-write", temporary_, "a place that can be written");
      detail::FileDescriptor file(handle);
      int locked;
      while ((locked = ::flock(handle, LOCK_EX | LOCK_NB)) != 0 && errno == EINTR) {
      }
      if (locked != 0 && errno == EWOULDBLOCK) {
        ++number;
        continue;
      }
      // A file system without locks is left to one writer at a time.
      struct stat opened{}, named{};
      if (::fstat(handle, &opened) != 0)
        detail::throw_file_error("file-write", temporary_, "a file that can be told from others");
      if (::stat(temporary_.c_str(), &named) != 0 || opened.st_ino != named.st_ino ||
          opened.st_dev != named.st_dev) {
        // Its writer renamed or removed it before it was locked here; that does not happen over and over.
        if (++taken > most_taken)
          detail::throw_file_error("file-write", temporary_, "a file that keeps its name while it is opened");
        continue;
      }
      if (opened.st_size > 0 && ::ftruncate(handle, 0) != 0)
        detail::throw_file_error("file-write", path_, "a temporary file that can be emptied");
      return file.release();
    }
  }

  std::string path_;
  std::string temporary_;
  detail::FileDescriptor file_;
  bool committed_ = false;
};

inline void write_file_atomically(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace vlm
