// One description of an operation, and everything that comes from it: its test (check.hpp), its row in the benchmark
// (bench/operations.cpp) and its row in docs/support.md (support.cpp).
//
// To describe an operation: list sizes, fill the tensors, call it with the views of those names, name the reference;
// then VLM_OPERATION(test_case, description()) inside the file's test suite.
#pragma once

#include <cxxabi.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "check.hpp"

namespace vlm::tests {

// Errors allowed in f32, relative to the largest value: element by element and norms, products and attention.
inline constexpr double pointwise = 1e-5, product = 1e-4;

// An operation's struct by name, and whether it is declared for the GPU.
struct Message {
  std::string name;
  bool on_cuda = false;
};
template <template <class, class> class Operation>
Message message() {
  char* text = abi::__cxa_demangle(typeid(Operation<Cpu, float>).name(), nullptr, nullptr, nullptr);
  std::string name = text;
  std::free(text);
  name.resize(name.find('<'));
  return {name.substr(name.rfind(':') + 1),
          requires(Queue<Cuda> & queue){compute(queue, Operation<Cuda, float>{}, Scratch{});
}
};  // namespace vlm::tests
}

// Sizes of a real model, with the words for them.
template <class Sizes>
struct Benchmark {
  std::string shape;
  Sizes sizes;
};

template <class Sizes>
struct Description {
  std::string name;  // of the operation, then "forward" or "backward", then what is special
  Message message = {};
  std::string limits = {};
  double tolerance = pointwise;
  std::vector<Spared> spared = {};
  std::vector<Sizes> sizes;
  std::vector<Benchmark<Sizes>> benchmarks = {};
  std::function<Work(const Sizes&)> work = nullptr;
  std::function<void(const Sizes&, Draw&, Tensors&)> tensors;
  std::function<void(Runtime<Cpu>&, const Sizes&, const Memory&)> run;
  std::function<void(const Sizes&, Tensors&)> reference;
  // Of backward operations: the reference of the forward as one number, whose derivatives are the gradients.
  std::function<double(const Sizes&, const Tensors&)> objective = nullptr;
  std::vector<Gradient> gradients = {};
  // What to change beside the row-wise tensors when only `count` rows from `first` on are computed.
  std::function<void(Tensors&, Index first, Index count)> cut = nullptr;
};

// A case that is made when it is needed: those of benchmarks are large.
struct Example {
  std::string shape;
  std::function<Case(std::uint64_t seed)> make;
};

// A description whose type of sizes is forgotten.
struct Operation {
  std::string file, name, limits;
  Message message;
  double tolerance;
  bool has_gradients;
  std::vector<Spared> spared;
  std::vector<Example> tests, benchmarks;
};

namespace detail {

template <class Sizes>
Index batch_rows(const Sizes& sizes) {
  if constexpr (requires { Index{sizes.rows()}; })
    return sizes.rows();
  else if constexpr (requires { Index{sizes.count}; })
    return sizes.count;
  else
    return sizes.rows;
}

template <class Sizes>
Case case_of(const std::shared_ptr<const Description<Sizes>>& d, const Sizes& sizes, std::uint64_t seed) {
  Case c{.text = d->name, .tolerance = d->tolerance, .rows = batch_rows(sizes)};
  Draw draw(seed);
  d->tensors(sizes, draw, c.tensors);
  c.text += c.tensors.text();
  if (d->work) c.work = d->work(sizes);
  c.run = [d, sizes](Runtime<Cpu>& runtime, const Memory& memory) { d->run(runtime, sizes, memory); };
  c.reference = [d, sizes](Tensors& tensors) { d->reference(sizes, tensors); };
  c.objective = [d, sizes](const Tensors& tensors) { return d->objective(sizes, tensors); };
  c.gradients = d->gradients;
  c.cut = d->cut;
  return c;
}

template <class Sizes>
Operation operation_of(const char* file, Description<Sizes> description) {
  const auto d = std::make_shared<const Description<Sizes>>(std::move(description));
  const auto example = [&d](const std::string& shape, const Sizes& sizes) {
    return Example{shape, [d, sizes](std::uint64_t seed) { return case_of(d, sizes, seed); }};
  };
  Operation operation{file,      d->name, d->limits, d->message, d->tolerance, !d->gradients.empty(),
                      d->spared, {},      {}};
  for (const Sizes& sizes : d->sizes) operation.tests.push_back(example("", sizes));
  for (const auto& [shape, sizes] : d->benchmarks) operation.benchmarks.push_back(example(shape, sizes));
  return operation;
}

inline std::vector<Case> cases_of(const Operation& operation) {
  std::vector<Case> cases;
  for (const Example& example : operation.tests) cases.push_back(example.make(cases.size() + 1));
  return cases;
}

inline void check_cases(const std::vector<Case>& cases) {
  std::vector<std::unique_ptr<Runtimes>> runtimes;
  for (IsaLevel level : levels()) runtimes.push_back(std::make_unique<Runtimes>(level));
  for (const Case& c : cases) check_case(c, runtimes);
}

inline void check_whole(const Operation& operation) {
  const std::vector<Case> cases = cases_of(operation);
  check_hostile_shapes(operation.name, cases, operation.spared);
  BOOST_CHECK_MESSAGE(!operation.message.name.empty(), operation.name << " names no message");
  BOOST_CHECK_MESSAGE(!operation.benchmarks.empty(), operation.name << " has no sizes for the benchmark");
  check_cases(cases);
}

}  // namespace detail

// The test of a description that appears nowhere else.
template <class Sizes>
void check(const Description<Sizes>& description) {
  detail::check_cases(detail::cases_of(detail::operation_of("", description)));
}

// All operations that are linked into this program.
inline std::vector<Operation>& operations() {
  static std::vector<Operation> all;
  return all;
}
// By file, each in its order.
inline std::vector<Operation> sorted_operations() {
  std::multimap<std::string, Operation> by_file;  // equal keys stay in the order of insertion
  for (const Operation& operation : operations()) by_file.emplace(operation.file, operation);
  std::vector<Operation> all;
  for (const auto& [file, operation] : by_file) all.push_back(operation);
  return all;
}
struct Registered {
  template <class Sizes>
  Registered(const char* file, const Description<Sizes>& description) {
    operations().push_back(detail::operation_of(file, description));
  }
};

// A test case, and the rows in the programs that list all operations.
#define VLM_OPERATION(test_case, ...)                                                             \
  BOOST_AUTO_TEST_CASE(test_case) {                                                               \
    ::vlm::tests::detail::check_whole(::vlm::tests::detail::operation_of(__FILE__, __VA_ARGS__)); \
  }                                                                                               \
  const ::vlm::tests::Registered test_case##_registered(__FILE__, __VA_ARGS__)

// A table of given numbers, row by row.
inline Table table(Index rows, Index columns, std::vector<double> values) {
  Table result(rows, columns);
  result.values = std::move(values);
  return result;
}

}  // namespace vlm::tests
