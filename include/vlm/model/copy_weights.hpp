// Stored numbers into memory: as they are, widened from bf16 to f32, turned, or shared out.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <vlm/core/dtype.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/io/safetensors.hpp>

namespace vlm::detail {

// Element i of bytes that need not be aligned.
template <class T>
T element(const std::byte* bytes, std::size_t i) {
  T value;
  std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
  return value;
}

// Gives work(From{}, To{}) the formats as types. What is stored is F32 or BF16; what is written is the same, or F32.
template <class Work>
void with_formats(DType stored, DType written, Work&& work) {
  if (stored == DType::F32)
    work(float{}, float{});
  else if (written == DType::F32)
    work(bf16{}, float{});
  else
    work(bf16{}, bf16{});
}

// `count` numbers from bf16 to f32, in blocks of a fixed size, which compilers turn into vector instructions.
inline void widen(const std::byte* from, float* to, std::size_t count) {
  constexpr std::size_t block = 1024;
  std::uint16_t bits[block];
  while (count >= block) {
    std::memcpy(bits, from, sizeof bits);
    for (std::size_t i = 0; i < block; ++i)
      to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(bits[i]) << 16);
    from += sizeof bits;
    to += block;
    count -= block;
  }
  for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<float>(element<bf16>(from, i));
}

// All elements of `tensor` to `to`, of format `format`.
inline void copy_weights(const StoredTensor& tensor, DType format, std::byte* to) {
  if (format == tensor.dtype) {
    if (!tensor.bytes.empty()) std::memcpy(to, tensor.bytes.data(), tensor.bytes.size());
    return;
  }
  widen(tensor.bytes.data(), reinterpret_cast<float*>(to), tensor.bytes.size() / sizeof(bf16));
}

// A matrix [outputs, inputs] turned into columns of [inputs, pitch], of format `format`.
inline void copy_turned(const StoredTensor& tensor, DType format, std::byte* to, Index pitch) {
  constexpr Index block = 32;  // of both matrices' lines, so that none is left before it is used up
  const Index outputs = tensor.shape[0], inputs = tensor.shape[1];
  with_formats(tensor.dtype, format, [&]<class From, class To>(From, To) {
    To* target = reinterpret_cast<To*>(to);
    const auto turn = [&](Index first_output, Index first_input) {
      for (Index i = first_input; i < std::min(inputs, first_input + block); ++i)
        for (Index o = first_output; o < std::min(outputs, first_output + block); ++o)
          target[i * pitch + o] =
              static_cast<To>(element<From>(tensor.bytes.data(), static_cast<std::size_t>(o * inputs + i)));
    };
    for (Index o = 0; o < outputs; o += block)
      for (Index i = 0; i < inputs; i += block) turn(o, i);
  });
}

// A patch embedding of still images into one of `frames` frames, [outputs, channels, frames, size, size] in f32: each
// frame has its share of the weight, so that equal frames give what the still image gave. Stored are
// [outputs, channels, size, size], or flat rows whose features are ordered (y, x, channel).
inline void copy_still(const StoredTensor& tensor, Index channels, Index frames, Index size, float* to) {
  const bool flat = tensor.shape.size() == 2;
  const Index area = size * size, outputs = tensor.shape[0];
  const float share = 1.0f / static_cast<float>(frames);
  with_formats(tensor.dtype, DType::F32, [&]<class From, class To>(From, To) {
    for (Index o = 0; o < outputs; ++o)
      for (Index c = 0; c < channels; ++c)
        for (Index t = 0; t < frames; ++t)
          for (Index at = 0; at < area; ++at) {
            const Index from = flat ? at * channels + c : c * area + at;
            *to++ = share * static_cast<float>(element<From>(
                                tensor.bytes.data(), static_cast<std::size_t>(o * channels * area + from)));
          }
  });
}

// Calls write(bytes) with all of `bytes`, numbers of format `from`, as numbers of format `to`, piece by piece.
template <class Write>
void convert(std::span<const std::byte> bytes, DType from, DType to, Write&& write) {
  if (from == to) return write(bytes);
  constexpr std::size_t piece = std::size_t{1} << 16;
  std::vector<std::byte> converted;
  const std::size_t count = bytes.size() / size_of(from);
  const auto number = [&](std::size_t i) {
    return from == DType::F32 ? element<float>(bytes.data(), i)
                              : static_cast<float>(element<bf16>(bytes.data(), i));
  };
  for (std::size_t first = 0; first < count; first += piece) {
    const std::size_t size = std::min(piece, count - first);
    converted.resize(size * size_of(to));
    for (std::size_t i = 0; i < size; ++i) {
      const float value = number(first + i);
      const bf16 narrow(value);
      std::memcpy(converted.data() + i * size_of(to),
                  to == DType::F32 ? static_cast<const void*>(&value) : &narrow, size_of(to));
    }
    write(bytes_of(converted));
  }
}

}  // namespace vlm::detail
