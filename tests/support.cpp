// Prints docs/support.md, made of the descriptions of all operations (tests/ops/description.hpp).
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "ops/description.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

// The descriptions of one operation, put together.
struct Row {
  std::string name, file;
  std::vector<std::string> forward, backward, weights, limits, on_cuda;
  double tolerance = 0;
};

void add(std::vector<std::string>& words, const std::string& word) {
  if (std::count(words.begin(), words.end(), word) == 0) words.push_back(word);
}

// "linear" of "linear backward to the weight".
std::string family_of(const std::string& name) {
  return name.substr(0, std::min(name.find(" forward"), name.find(" backward")));
}

std::string inside_tests(const std::string& file) { return file.substr(file.rfind("ops/")); }

void put_in(Row& row, const Operation& operation) {
  const std::string message = '`' + operation.message.name + '`';
  const bool is_backward = operation.name.find(" backward") != std::string::npos;
  row.name = family_of(operation.name);
  row.file = inside_tests(operation.file);
  if (!is_backward) add(row.forward, message);
  if (is_backward || operation.has_gradients) add(row.backward, message);
  if (operation.message.on_cuda) add(row.on_cuda, message);
  if (!operation.limits.empty()) add(row.limits, operation.limits);
  for (const Spared& spared : operation.spared)
    add(row.limits, std::string("not ") + hostile_names[static_cast<int>(spared.shape)] + ": " + spared.why);
  for (const Case& c : tests::detail::cases_of(operation))
    for (const Tensor& tensor : c.tensors.all)
      if (tensor.is_weight) {
        add(row.weights, std::string(name_of(tensor.format)));
        if (tensor.is_input_major) add(row.weights, "transposed");
      }
  row.tolerance = std::max(row.tolerance, operation.tolerance);
}

std::vector<Row> rows() {
  std::vector<Row> rows;
  for (const Operation& operation : sorted_operations()) {
    const bool is_new = rows.empty() || rows.back().name != family_of(operation.name);
    if (is_new) rows.emplace_back();
    put_in(rows.back(), operation);
  }
  return rows;
}

template <class Words>
std::string joined(const Words& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text.empty() ? "-" : text;
}

void print(const Row& row) {
  std::string line = "| " + row.name;
  for (const auto* words : {&row.forward, &row.backward, &row.weights, &row.limits, &row.on_cuda})
    line += " | " + joined(*words);
  std::printf("%s | %g | [%s](../tests/%s) |\n", line.c_str(), row.tolerance, row.file.c_str(),
              row.file.c_str());
}

constexpr const char* introduction = R"(# Operations and what they support

Written by the program `support` from the descriptions in `tests/ops`; a test compares. After a change:

```sh
build/cpu/tests/support > docs/support.md
```

Every operation runs on the CPU, at the instruction-set level that the program finds: %s. Activations,
vectors and gradients of parameters are F32 there; weight matrices have the formats named. Under CUDA stands what
the GPU has too. The error is the largest difference to the fp64 reference that the test allows, relative to the
largest value.

Products of rows with a weight, those of experts too, and the embedding also read weights in blocks of bf16, of 8 and of
4 bits, forward only: [ops/weight_blocks.cpp](../tests/ops/weight_blocks.cpp). With bf16 the level AVX-512 has two roads, of
which the processor decides: its own products of bf16 or multiply-adds, whose last bits differ. Attention may round to bf16
on the first road ([ops/attention.cpp](../tests/ops/attention.cpp)).

Each case is computed at every level, with 1, 2 and 7 threads, in views with and without a pitch, in place where that
is allowed, and in parts of its rows: at a level the bits must be the same each time (levels differ from one another), and
nothing else may be written. What stands under backward is also checked against finite differences. Among the cases of
each operation are, where it can have them: %s.

| operation | forward | backward | weights | limits | CUDA | error | test |
|---|---|---|---|---|---|---|---|
)";

}  // namespace

int main() {
  const char* levels[] = {name_of(IsaLevel::Portable), name_of(IsaLevel::Avx2), name_of(IsaLevel::Avx512)};
  std::printf(introduction, joined(levels).c_str(), joined(hostile_names).c_str());
  for (const Row& row : rows()) print(row);
}
