#include <boost/test/unit_test.hpp>

#include <vlm/data/read_ahead.hpp>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tiny.hpp"

using vlm::Index;
using vlm::ReadAhead;

namespace {

using namespace std::chrono_literals;

const auto cost_one = [](const Index&) { return Index{1}; };

}  // namespace

BOOST_AUTO_TEST_SUITE(data_read_ahead)

BOOST_AUTO_TEST_CASE(items_come_in_order_with_any_number_of_threads) {
  for (const int threads : {1, 2, 7}) {
    // Later items are ready sooner.
    const auto make = [threads](Index i, int worker, Index& item) {
      if (i % 4 == 0) std::this_thread::sleep_for(200us);
      item = worker >= 0 && worker < threads ? i * i : -1;
    };
    ReadAhead<Index> ahead(10, threads, 5, make, cost_one);
    for (Index i = 10; i < 110; ++i) {
      BOOST_TEST(ahead.front() == i * i);
      BOOST_TEST(ahead.front() == i * i);
      ahead.pop();
    }
  }
}

BOOST_AUTO_TEST_CASE(workers_wait_when_the_budget_is_spent) {
  std::atomic<Index> made = 0;
  const auto make = [&made](Index i, int, Index& item) {
    ++made;
    item = i;
  };
  ReadAhead<Index> ahead(0, 2, 30, make, [](const Index&) { return Index{10}; });
  ahead.front();
  std::this_thread::sleep_for(20ms);
  // Three fill the budget; the other worker may have begun one more before they were counted.
  BOOST_TEST(made >= 3);
  BOOST_TEST(made <= 4);
  for (int i = 0; i < 50; ++i) {
    ahead.front();
    ahead.pop();
  }
  std::this_thread::sleep_for(20ms);
  BOOST_TEST(made >= 53);
  BOOST_TEST(made <= 54);
}

BOOST_AUTO_TEST_CASE(an_error_stands_in_the_place_of_its_item) {
  const auto make = [](Index i, int, Index& item) {
    if (i == 2) throw vlm::DataError("bad", {{"got", "item 2"}});
    item = i;
  };
  ReadAhead<Index> ahead(0, 3, 100, make, cost_one);
  for (Index i = 0; i < 6; ++i) {
    if (i == 2) {
      BOOST_CHECK_THROW(ahead.front(), vlm::DataError);
      BOOST_CHECK_THROW(ahead.front(), vlm::DataError);
    } else {
      BOOST_TEST(ahead.front() == i);
    }
    ahead.pop();
  }
}

BOOST_AUTO_TEST_CASE(errors_alone_do_not_run_away) {
  std::atomic<Index> made = 0;
  const auto make = [&made](Index, int, Index&) {
    ++made;
    throw vlm::DataError("bad", {});
  };
  ReadAhead<Index> ahead(0, 1, 8, make, cost_one);
  BOOST_CHECK_THROW(ahead.front(), vlm::DataError);
  std::this_thread::sleep_for(20ms);
  BOOST_TEST(made == 8);
}

// A list comes back with its memory, unless large ones have been there before.
BOOST_AUTO_TEST_CASE(items_are_used_again) {
  using List = std::vector<int>;
  std::atomic<int> fresh = 0;
  const auto make = [&](Index i, int, List& list) {
    fresh += list.capacity() == 0;
    list.assign(i == 20 ? 100 : 5, static_cast<int>(i));
  };
  ReadAhead<List> ahead(0, 2, 20, make, [](const List& list) { return static_cast<Index>(list.size()); });
  for (int i = 0; i < 1000; ++i) {
    const List& list = ahead.front();
    BOOST_TEST(list.size() == (i == 20 ? 100u : 5u));
    BOOST_TEST(list.front() == i);
    ahead.pop();
  }
  BOOST_TEST(fresh <= 20);  // those of twice the budget, and again after the large one
}

BOOST_AUTO_TEST_CASE(wrong_settings) {
  const auto make = [](Index i, int, Index& item) { item = i; };
  BOOST_TEST(message_of([&] { ReadAhead<Index>(0, 0, 5, make, cost_one); }) ==
             "vlm::ConfigError [read-ahead]\n  expected  at least one thread and a positive budget\n"
             "  got       0 threads, a budget of 5"
             "\n  try       one thread, and the bytes that may lie ready");
  BOOST_CHECK_THROW(ReadAhead<Index>(0, 1, 0, make, cost_one), vlm::ConfigError);
}

BOOST_AUTO_TEST_SUITE_END()
