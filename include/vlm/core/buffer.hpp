// Buffer<Device>: owning, aligned bytes on a device.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include <vlm/core/device.hpp>
#include <vlm/core/error.hpp>
#include <vlm/core/unzeroed.hpp>

namespace vlm {

template <class Device>
class Buffer;

// Host memory, aligned to a cache line and zeroed. Large ones ask for huge pages: rows lie a page or more apart.
template <>
class Buffer<Cpu> {
 public:
  static constexpr std::size_t alignment = 64;

  Buffer() = default;
  explicit Buffer(std::size_t bytes) : size_(bytes) {
    if (bytes == 0) return;
    data_ = static_cast<std::byte*>(detail::allocate_lines(bytes));
    if (!data_)
      throw DeviceError("out-of-memory", {{"device", Cpu::name},
                                          {"expected", std::to_string(bytes) + " bytes"},
                                          {"try", "a smaller batch, context or model"}});
    std::memset(data_, 0, bytes);
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() { std::free(data_); }

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace vlm
