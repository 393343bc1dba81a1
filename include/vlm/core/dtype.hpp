// Number formats: bf16 as an own 16-bit type, run-time DType, conversions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <vlm/core/config.hpp>

namespace vlm {

// bfloat16: the upper half of a float. Bit-equal to CUDA's and Eigen's types; rounds to
// nearest even, keeps NaN.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  VLM_HD explicit bf16(float value) {
    const auto wide = std::bit_cast<std::uint32_t>(value);
    const bool is_nan = (wide & 0x7fffffffu) > 0x7f800000u;
    const std::uint32_t rounded = wide + 0x7fffu + ((wide >> 16) & 1u);
    bits = static_cast<std::uint16_t>(is_nan ? ((wide >> 16) | 0x40u) : (rounded >> 16));
  }
  VLM_HD explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  friend bool operator==(bf16 a, bf16 b) = default;
};
static_assert(sizeof(bf16) == 2);

// The formats a stored tensor can have (safetensors names in `name`), then those of a matrix in blocks, which are bytes
// in a file (ops/weight_blocks.hpp).
enum class DType : std::uint8_t {
  F64,
  F32,
  F16,
  BF16,
  I64,
  I32,
  I16,
  I8,
  U8,
  Bool,
  I8Blocks,
  I4Blocks,
  Bf16Blocks,
  Bf16CodeBlocks
};

// Bytes of one element; 0 where blocks share theirs.
constexpr std::size_t size_of(DType type) {
  switch (type) {
    case DType::F64:
    case DType::I64:
      return 8;
    case DType::F32:
    case DType::I32:
      return 4;
    case DType::F16:
    case DType::BF16:
    case DType::I16:
      return 2;
    case DType::I8:
    case DType::U8:
    case DType::Bool:
      return 1;
    case DType::I8Blocks:
    case DType::I4Blocks:
    case DType::Bf16Blocks:
    case DType::Bf16CodeBlocks:
      return 0;
  }
  return 0;
}

constexpr std::string_view name_of(DType type) {
  constexpr std::string_view names[] = {
      "F64", "F32", "F16",  "BF16",      "I64",       "I32",         "I16",
      "I8",  "U8",  "BOOL", "I8_BLOCKS", "I4_BLOCKS", "BF16_BLOCKS", "BF16_CODE_BLOCKS"};
  return names[static_cast<std::size_t>(type)];
}

namespace detail {

template <class T>
consteval DType find_dtype() {
  if constexpr (std::is_same_v<T, double>)
    return DType::F64;
  else if constexpr (std::is_same_v<T, float>)
    return DType::F32;
  else if constexpr (std::is_same_v<T, bf16>)
    return DType::BF16;
  else if constexpr (std::is_same_v<T, bool>)
    return DType::Bool;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return DType::I64;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return DType::I32;
  else if constexpr (std::is_same_v<T, std::int16_t>)
    return DType::I16;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return DType::I8;
  else
    static_assert(std::is_same_v<T, std::uint8_t>, "vlm: no format of stored numbers is of this type.");
  return DType::U8;
}

}  // namespace detail

// The format of numbers of a C++ type.
template <class T>
inline constexpr DType dtype_of = detail::find_dtype<T>();

}  // namespace vlm
