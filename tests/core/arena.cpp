#include <vlm/core/arena.hpp>

#include <boost/test/unit_test.hpp>
#include <cstdint>

using namespace vlm;

namespace {

std::string message_of(const Error& error) { return error.what(); }

bool is_aligned(const std::byte* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % Arena<Cpu>::alignment == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_arena)

BOOST_AUTO_TEST_CASE(two_ends_do_not_overlap) {
  Arena<Cpu> arena;
  arena.reserve(4 * 64);
  std::byte* kept = arena.keep(65);
  std::byte* scratch = arena.scratch(100);
  BOOST_TEST(is_aligned(kept));
  BOOST_TEST(is_aligned(scratch));
  BOOST_TEST(scratch - kept == 2 * 64);  // the two together fill the arena
}

BOOST_AUTO_TEST_CASE(a_mark_gives_both_ends_back) {
  Arena<Cpu> arena;
  arena.reserve(1024);
  std::byte* base = arena.keep(1);
  const auto mark = arena.mark();
  std::byte* kept = arena.keep(64);
  std::byte* scratch = arena.scratch(64);
  arena.release(mark);
  BOOST_TEST(arena.keep(64) == kept);
  BOOST_TEST(arena.scratch(64) == scratch);
  BOOST_TEST(kept - base == 64);
}

BOOST_AUTO_TEST_CASE(too_much_is_refused_with_the_numbers) {
  Arena<Cpu> arena;
  arena.reserve(128);
  arena.keep(64);
  BOOST_CHECK_EXCEPTION(arena.scratch(100), DeviceError, [](const DeviceError& error) {
    return message_of(error) ==
           "vlm::DeviceError [arena-full]\n  expected  at most 128 bytes in use\n  got       192 bytes\n"
           "  try       plan the runtime with the largest batch first";
  });
}

BOOST_AUTO_TEST_CASE(growing_while_in_use_is_refused) {
  Arena<Cpu> arena;
  arena.reserve(64);
  const auto mark = arena.mark();
  arena.keep(1);
  BOOST_CHECK_EXCEPTION(arena.reserve(1000), DeviceError, [](const DeviceError& error) {
    return message_of(error) ==
           "vlm::DeviceError [arena-in-use]\n  expected  an empty arena\n  try       reserve memory between "
           "steps";
  });
  arena.reserve(64);  // nothing to do
  arena.release(mark);
  arena.reserve(1000);
  BOOST_TEST(arena.capacity() == 1024u);
}

BOOST_AUTO_TEST_CASE(measuring_finds_the_peak_and_hands_out_no_null) {
  Arena<Cpu> arena;
  arena.begin_measuring();
  BOOST_TEST(arena.measuring());
  BOOST_TEST(arena.keep(0) != nullptr);
  arena.keep(64);
  const auto mark = arena.mark();
  BOOST_TEST(arena.scratch(200) != nullptr);
  arena.release(mark);
  arena.scratch(64);
  arena.release({});
  BOOST_TEST(arena.end_measuring() == 64u + 256u);
  BOOST_TEST(!arena.measuring());
  BOOST_TEST(arena.capacity() == Arena<Cpu>::alignment);
}

BOOST_AUTO_TEST_CASE(host_records_start_fresh_and_come_back_with_the_mark) {
  struct Record {
    int value = 7;
  };
  HostArena arena;
  Record* first = arena.allocate<Record>(3);
  const auto mark = arena.mark();
  Record* second = arena.allocate<Record>(2);
  second[0].value = 1;
  // More than a block holds.
  Record* many = arena.allocate<Record>(100000);
  BOOST_TEST(many[99999].value == 7);
  arena.release(mark);
  BOOST_TEST(arena.allocate<Record>(2) == second);
  BOOST_TEST(second[0].value == 7);
  BOOST_TEST(arena.allocate<Record>(100000) == many);
  BOOST_TEST(first[2].value == 7);
}

BOOST_AUTO_TEST_SUITE_END()
