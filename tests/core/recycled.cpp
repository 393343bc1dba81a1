#include <vlm/core/recycled.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <limits>
#include <new>
#include <thread>
#include <vector>

using vlm::Recycled;

namespace {

template <class T>
using Vector = std::vector<T, Recycled<T>>;

}  // namespace

BOOST_AUTO_TEST_SUITE(core_recycled)

BOOST_AUTO_TEST_CASE(a_block_comes_back_for_the_next_of_its_size) {
  // Where a vector that is gone again stood.
  const auto place_of = [](const auto& vector) { return static_cast<const void*>(vector.data()); };
  const void* const first = place_of(Vector<float>(100));
  BOOST_TEST(place_of(Vector<float>(100)) == first);
  BOOST_TEST(place_of(Vector<std::int64_t>(33)) == first);  // both take 512 bytes
  const Vector<float> held(100);
  BOOST_TEST(place_of(held) == first);
  BOOST_TEST(place_of(Vector<float>(100)) != first);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(held.data()) % 64 == 0u);
}

BOOST_AUTO_TEST_CASE(values_are_kept_while_a_vector_grows) {
  Vector<int> values;
  for (int i = 0; i < 10000; ++i) values.push_back(i);
  bool same = true;
  for (int i = 0; i < 10000; ++i) same = same && values[static_cast<std::size_t>(i)] == i;
  BOOST_TEST(same);
  const Vector<int> filled(100, 7);
  BOOST_TEST(filled.back() == 7);
}

BOOST_AUTO_TEST_CASE(what_another_thread_gives_back_is_its_own) {
  Vector<int> made(50, 3);
  const int* block = made.data();
  std::thread([&] {
    Vector<int>().swap(made);
    BOOST_TEST(Vector<int>(50).data() == block);
  }).join();
}

BOOST_AUTO_TEST_CASE(too_much_is_refused) {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  BOOST_CHECK_THROW(Recycled<double>().allocate(most / 2), std::bad_alloc);
  BOOST_CHECK_THROW(Recycled<char>().allocate(most / 2), std::bad_alloc);
}

BOOST_AUTO_TEST_SUITE_END()
