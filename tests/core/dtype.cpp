#include <vlm/core/dtype.hpp>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

using namespace vlm;

namespace {

float bits(std::uint32_t value) { return std::bit_cast<float>(value); }

}  // namespace

BOOST_AUTO_TEST_SUITE(core_dtype)

BOOST_AUTO_TEST_CASE(bf16_rounds_to_the_nearest_even) {
  BOOST_TEST(bf16(1.0f).bits == 0x3f80);
  BOOST_TEST(bf16(bits(0x3f807fff)).bits == 0x3f80);  // just below the half
  BOOST_TEST(bf16(bits(0x3f808000)).bits == 0x3f80);  // the half, down to even
  BOOST_TEST(bf16(bits(0x3f808001)).bits == 0x3f81);  // just above
  BOOST_TEST(bf16(bits(0x3f818000)).bits == 0x3f82);  // the half, up to even
  BOOST_TEST(bf16(-bits(0x3f818000)).bits == 0xbf82);
}

BOOST_AUTO_TEST_CASE(bf16_overflows_to_infinity) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  BOOST_TEST(bf16(infinity).bits == 0x7f80);
  BOOST_TEST(bf16(-infinity).bits == 0xff80);
  BOOST_TEST(bf16(std::numeric_limits<float>::max()).bits == 0x7f80);
  BOOST_TEST(static_cast<float>(bf16(3.3895314e38f)) == 3.3895314e38f);  // the largest that is finite
}

BOOST_AUTO_TEST_CASE(bf16_keeps_signs_and_small_numbers) {
  BOOST_TEST(bf16(-0.0f).bits == 0x8000);
  BOOST_TEST(bf16(bits(0x00018000)).bits == 0x0002);  // below the normal range, half to even
  BOOST_TEST(bf16(bits(0x00007fff)).bits == 0x0000);
}

BOOST_AUTO_TEST_CASE(bf16_keeps_nan) {
  // Dropping the lower half of these would leave an infinity.
  for (const std::uint32_t pattern : {0x7f800001u, 0xff800001u, 0x7fffffffu, 0x7fc00000u}) {
    const bf16 value(bits(pattern));
    BOOST_TEST(std::isnan(static_cast<float>(value)));
    BOOST_TEST((value.bits >> 15) == (pattern >> 31));
  }
}

BOOST_AUTO_TEST_CASE(every_bf16_comes_back) {
  for (std::uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    bf16 value;
    value.bits = static_cast<std::uint16_t>(pattern);
    const float wide = static_cast<float>(value);
    if (std::isnan(wide))
      BOOST_REQUIRE(std::isnan(static_cast<float>(bf16(wide))));
    else
      BOOST_REQUIRE(bf16(wide) == value);
  }
}

BOOST_AUTO_TEST_CASE(sizes_and_names) {
  BOOST_TEST(size_of(DType::F64) == 8u);
  BOOST_TEST(size_of(DType::I64) == 8u);
  BOOST_TEST(size_of(DType::F32) == 4u);
  BOOST_TEST(size_of(DType::I32) == 4u);
  BOOST_TEST(size_of(DType::F16) == 2u);
  BOOST_TEST(size_of(DType::BF16) == 2u);
  BOOST_TEST(size_of(DType::I16) == 2u);
  BOOST_TEST(size_of(DType::I8) == 1u);
  BOOST_TEST(size_of(DType::U8) == 1u);
  BOOST_TEST(size_of(DType::Bool) == 1u);
  BOOST_TEST(name_of(DType::F64) == "F64");
  BOOST_TEST(name_of(DType::BF16) == "BF16");
  BOOST_TEST(name_of(DType::I16) == "I16");
  BOOST_TEST(name_of(DType::Bool) == "BOOL");
}

BOOST_AUTO_TEST_CASE(types_know_their_dtype) {
  static_assert(dtype_of<double> == DType::F64);
  static_assert(dtype_of<float> == DType::F32);
  static_assert(dtype_of<bf16> == DType::BF16);
  static_assert(dtype_of<std::int64_t> == DType::I64);
  static_assert(dtype_of<std::int32_t> == DType::I32);
  static_assert(dtype_of<std::int16_t> == DType::I16);
  static_assert(dtype_of<std::int8_t> == DType::I8);
  static_assert(dtype_of<std::uint8_t> == DType::U8);
  static_assert(dtype_of<bool> == DType::Bool);
  BOOST_TEST(size_of(dtype_of<bf16>) == sizeof(bf16));
}

BOOST_AUTO_TEST_SUITE_END()
