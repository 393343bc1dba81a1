// Products of the 2B model in all three orientations: against the machine's multiply-add rate with one thread, and
// against Eigen, oneDNN and OpenBLAS with --threads; bf16 weights against f32 ones and against the read bandwidth.
#include <unistd.h>

#include <memory>

#include <vlm/core/random.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/ops/matmul.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#endif

#include "ceilings.hpp"
#include "product_peers.hpp"

namespace {

using namespace vlm;

std::vector<float> random_values(Index count, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    values[i] = static_cast<float>(static_cast<std::int64_t>(seed) >> 40) * 1e-7f;
  }
  return values;
}

// y = x W' and both of its gradients, for one shape.
struct Product {
  Index rows, inputs, outputs;
  std::vector<float> x = random_values(rows * inputs, 1), weight = random_values(outputs * inputs, 2),
                     y = random_values(rows * outputs, 3), change = random_values(outputs * inputs, 4);
  std::vector<bf16> narrow = {};

  Product(Index m, Index k, Index n) : rows(m), inputs(k), outputs(n) {
    narrow.resize(weight.size());
    for (std::size_t i = 0; i < weight.size(); ++i) narrow[i] = bf16(weight[i]);
  }
  std::string shape() const {
    return std::to_string(rows) + "x" + std::to_string(inputs) + "x" + std::to_string(outputs);
  }
  double gflop() const { return 2e-9 * static_cast<double>(rows * inputs * outputs); }
  Matrix<Cpu> matrix(DType format) const {
    return {format == DType::BF16 ? static_cast<const void*>(narrow.data()) : weight.data(), format, outputs,
            inputs};
  }
  View<float, 2, Cpu> view(std::vector<float>& values, Index columns) const {
    return {values.data(), {static_cast<Index>(values.size()) / columns, columns}};
  }

  void forward(Runtime<Cpu>& runtime, DType format = DType::F32) {
    runtime.run(
        LinearForward<Cpu, float>{.x = view(x, inputs), .weight = matrix(format), .y = view(y, outputs)});
  }
  void backward_input(Runtime<Cpu>& runtime, DType format = DType::F32) {
    runtime.run(LinearBackwardInput<Cpu, float>{
        .dy = view(y, outputs), .weight = matrix(format), .dx = view(x, inputs)});
  }
  void backward_weight(Runtime<Cpu>& runtime) {
    runtime.run(LinearBackwardWeight<Cpu, float>{
        .dy = view(y, outputs), .x = view(x, inputs), .dweight = view(change, inputs)});
  }
};

struct Orientation {
  const char* name;
  void (*ours)(Runtime<Cpu>&, Product&);
  void (*peer)(const bench::Peer&, Product&);
};
const Orientation orientations[] = {
    {"forward", [](Runtime<Cpu>& runtime, Product& p) { p.forward(runtime); },
     [](const bench::Peer& peer, Product& p) {
       peer.multiply(p.x.data(), false, p.weight.data(), true, p.y.data(), p.rows, p.outputs, p.inputs, 0);
     }},
    {"dX", [](Runtime<Cpu>& runtime, Product& p) { p.backward_input(runtime); },
     [](const bench::Peer& peer, Product& p) {
       peer.multiply(p.y.data(), false, p.weight.data(), false, p.x.data(), p.rows, p.inputs, p.outputs, 0);
     }},
    {"dW", [](Runtime<Cpu>& runtime, Product& p) { p.backward_weight(runtime); },
     [](const bench::Peer& peer, Product& p) {
       peer.multiply(p.y.data(), true, p.x.data(), false, p.change.data(), p.outputs, p.inputs, p.rows, 1);
     }},
};

// Plans the scratch of all three orientations at once.
void plan(Runtime<Cpu>& runtime, Product& p) {
  runtime.plan([&] {
    p.forward(runtime);
    p.backward_input(runtime);
    p.backward_weight(runtime);
  });
}

}  // namespace

int main(int count, char** arguments) {
  bench::prepare_peers(arguments);
  bench::Report report("products", count, arguments);
  Runtime<Cpu> one(1), all(report.threads());
  const auto peers = bench::product_peers(report.threads());

  {
    bench::Ceilings ceilings(1, 64u << 20);
    for (const auto& [k, n] : {std::pair<Index, Index>{2048, 2048}, {2048, 6144}, {6144, 2048}}) {
      Product p(512, k, n);
      plan(one, p);
      for (const Orientation& o : orientations)
        report.compare({std::string(o.name) + ", 1 thread", p.shape(), "GFLOP/s", p.gflop(), 0.85},
                       {"ours", [&] { o.ours(one, p); }}, {ceilings.multiply_adds()});
    }
  }
  bench::Ceilings ceilings(report.threads());
  for (const Index rows : {512, 64, 8})
    for (const auto& [k, n] : {std::pair<Index, Index>{2048, 2048}, {2048, 6144}, {6144, 2048}}) {
      Product p(rows, k, n);
      plan(all, p);
      for (const Orientation& o : orientations) {
        std::vector<bench::Contender> others;
        for (const auto& peer : peers)
          others.push_back({peer->name, [&, &peer = *peer] { o.peer(peer, p); }});
        const bool weight = std::string(o.name) == "dW";
        const double bar = rows == 512 ? 1.05 : weight ? (rows == 8 ? 0 : 1.2) : rows == 64 ? 1.2 : 2;
        report.compare({o.name, p.shape(), "GFLOP/s", p.gflop(), bar}, {"ours", [&] { o.ours(all, p); }},
                       others);
        if (weight && rows == 8)
          report.compare({"dW, bytes", p.shape(), "GB/s", 8e-9 * static_cast<double>(p.change.size()), 0.8},
                         {"ours", [&] { o.ours(all, p); }}, {ceilings.update()});
      }
      report.compare({"share of peak, forward", p.shape(), "GFLOP/s", p.gflop()},
                     {"ours", [&] { p.forward(all); }}, {ceilings.multiply_adds()});
      if (rows == 512)
        report.compare({"bf16 weight, forward", p.shape(), "GFLOP/s", p.gflop(), 0.95},
                       {"ours", [&] { p.forward(all, DType::BF16); }},
                       {{"f32 weight", [&] { p.forward(all); }}}),
            report.compare({"bf16 weight, dX", p.shape(), "GFLOP/s", p.gflop(), 0.95},
                           {"ours", [&] { p.backward_input(all, DType::BF16); }},
                           {{"f32 weight", [&] { p.backward_input(all); }}});
    }
  // Larger than the last cache, so that the weight comes from memory.
  Product wide(1, 2048, 65536);
  plan(all, wide);
  report.compare(
      {"bf16 weight, forward", wide.shape(), "GB/s", 2e-9 * static_cast<double>(wide.weight.size()), 0.8},
      {"ours", [&] { wide.forward(all, DType::BF16); }}, {ceilings.read()});
  report.compare(
      {"f32 weight, forward", wide.shape(), "GB/s", 4e-9 * static_cast<double>(wide.weight.size()), 0.8},
      {"ours", [&] { wide.forward(all); }}, {ceilings.read()});
}
