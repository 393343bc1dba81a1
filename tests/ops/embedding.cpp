#include <vlm/ops/embedding.hpp>

#include "ops/description.hpp"
#include "reference/embedding.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, vocabulary, features;
  DType format = DType::F32;
};

const std::vector<Sizes> all_sizes = {
    {0, 4, 8},   {1, 1, 1}, {3, 50, 7}, {40, 5, 33}, {17, 100, 64, DType::BF16}, {130, 9, 200, DType::BF16},
    {5, 3, 1000}};

const std::vector<Benchmark<Sizes>> model_sizes = {
    {"512 of 4096 x 2048, bf16", {512, 4096, 2048, DType::BF16}}};

// The rows that are wanted, of `bytes` each element.
Work rows_of_bytes(const Sizes& s, std::size_t bytes) {
  return {.bytes = static_cast<double>(s.rows * s.features) * static_cast<double>(bytes)};
}

Description<Sizes> forward() {
  return {
      .name = "embedding forward",
      .message = message<EmbeddingForward>(),
      .tolerance = 0,  // a copy
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = [](const Sizes& s) { return rows_of_bytes(s, size_of(s.format) + sizeof(float)); },
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("ids", draw.below(s.vocabulary, s.rows)).vector().integer().by_row();
            t.input("table", rounded(draw.normal(s.vocabulary, s.features), s.format))
                .stored(s.format, false);
            t.output("y", s.rows, s.features).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(EmbeddingForward<Cpu, float>{.ids = m["ids"], .table = m["table"], .y = m["y"]});
          },
      .reference = [](const Sizes&,
                      Tensors& t) { t.result("y", reference::embedding(t["ids"], t["table"])); },
  };
}

Description<Sizes> backward() {
  return {
      .name = "embedding backward",
      .message = message<EmbeddingBackward>(),
      .sizes = all_sizes,
      .benchmarks = {{"512 of 4096 x 2048", {512, 4096, 2048}}},
      .work = [](const Sizes& s) { return rows_of_bytes(s, 3 * sizeof(float)); },
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("ids", draw.below(s.vocabulary, s.rows)).vector().integer();
            t.input("table", draw.normal(s.vocabulary, s.features));
            t.input("dy", draw.normal(s.rows, s.features));
            t.sum("dtable", draw.normal(s.vocabulary, s.features));
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(EmbeddingBackward<Cpu, float>{.ids = m["ids"], .dy = m["dy"], .dtable = m["dtable"]});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            t.result("dtable", reference::embedding_backward(t["ids"], t["dy"], s.vocabulary));
          },
      .objective = [](const Sizes&,
                      const Tensors& t) { return dot(t["dy"], reference::embedding(t["ids"], t["table"])); },
      .gradients = {{"table", "dtable"}},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_embedding)

VLM_OPERATION(forward_agrees, forward());
VLM_OPERATION(backward_agrees, backward());

BOOST_AUTO_TEST_SUITE_END()
