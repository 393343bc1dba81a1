#include <boost/test/unit_test.hpp>

#include <csignal>

#include <vlm/train/interrupt.hpp>

BOOST_AUTO_TEST_SUITE(train_interrupt)

BOOST_AUTO_TEST_CASE(a_signal_becomes_a_request_and_the_old_handler_comes_back) {
  struct sigaction before{}, after{};
  sigaction(SIGINT, nullptr, &before);
  {
    const vlm::Interrupt interrupt;
    BOOST_TEST(!interrupt.requested());
    std::raise(SIGINT);
    BOOST_TEST(interrupt.requested());
  }
  {
    const vlm::Interrupt next;
    BOOST_TEST(!next.requested());
    std::raise(SIGTERM);
    BOOST_TEST(next.requested());
  }
  sigaction(SIGINT, nullptr, &after);
  BOOST_TEST((before.sa_handler == after.sa_handler));
}

BOOST_AUTO_TEST_SUITE_END()
