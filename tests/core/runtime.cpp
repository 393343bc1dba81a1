#include <vlm/core/runtime.hpp>

#include <boost/test/unit_test.hpp>
#include <stdexcept>

using namespace vlm;

// An operation of a user's own namespace is found through its argument.
namespace user {

struct Fill {
  View<float, 1, Cpu> into;
  float value;
};
void compute(Queue<Cpu>&, const Fill& op, Scratch scratch) {
  BOOST_TEST(scratch.size == 0u);
  for (Index i = 0; i < op.into.rows(); ++i) op.into(i) = op.value;
}

struct NeedsScratch {
  std::size_t bytes;
  int* calls;
};
std::size_t scratch_bytes(const Queue<Cpu>&, const NeedsScratch& op) { return op.bytes; }
void compute(Queue<Cpu>&, const NeedsScratch& op, Scratch scratch) {
  BOOST_TEST(scratch.size == op.bytes);
  BOOST_TEST((scratch.data != nullptr) == (op.bytes > 0));
  for (std::size_t i = 0; i < op.bytes; ++i) scratch.data[i] = std::byte{1};
  ++*op.calls;
}

}  // namespace user

BOOST_AUTO_TEST_SUITE(core_runtime)

BOOST_AUTO_TEST_CASE(runs_an_operation) {
  Runtime<Cpu> runtime(1);
  float values[3] = {};
  runtime.run(user::Fill{.into = {values, Shape<1>{{3}}}, .value = 2.5f});
  for (const float value : values) BOOST_TEST(value == 2.5f);
}

BOOST_AUTO_TEST_CASE(passes_arguments_to_its_queue) {
  Runtime<Cpu> runtime(3, IsaLevel::Portable);
  BOOST_TEST(runtime.queue().threads() == 3);
  BOOST_TEST((runtime.queue().level() == IsaLevel::Portable));
}

BOOST_AUTO_TEST_CASE(measuring_computes_nothing_and_reserves_what_is_needed) {
  Runtime<Cpu> runtime(1);
  int calls = 0;
  const auto pass = [&] {
    const auto scope = runtime.scope();
    const View<float, 2, Cpu> rows = runtime.keep<float>(16, 4);  // 256 bytes
    BOOST_TEST(static_cast<bool>(rows));
    runtime.run(user::NeedsScratch{1000, &calls});  // 1024 bytes, given back
    runtime.run(user::NeedsScratch{64, &calls});
    runtime.run(user::NeedsScratch{0, &calls});
  };
  BOOST_TEST(runtime.measure(pass) == 256u + 1024u);
  BOOST_TEST(calls == 0);
  BOOST_TEST(runtime.reserved_bytes() == 64u);  // so that rows of nothing are not null
  runtime.plan(pass);
  BOOST_TEST(runtime.reserved_bytes() == 256u + 1024u);
  pass();
  BOOST_TEST(calls == 3);
}

BOOST_AUTO_TEST_CASE(measuring_ends_when_the_pass_throws) {
  Runtime<Cpu> runtime(1);
  BOOST_CHECK_THROW(runtime.measure([&] {
    BOOST_TEST(runtime.measuring());
    runtime.keep<float>(100);
    throw std::runtime_error("bad input");
  }),
                    std::runtime_error);
  BOOST_TEST(!runtime.measuring());
  BOOST_TEST(runtime.measure([&] { runtime.keep<float>(16); }) == 64u);
}

BOOST_AUTO_TEST_CASE(a_pass_larger_than_planned_is_refused) {
  Runtime<Cpu> runtime(1);
  runtime.plan([&] { runtime.keep<float>(16); });
  BOOST_CHECK_EXCEPTION(runtime.keep<float>(17), DeviceError,
                        [](const DeviceError& error) { return error.id() == "arena-full"; });
}

BOOST_AUTO_TEST_CASE(scopes_nest) {
  Runtime<Cpu> runtime(1);
  runtime.plan([&] { runtime.keep<float>(64); });
  const auto outer = runtime.scope();
  float* kept = runtime.keep<float>(16).data;
  float* inside = nullptr;
  {
    const auto inner = runtime.scope();
    inside = runtime.keep<float>(16).data;
    int* records = runtime.records<int>(4);
    BOOST_TEST(records[3] == 0);
  }
  BOOST_TEST(runtime.keep<float>(16).data == inside);
  BOOST_TEST(inside - kept == 16);
}

// A view of no rows is wanted all the same.
BOOST_AUTO_TEST_CASE(views_of_no_rows_are_not_empty) {
  Runtime<Cpu> runtime(1);
  runtime.plan([&] { runtime.keep<float>(1); });
  BOOST_TEST(static_cast<bool>(runtime.keep<float>(0, 8)));
  BOOST_TEST(static_cast<bool>(runtime.scratch<float>(0)));
}

BOOST_AUTO_TEST_CASE(forgetting_ends_with_its_scope_also_by_an_exception) {
  Runtime<Cpu> runtime(1);
  const auto pass = [&] {
    const auto forgetting = runtime.forgetting();
    BOOST_TEST(!runtime.keeping());
    throw std::runtime_error("bad input");
  };
  BOOST_CHECK_THROW(pass(), std::runtime_error);
  BOOST_TEST(runtime.keeping());
  runtime.keep_activations(false);
  {
    const auto forgetting = runtime.forgetting();
  }
  BOOST_TEST(!runtime.keeping());
}

BOOST_AUTO_TEST_CASE(state_of_a_pass) {
  Runtime<Cpu> runtime(1);
  BOOST_TEST(runtime.keeping());
  runtime.keep_activations(false);
  BOOST_TEST(!runtime.keeping());
  runtime.set_block(5);
  BOOST_TEST(runtime.block() == 5);
  BOOST_TEST(runtime.sequences().causal);
  BOOST_TEST(!runtime.sequences().keys);
}

BOOST_AUTO_TEST_SUITE_END()
