// How far products stray with weights in blocks, beside ggml's formats of the same names where it is installed: the error
// || y - x w' || / || x w' || with rows and weights in their formats, sums in fp64. Of drawn weights, or the mean over the
// matrices of the decoder's layers of a checkpoint.
//
//   block_errors [--folder FOLDER] [--json FILE]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(VLM_BENCH_GGML)
#include <ggml.h>
#endif

#include <vlm/vlm.hpp>

using namespace vlm;

namespace {

constexpr Index rows = 16;

struct Weight {
  Index outputs, inputs;
  std::vector<float> values;
};

// Normal numbers; with `heavy` one in a hundred is eight times as large.
std::vector<float> drawn(Index count, float size, bool heavy, std::uint64_t seed) {
  const Random random(seed, "block_errors");
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] =
        size * static_cast<float>(random.normal(i)) * (heavy && i * 2654435761u % 100 == 0 ? 8.0f : 1.0f);
  return values;
}

// Whether a tensor is a matrix of a decoder's layer whose values fill blocks of 256.
bool is_taken(const StoredTensor& tensor) {
  return tensor_name(tensor.name).find("language_model.layers.") != std::string::npos &&
         tensor.shape.size() == 2 && tensor.shape[1] % 32 == 0 &&
         tensor.shape[0] * tensor.shape[1] % 256 == 0 &&
         (tensor.dtype == DType::F32 || tensor.dtype == DType::BF16);
}
Weight numbers_of(const StoredTensor& tensor) {
  Weight weight{tensor.shape[0], tensor.shape[1], {}};
  weight.values.resize(static_cast<std::size_t>(weight.outputs * weight.inputs));
  for (std::size_t i = 0; i < weight.values.size(); ++i) {
    bf16 half;
    if (tensor.dtype == DType::F32) {
      std::memcpy(&weight.values[i], tensor.bytes.data() + 4 * i, sizeof(float));
    } else {
      std::memcpy(&half, tensor.bytes.data() + 2 * i, sizeof half);
      weight.values[i] = static_cast<float>(half);
    }
  }
  return weight;
}

std::vector<double> product(const std::vector<float>& x, const Weight& weight) {
  std::vector<double> y;
  for (Index row = 0; row < rows; ++row)
    for (Index o = 0; o < weight.outputs; ++o) {
      const float *a = x.data() + row * weight.inputs, *b = weight.values.data() + o * weight.inputs;
      double sum = 0;
      for (Index i = 0; i < weight.inputs; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
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

std::vector<float> ours(const std::vector<float>& x, const Weight& weight, DType format) {
  const Index outputs = weight.outputs, inputs = weight.inputs;
  Runtime<Cpu> runtime(1);
  Buffer<Cpu> panels(matrix_bytes(format, outputs, inputs));
  if (!make_blocks<float>(runtime.queue(), {weight.values.data(), Shape<2>{{outputs, inputs}}}, format,
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

#if defined(VLM_BENCH_GGML)
// Numbers as ggml's format holds them; blocks of a narrow weight go on in its next row.
std::vector<float> in_format(const std::vector<float>& values, ggml_type type) {
  const ggml_type_traits* traits = ggml_get_type_traits(type);
  const auto count = static_cast<Index>(values.size());
  std::vector<std::byte> bytes(ggml_row_size(type, count));
  std::vector<float> result(values.size());
  traits->from_float_ref(values.data(), bytes.data(), count);
  traits->to_float(bytes.data(), result.data(), count);
  return result;
}
// Q8_0 with rows in Q8_0; Q4_K with rows in bytes of blocks of 256, for which Q8_0 stands, whose steps are finer.
ggml_type peer_of(DType format) { return format == DType::I8Blocks ? GGML_TYPE_Q8_0 : GGML_TYPE_Q4_K; }
const char* peer_name(DType format) { return ggml_type_name(peer_of(format)); }
double peer_error(DType format, const std::vector<float>& x, const Weight& weight,
                  const std::vector<double>& exact) {
  const Weight rounded{weight.outputs, weight.inputs, in_format(weight.values, peer_of(format))};
  return error(product(in_format(x, GGML_TYPE_Q8_0), rounded), exact);
}
#else
const char* peer_name(DType) { return ""; }
double peer_error(DType, const std::vector<float>&, const Weight&, const std::vector<double>&) { return 0; }
#endif

// The mean errors of weights, each with rows of its own.
class Errors {
 public:
  void add(const Weight& weight, bool heavy_rows) {
    const std::vector<float> x = drawn(rows * weight.inputs, 1, heavy_rows, 1);
    const std::vector<double> exact = product(x, weight);
    for (Sums& sums : sums_) {
      sums.bits += 8 * static_cast<double>(matrix_bytes(sums.format, weight.outputs, weight.inputs));
      sums.own += error(ours(x, weight, sums.format), exact);
      sums.peer += peer_error(sums.format, x, weight, exact);
    }
    numbers_ += static_cast<double>(weight.values.size());
    ++weights_;
  }
  int weights() const { return weights_; }
  void report(const std::string& shape, std::FILE* json) const {
    for (const Sums& sums : sums_) {
      const char* name = sums.format == DType::I8Blocks ? "int8" : "int4";
      const double own = sums.own / weights_, peer = sums.peer / weights_;
      std::printf("error, %-6s %-12s %.3f bits  %.5f", name, shape.c_str(), sums.bits / numbers_, own);
      if (peer > 0) std::printf("  %s %.5f  ratio %.3f", peer_name(sums.format), peer, own / peer);
      std::printf("\n");
      if (!json) continue;
      std::fprintf(json,
                   "{\"name\": \"error, %s\", \"shape\": \"%s\", \"unit\": \"relative\", \"ours\": %.6g",
                   name, shape.c_str(), own);
      if (peer > 0) std::fprintf(json, ", \"peer\": %.6g, \"ratio\": %.4g", peer, own / peer);
      std::fprintf(json, "}\n");
    }
  }

 private:
  struct Sums {
    DType format;
    double bits = 0, own = 0, peer = 0;
  };
  Sums sums_[2] = {{DType::I8Blocks}, {DType::I4Blocks}};
  double numbers_ = 0;
  int weights_ = 0;
};

void report_folder(const std::string& folder, std::FILE* json) {
  const SafetensorsFolder files(folder);
  Errors errors;
  for (const StoredTensor* tensor : files.tensors())
    if (is_taken(*tensor)) errors.add(numbers_of(*tensor), false);
  if (errors.weights() == 0)
    throw std::runtime_error(
        folder + " has no matrices of decoder layers in F32 or BF16 whose numbers fill blocks of 256");
  errors.report(std::to_string(errors.weights()) + " matrices", json);
}

// Normal numbers; normal ones with heavy tails; and rows with one block of 20 times the others' size.
void report_drawn(std::FILE* json) {
  constexpr Index outputs = 1024, inputs = 2048;
  for (const bool heavy : {false, true}) {
    Errors errors;
    errors.add({outputs, inputs, drawn(outputs * inputs, 0.02f, heavy, 2)}, heavy);
    errors.report(heavy ? "heavy tails" : "normal", json);
  }
  Weight weight{outputs, inputs, drawn(outputs * inputs, 0.02f, false, 2)};
  for (Index output = 0; output < outputs; ++output)
    for (Index i = 0; i < 32; ++i)
      weight.values[static_cast<std::size_t>(output * inputs + output % 64 * 32 + i)] *= 20;
  Errors errors;
  errors.add(weight, false);
  errors.report("large blocks", json);
}

}  // namespace

int main(int count, char** arguments) {
  std::FILE* json = nullptr;
  std::string folder;
  for (int i = 1; i < count; ++i) {
    const std::string option = arguments[i];
    if (option == "--folder" && i + 1 < count) {
      folder = arguments[++i];
    } else if (option == "--json" && i + 1 < count && (json = std::fopen(arguments[i + 1], "w"))) {
      ++i;
    } else {
      std::printf("%s [--folder FOLDER] [--json FILE]\n", arguments[0]);
      return option == "--help" ? 0 : 2;
    }
  }
  try {
    folder.empty() ? report_drawn(json) : report_folder(folder, json);
  } catch (const std::exception& refused) {
    std::fprintf(stderr, "%s\n", refused.what());
    return 2;
  }
  if (json) std::fclose(json);
}
