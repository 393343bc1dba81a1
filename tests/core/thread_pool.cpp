#include <vlm/core/thread_pool.hpp>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace vlm;

namespace {

// How often each task ran.
std::vector<int> runs(ThreadPool& pool, Index tasks) {
  std::vector<std::atomic<int>> counts(static_cast<std::size_t>(tasks));
  pool.parallel(tasks, [&](Index task, int) { ++counts[static_cast<std::size_t>(task)]; });
  return {counts.begin(), counts.end()};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_thread_pool)

BOOST_AUTO_TEST_CASE(each_task_runs_once) {
  for (const int threads : {1, 2, 7}) {
    ThreadPool pool(threads);
    BOOST_TEST(pool.size() == threads);
    for (const Index tasks : {0, 1, 2, 3, 100, 1000})
      BOOST_TEST((runs(pool, tasks) == std::vector<int>(static_cast<std::size_t>(tasks), 1)));
  }
}

BOOST_AUTO_TEST_CASE(many_short_loops) {
  ThreadPool pool(3);
  Index sum = 0;
  for (int round = 0; round < 3000; ++round) {
    std::atomic<Index> part{0};
    pool.parallel(5, [&](Index task, int) { part += task; });
    sum += part;
  }
  BOOST_TEST(sum == 30000);
}

BOOST_AUTO_TEST_CASE(workers_are_numbered_below_the_size) {
  ThreadPool pool(4);
  std::atomic<int> outside{0};
  pool.parallel(1000, [&](Index, int worker) { outside += worker < 0 || worker >= 4; });
  BOOST_TEST(outside == 0);
}

BOOST_AUTO_TEST_CASE(sleeping_workers_wake_up) {
  ThreadPool pool(2);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    BOOST_TEST(runs(pool, 50) == std::vector<int>(50, 1), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(an_exception_comes_back_and_the_pool_goes_on) {
  for (const int threads : {1, 2, 7}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 3; ++round) {
      const auto is_ours = [](const std::runtime_error& error) {
        return std::string(error.what()) == "task 13";
      };
      BOOST_CHECK_EXCEPTION(pool.parallel(100,
                                          [](Index task, int) {
                                            if (task == 13) throw std::runtime_error("task 13");
                                          }),
                            std::runtime_error, is_ours);
      BOOST_TEST(runs(pool, 20) == std::vector<int>(20, 1), boost::test_tools::per_element());
    }
  }
}

// Far more threads than processors, as on a machine that others use too.
BOOST_AUTO_TEST_CASE(two_to_128_threads) {
  for (const int threads : {2, 3, 16, 64, 128}) {
    ThreadPool pool(threads);
    BOOST_TEST(pool.size() == threads);
    for (const Index tasks : {1, threads - 1, threads, threads + 1, 1000})
      BOOST_TEST((runs(pool, tasks) == std::vector<int>(static_cast<std::size_t>(tasks), 1)));
  }
}

BOOST_AUTO_TEST_CASE(workers_keep_off_the_processor_of_their_caller) {
  if (available_processors() < 2) return;
  ThreadPool pool(2);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int before = sched_getcpu();
    std::atomic<int> arrived{0};
    cpu_set_t allowed[2];
    pool.parallel(2, [&](Index, int worker) {
      sched_getaffinity(0, sizeof allowed[worker], &allowed[worker]);
      for (++arrived; arrived < 2;) std::this_thread::yield();
    });
    if (sched_getcpu() != before) continue;  // the caller was moved meanwhile
    BOOST_TEST(CPU_ISSET(before, &allowed[0]));
    BOOST_TEST(!CPU_ISSET(before, &allowed[1]));
    return;
  }
  BOOST_FAIL("the caller never stayed on one processor");
}

BOOST_AUTO_TEST_CASE(impossible_numbers_of_threads_are_refused) {
  for (const int threads : {-1, 1025}) {
    const std::string expected = "vlm::DeviceError [threads]\n  expected  0 to 1024 threads\n  got       " +
                                 std::to_string(threads) +
                                 "\n  try       0, which means one for each processor";
    BOOST_CHECK_EXCEPTION(ThreadPool{threads}, DeviceError,
                          [&](const DeviceError& error) { return error.what() == expected; });
  }
}

BOOST_AUTO_TEST_CASE(a_control_group_limits_processors) {
  BOOST_TEST(detail::processors_of_quota("200000 100000\n") == 2);
  BOOST_TEST(detail::processors_of_quota("150000 100000\n") == 2);
  BOOST_TEST(detail::processors_of_quota("1000 100000\n") == 1);
  for (const char* none : {"max 100000\n", "", "0 100000", "100000", "100000 0", "-1 100000"})
    BOOST_TEST(detail::processors_of_quota(none) == detail::most_threads);
}

BOOST_AUTO_TEST_CASE(zero_threads_means_all_processors) {
  BOOST_TEST(available_processors() >= 1);
  BOOST_TEST(ThreadPool(0).size() == available_processors());
}

BOOST_AUTO_TEST_SUITE_END()
