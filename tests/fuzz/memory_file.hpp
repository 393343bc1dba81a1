// A file in memory, written anew for each input of a fuzz target.
#pragma once

#include <sys/mman.h>
#include <unistd.h>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

class MemoryFile {
 public:
  MemoryFile() : handle_(memfd_create("input", 0)) {
    if (handle_ < 0) std::abort();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(handle_); }
  void write(const std::uint8_t* data, std::size_t size) const {
    if (ftruncate(handle_, 0) != 0) std::abort();
    write_at(0, {reinterpret_cast<const std::byte*>(data), size});
  }
  void write_at(std::size_t offset, std::span<const std::byte> bytes) const {
    const ssize_t written = pwrite(handle_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written != static_cast<ssize_t>(bytes.size())) std::abort();
  }

 private:
  int handle_;
};
