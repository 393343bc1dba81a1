// How far products stray with weights in blocks, beside ggml's formats of as many bits where it is installed: the error
// || y - x w' || / || x w' || with rows and weights in their formats, sums in fp64.
//
//   block_errors [--json FILE]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#if defined(VLM_BENCH_GGML)
#include <ggml.h>
#endif

#include <vlm/vlm.hpp>

using namespace vlm;

namespace {

constexpr Index rows = 64, outputs = 256, inputs = 2048;

// Normal numbers; with `heavy` one in a hundred is eight times as large.
std::vector<float> drawn(Index count, float size, bool heavy, std::uint64_t seed) {
  const Random random(seed, "block_errors");
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] =
        size * static_cast<float>(random.normal(i)) * (heavy && i * 2654435761u % 100 == 0 ? 8.0f : 1.0f);
  return values;
}

std::vector<double> product(const std::vector<float>& x, const std::vector<float>& weight) {
  std::vector<double> y;
  for (Index row = 0; row < rows; ++row)
    for (Index o = 0; o < outputs; ++o) {
      double sum = 0;
      for (Index i = 0; i < inputs; ++i)
        sum += static_cast<double>(x[static_cast<std::size_t>(row * inputs + i)]) *
               static_cast<double>(weight[static_cast<std::size_t>(o * inputs + i)]);
      y.push_back(sum);
    }
  return y;
}

template <class Numbers>
double error(const Numbers& y, const std::vector<double>& exact) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    difference += std::pow(static_cast<double>(y[i]) - exact[i], 2);
    size += exact[i] * exact[i];
  }
  return std::sqrt(difference / size);
}

std::vector<float> ours(const std::vector<float>& x, const std::vector<float>& weight, DType format) {
  Runtime<Cpu> runtime(1);
  Buffer<Cpu> panels(matrix_bytes(format, outputs, inputs));
  if (!make_blocks<float>(runtime.queue(), {weight.data(), Shape<2>{{outputs, inputs}}}, format,
                          panels.data()))
    std::abort();
  std::vector<float> y(static_cast<std::size_t>(rows * outputs));
  const LinearForward<Cpu, float> op{.x = {x.data(), Shape<2>{{rows, inputs}}},
                                     .weight = Matrix<Cpu>(panels.data(), format, outputs, inputs),
                                     .y = {y.data(), Shape<2>{{rows, outputs}}}};
  runtime.plan([&] { runtime.run(op); });
  runtime.run(op);
  return y;
}

struct Peer {
  std::string name;
  double error = 0;  // 0: there is none
};

#if defined(VLM_BENCH_GGML)
// Numbers as ggml's format holds them.
std::vector<float> in_format(const std::vector<float>& values, ggml_type type) {
  const Index count = static_cast<Index>(values.size()) / inputs;
  std::vector<std::byte> bytes(ggml_row_size(type, inputs) * static_cast<std::size_t>(count));
  const ggml_type_traits* traits = ggml_get_type_traits(type);
  std::vector<float> result(values.size());
  for (Index row = 0; row < count; ++row) {
    std::byte* to = bytes.data() + ggml_row_size(type, inputs) * static_cast<std::size_t>(row);
    traits->from_float_ref(values.data() + row * inputs, to, inputs);
    traits->to_float(to, result.data() + row * inputs, inputs);
  }
  return result;
}
// Q8_0 with rows in Q8_0; Q4_K with rows in bytes of blocks of 256, for which Q8_0 stands, whose steps are finer.
Peer peer_of(DType format, const std::vector<float>& x, const std::vector<float>& weight,
             const std::vector<double>& exact) {
  const ggml_type type = format == DType::I8Blocks ? GGML_TYPE_Q8_0 : GGML_TYPE_Q4_K;
  return {ggml_type_name(type), error(product(in_format(x, GGML_TYPE_Q8_0), in_format(weight, type)), exact)};
}
#else
Peer peer_of(DType, const std::vector<float>&, const std::vector<float>&, const std::vector<double>&) {
  return {};
}
#endif

}  // namespace

int main(int count, char** arguments) {
  std::FILE* json = nullptr;
  if (count == 3 && std::strcmp(arguments[1], "--json") == 0) json = std::fopen(arguments[2], "w");
  if (count > 1 && !json) {
    std::printf("%s [--json FILE]\n", arguments[0]);
    return std::strcmp(arguments[1], "--help") == 0 ? 0 : 2;
  }
  for (const bool heavy : {false, true}) {
    const std::vector<float> x = drawn(rows * inputs, 1, heavy, 1),
                             weight = drawn(outputs * inputs, 0.02f, heavy, 2);
    const std::vector<double> exact = product(x, weight);
    for (const DType format : {DType::I8Blocks, DType::I4Blocks}) {
      const char* shape = heavy ? "heavy tails" : "normal";
      const std::string name = format == DType::I8Blocks ? "int8" : "int4";
      const double bits = 8 * static_cast<double>(matrix_bytes(format, outputs, inputs)) /
                          static_cast<double>(outputs * inputs);
      const double own = error(ours(x, weight, format), exact);
      const Peer peer = peer_of(format, x, weight, exact);
      std::printf("error, %-6s %-12s %.3f bits  %.5f", name.c_str(), shape, bits, own);
      if (peer.error > 0)
        std::printf("  %s %.5f  ratio %.3f", peer.name.c_str(), peer.error, own / peer.error);
      std::printf("\n");
      if (!json) continue;
      std::fprintf(json,
                   "{\"name\": \"error, %s\", \"shape\": \"%s\", \"unit\": \"relative\", \"ours\": %.6g",
                   name.c_str(), shape, own);
      if (peer.error > 0)
        std::fprintf(json, ", \"peer\": %.6g, \"ratio\": %.4g", peer.error, own / peer.error);
      std::fprintf(json, "}\n");
    }
  }
  if (json) std::fclose(json);
}
