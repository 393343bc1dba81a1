#include <vlm/core/observer.hpp>

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include <vlm/core/runtime.hpp>

using namespace vlm;

namespace {

struct Notes : Observer<Cpu> {
  std::vector<std::string> lines;
  void see(std::string_view stage, Index index, View<const float, 2, Cpu> rows) override {
    lines.push_back(std::string(stage) + " " + std::to_string(index) + " " + shape_text(rows) + " " +
                    std::to_string(rows(0, 1)));
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(core_observer)

BOOST_AUTO_TEST_CASE(sees_what_a_pass_computes_and_nothing_while_measuring) {
  std::vector<float> values = {1, 2, 3, 4};
  const View<float, 2, Cpu> rows(values.data(), Shape<2>{{2, 2}});
  Runtime<Cpu> runtime(1);
  const auto pass = [&] { runtime.observe("stage", 3, rows); };
  pass();  // nobody observes
  Notes notes;
  runtime.set_observer(&notes);
  runtime.plan(pass);
  BOOST_TEST(notes.lines.empty());
  pass();
  BOOST_TEST(notes.lines == std::vector<std::string>{"stage 3 [2, 2] 2.000000"},
             boost::test_tools::per_element());
  runtime.set_observer(nullptr);
  pass();
  BOOST_TEST(notes.lines.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
