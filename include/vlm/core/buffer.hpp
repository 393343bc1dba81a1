// Buffer<Device>: owning, aligned bytes on a device.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include <vlm/core/device.hpp>
#include <vlm/core/error.hpp>

namespace vlm {

template <class Device>
class Buffer;

// Host memory, aligned to a cache line and zeroed. Large ones ask for huge pages: rows lie a page or more apart.
template <>
class Buffer<Cpu> {
 public:
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t huge_page = std::size_t{2} << 20;

  Buffer() = default;
  explicit Buffer(std::size_t bytes) : size_(bytes) {
    if (bytes == 0) return;
    const std::size_t unit = bytes >= huge_page ? huge_page : alignment;
    const std::size_t rounded = (bytes + unit - 1) / unit * unit;
    if (rounded >= bytes) data_ = static_cast<std::byte*>(std::aligned_alloc(unit, rounded));
    if (!data_)
      throw DeviceError("out-of-memory", {{"device", Cpu::name},
                                          {"expected", std::to_string(bytes) + " bytes"},
                                          {"try", "a smaller batch, context or model"}});
#if defined(MADV_HUGEPAGE)
    if (unit == huge_page) madvise(data_, rounded, MADV_HUGEPAGE);  // a wish: refusal changes nothing
#endif
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
