// The library's side of the comparison with PyTorch. torch_rows.py starts it and writes one command a line; each is
// answered by one line, "error ..." where that is impossible.
//
//   open ROW     makes the inputs of a row as in rows.txt, `open rms_norm_forward 2048 2048`, and answers "ok"
//   save FILE    computes the row once and writes its results one after another, as they lie in memory
//   time         seconds of one call, over about 75 ms of calls
//   fma, copy    the machine's ceilings: GFLOP/s of multiply-adds, GB/s of copies (read and written)
//
// Both sides draw the same inputs: number i of tensor NAME is Random(0, NAME).uniform(i), see Row.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <vlm/core/buffer.hpp>
#include <vlm/core/random.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/ops.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#endif

#include "../ceilings.hpp"

using namespace vlm;

namespace {

using Rows = View<float, 2, Cpu>;
using Values = View<float, 1, Cpu>;
using Integers = View<std::int32_t, 2, Cpu>;

Values flat(Rows rows) { return {rows.data, Shape<1>{{rows.count()}}}; }
View<std::int32_t, 1, Cpu> flat(Integers rows) { return {rows.data, Shape<1>{{rows.count()}}}; }

// One row of the comparison: its memory, which parts of that are compared, and its call.
class Row {
 public:
  Row(Runtime<Cpu>& runtime, std::vector<Index> sizes) : runtime_(runtime), sizes_(std::move(sizes)) {}

  Index size(std::size_t i) const { return sizes_[i]; }

  // Numbers in [middle - spread, middle + spread).
  Rows input(const char* name, Index rows, Index columns, float spread = 1, float middle = 0) {
    const Rows view = memory<float>(rows, columns);
    const Random random(0, name);
    for (Index i = 0; i < view.count(); ++i)
      view.data[i] = (2 * random.uniform(static_cast<std::uint64_t>(i)) - 1) * spread + middle;
    return view;
  }
  // Integers in [0, bound).
  Integers indices(const char* name, Index rows, Index columns, Index bound) {
    const Integers view = memory<std::int32_t>(rows, columns);
    const Random random(0, name);
    for (Index i = 0; i < view.count(); ++i) {
      const std::uint64_t high = random.bits(static_cast<std::uint64_t>(i)) >> 40;
      view.data[i] = static_cast<std::int32_t>((high * static_cast<std::uint64_t>(bound)) >> 24);
    }
    return view;
  }
  // The numbers of `input`, rounded; a product reads them while they are stored so.
  Matrix<Cpu> bf16_matrix(const char* name, Index outputs, Index inputs, float spread) {
    const View<bf16, 2, Cpu> view = memory<bf16>(outputs, inputs);
    const Random random(0, name);
    for (Index i = 0; i < view.count(); ++i)
      view.data[i] = bf16((2 * random.uniform(static_cast<std::uint64_t>(i)) - 1) * spread);
    return {view.data, DType::BF16, outputs, inputs};
  }

  // Zeros.
  template <class T = float>
  View<T, 2, Cpu> memory(Index rows, Index columns) {
    buffers_.emplace_back(static_cast<std::size_t>(rows * columns) * sizeof(T));
    return {reinterpret_cast<T*>(buffers_.back().data()), Shape<2>{{rows, columns}}};
  }
  // Marks what is compared; the order is that of torch_rows.py.
  template <class T>
  View<T, 2, Cpu> result(View<T, 2, Cpu> view) {
    results_.push_back({view.data, static_cast<std::size_t>(view.count()) * sizeof(T)});
    return view;
  }
  Rows result(Index rows, Index columns) { return result(memory(rows, columns)); }

  // Computes what the row's call needs.
  template <class Operation>
  void before(const Operation& operation) {
    runtime_.plan([&] { runtime_.run(operation); });
    runtime_.run(operation);
  }
  template <class Operation>
  void call(const Operation& operation) {
    runtime_.plan([&] { runtime_.run(operation); });
    call_ = [this, operation] { runtime_.run(operation); };
  }

  void run() const { call_(); }
  bool save(const std::string& path) const {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file) return false;
    bool written = true;
    for (const Bytes& bytes : results_)
      written = std::fwrite(bytes.data, 1, bytes.size, file) == bytes.size && written;
    return std::fclose(file) == 0 && written;
  }

 private:
  struct Bytes {
    const void* data;
    std::size_t size;
  };

  Runtime<Cpu>& runtime_;
  std::vector<Index> sizes_;
  std::vector<Buffer<Cpu>> buffers_;
  std::vector<Bytes> results_;
  std::function<void()> call_;
};

// The inputs of a product: x, the weight, dy.
struct Product {
  explicit Product(Row& row) : rows(row.size(0)), inputs(row.size(1)), outputs(row.size(2)) {}
  float spread() const { return 1 / std::sqrt(static_cast<float>(inputs)); }
  Index rows, inputs, outputs;
};

void linear_forward(Row& row) {
  const Product p(row);
  const Rows weight = row.input("weight", p.outputs, p.inputs, p.spread());
  row.call(LinearForward<Cpu, float>{.x = row.input("x", p.rows, p.inputs),
                                     .weight = View<const float, 2, Cpu>(weight),
                                     .y = row.result(p.rows, p.outputs)});
}
void linear_forward_bf16(Row& row) {
  const Product p(row);
  const Rows x = row.input("x", p.rows, p.inputs);
  // PyTorch's product has both sides in bf16.
  for (Index i = 0; i < x.count(); ++i) x.data[i] = static_cast<float>(bf16(x.data[i]));
  row.call(LinearForward<Cpu, float>{.x = x,
                                     .weight = row.bf16_matrix("weight", p.outputs, p.inputs, p.spread()),
                                     .y = row.result(p.rows, p.outputs)});
}
void linear_backward_input(Row& row) {
  const Product p(row);
  const Rows weight = row.input("weight", p.outputs, p.inputs, p.spread());
  row.call(LinearBackwardInput<Cpu, float>{.dy = row.input("dy", p.rows, p.outputs),
                                           .weight = View<const float, 2, Cpu>(weight),
                                           .dx = row.result(p.rows, p.inputs)});
}
void linear_backward_weight(Row& row) {
  const Product p(row);
  row.call(LinearBackwardWeight<Cpu, float>{.dy = row.input("dy", p.rows, p.outputs),
                                            .x = row.input("x", p.rows, p.inputs),
                                            .dweight = row.result(p.outputs, p.inputs)});
}

AttentionForward<Cpu, float> attention(Row& row, bool causal) {
  const Index rows = row.size(0), heads = row.size(1), kv_heads = row.size(2), head_dim = row.size(3);
  const Integers offsets = row.memory<std::int32_t>(2, 1);
  offsets(1, 0) = static_cast<std::int32_t>(rows);
  return {.q = row.input("q", rows, heads * head_dim, 2),
          .k = row.input("k", rows, kv_heads * head_dim, 2),
          .v = row.input("v", rows, kv_heads * head_dim),
          .y = row.memory(rows, heads * head_dim),
          .logsumexp = row.memory(rows, heads),
          .layout = {.query_offsets = flat(offsets),
                     .heads = heads,
                     .kv_heads = kv_heads,
                     .head_dim = head_dim,
                     .scale = 1 / std::sqrt(static_cast<float>(head_dim)),
                     .causal = causal}};
}
void attention_forward(Row& row, bool causal) {
  const AttentionForward<Cpu, float> forward = attention(row, causal);
  row.result(forward.y);
  row.call(forward);
}
void attention_backward(Row& row, bool causal) {
  const AttentionForward<Cpu, float> forward = attention(row, causal);
  row.before(forward);
  const Index rows = row.size(0), width = forward.q.extent[1], kv_width = forward.k.extent[1];
  row.call(AttentionBackward<Cpu, float>{.dy = row.input("dy", rows, width),
                                         .y = forward.y,
                                         .q = forward.q,
                                         .k = forward.k,
                                         .v = forward.v,
                                         .logsumexp = forward.logsumexp,
                                         .dq = row.result(rows, width),
                                         .dk = row.result(rows, kv_width),
                                         .dv = row.result(rows, kv_width),
                                         .layout = forward.layout});
}

void rms_norm_forward(Row& row) {
  const Index rows = row.size(0), features = row.size(1);
  row.call(RmsNormForward<Cpu, float>{.x = row.input("x", rows, features),
                                      .weight = flat(row.input("weight", features, 1, 0.2f, 1)),
                                      .y = row.result(rows, features),
                                      .rstd = row.memory(rows, 1)});
}
void rms_norm_backward(Row& row) {
  const Index rows = row.size(0), features = row.size(1);
  const RmsNormForward<Cpu, float> forward{.x = row.input("x", rows, features),
                                           .weight = flat(row.input("weight", features, 1, 0.2f, 1)),
                                           .y = row.memory(rows, features),
                                           .rstd = row.memory(rows, 1)};
  row.before(forward);
  row.call(RmsNormBackward<Cpu, float>{.dy = row.input("dy", rows, features),
                                       .x = forward.x,
                                       .weight = forward.weight,
                                       .rstd = forward.rstd,
                                       .dx = row.result(rows, features),
                                       .dweight = flat(row.result(features, 1))});
}

LayerNormForward<Cpu, float> layer_norm(Row& row) {
  const Index rows = row.size(0), features = row.size(1);
  return {.x = row.input("x", rows, features),
          .weight = flat(row.input("weight", features, 1, 0.2f, 1)),
          .bias = flat(row.input("bias", features, 1)),
          .y = row.memory(rows, features),
          .statistics = row.memory(rows, 2)};
}
void layer_norm_forward(Row& row) {
  const LayerNormForward<Cpu, float> forward = layer_norm(row);
  row.result(forward.y);
  row.call(forward);
}
void layer_norm_backward(Row& row) {
  const Index rows = row.size(0), features = row.size(1);
  const LayerNormForward<Cpu, float> forward = layer_norm(row);
  row.before(forward);
  row.call(LayerNormBackward<Cpu, float>{.dy = row.input("dy", rows, features),
                                         .x = forward.x,
                                         .weight = forward.weight,
                                         .statistics = forward.statistics,
                                         .dx = row.result(rows, features),
                                         .dweight = flat(row.result(features, 1)),
                                         .dbias = flat(row.result(features, 1))});
}

void gelu_forward(Row& row) {
  row.call(GeluForward<Cpu, float>{.x = row.input("x", row.size(0), row.size(1), 3),
                                   .y = row.result(row.size(0), row.size(1))});
}
void gelu_backward(Row& row) {
  row.call(GeluBackward<Cpu, float>{.dy = row.input("dy", row.size(0), row.size(1)),
                                    .x = row.input("x", row.size(0), row.size(1), 3),
                                    .dx = row.result(row.size(0), row.size(1))});
}
void swiglu_forward(Row& row) {
  row.call(SwiGluForward<Cpu, float>{.gate = row.input("gate", row.size(0), row.size(1), 3),
                                     .up = row.input("up", row.size(0), row.size(1)),
                                     .y = row.result(row.size(0), row.size(1))});
}
void swiglu_backward(Row& row) {
  row.call(SwiGluBackward<Cpu, float>{.dy = row.input("dy", row.size(0), row.size(1)),
                                      .gate = row.input("gate", row.size(0), row.size(1), 3),
                                      .up = row.input("up", row.size(0), row.size(1)),
                                      .dgate = row.result(row.size(0), row.size(1)),
                                      .dup = row.result(row.size(0), row.size(1))});
}

void rotary(Row& row) {
  const Index rows = row.size(0), heads = row.size(1), head_dim = row.size(2);
  const Rows angles = row.input("angles", rows, head_dim / 2, 3);
  const Rows cosine = row.memory(rows, head_dim / 2), sine = row.memory(rows, head_dim / 2);
  for (Index i = 0; i < angles.count(); ++i) {
    cosine.data[i] = std::cos(angles.data[i]);
    sine.data[i] = std::sin(angles.data[i]);
  }
  row.call(RopeRotate<Cpu, float>{
      .x = row.result(row.input("x", rows, heads * head_dim)), .cosine = cosine, .sine = sine});
}

void embedding_forward(Row& row) {
  const Index rows = row.size(0), vocabulary = row.size(1), features = row.size(2);
  const Rows table = row.input("table", vocabulary, features);
  row.call(EmbeddingForward<Cpu, float>{.ids = flat(row.indices("ids", rows, 1, vocabulary)),
                                        .table = View<const float, 2, Cpu>(table),
                                        .y = row.result(rows, features)});
}
void embedding_backward(Row& row) {
  const Index rows = row.size(0), vocabulary = row.size(1), features = row.size(2);
  row.call(EmbeddingBackward<Cpu, float>{.ids = flat(row.indices("ids", rows, 1, vocabulary)),
                                         .dy = row.input("dy", rows, features),
                                         .dtable = row.result(vocabulary, features)});
}

void cross_entropy(Row& row) {
  const Index rows = row.size(0), vocabulary = row.size(1);
  const float mean = 1 / static_cast<float>(rows);
  row.call(CrossEntropy<Cpu, float>{.logits = row.result(row.input("logits", rows, vocabulary, 3)),
                                    .targets = flat(row.indices("targets", rows, 1, vocabulary)),
                                    .weights = flat(row.input("weights", rows, 1, 0, mean)),
                                    .log_probabilities = flat(row.memory(rows, 1)),
                                    .loss = {row.memory<double>(1, 1).data, Shape<1>{{1}}},
                                    .gradient = true});
}

void adamw(Row& row) {
  const Index count = row.size(0);
  row.call(AdamW<Cpu, float>{.parameter = flat(row.result(row.input("parameter", count, 1))),
                             .first_moment = flat(row.result(count, 1)),
                             .second_moment = flat(row.result(count, 1)),
                             .gradient = flat(row.input("gradient", count, 1)),
                             .learning_rate = 1e-3f,
                             .decay = 0.01f});
}

void interpolate(Row& row) {
  const Index rows = row.size(0), positions = row.size(1), features = row.size(2);
  row.call(InterpolateForward<Cpu, float>{.table = row.input("table", positions, features),
                                          .corners = row.indices("corners", rows, 4, positions),
                                          .weights = row.input("weights", rows, 4, 0.5f, 0.5f),
                                          .y = row.result(rows, features)});
}

void route(Row& row) {
  const Index rows = row.size(0), experts = row.size(1), k = row.size(2);
  row.call(RouteForward<Cpu, float>{.logits = row.input("logits", rows, experts, 3),
                                    .probabilities = row.result(rows, experts),
                                    .experts = row.result(row.memory<std::int32_t>(rows, k)),
                                    .weights = row.result(rows, k),
                                    .offsets = flat(row.result(row.memory<std::int32_t>(experts + 1, 1))),
                                    .source_rows = flat(row.result(row.memory<std::int32_t>(rows * k, 1))),
                                    .slots = row.result(row.memory<std::int32_t>(rows, k))});
}

struct Maker {
  std::size_t sizes;
  std::function<void(Row&)> make;
};
const std::map<std::string, Maker> makers = {
    {"linear_forward", {3, linear_forward}},
    {"linear_forward_bf16", {3, linear_forward_bf16}},
    {"linear_backward_input", {3, linear_backward_input}},
    {"linear_backward_weight", {3, linear_backward_weight}},
    {"causal_attention_forward", {4, [](Row& row) { attention_forward(row, true); }}},
    {"causal_attention_backward", {4, [](Row& row) { attention_backward(row, true); }}},
    {"full_attention_forward", {4, [](Row& row) { attention_forward(row, false); }}},
    {"full_attention_backward", {4, [](Row& row) { attention_backward(row, false); }}},
    {"rms_norm_forward", {2, rms_norm_forward}},
    {"rms_norm_backward", {2, rms_norm_backward}},
    {"layer_norm_forward", {2, layer_norm_forward}},
    {"layer_norm_backward", {2, layer_norm_backward}},
    {"gelu_forward", {2, gelu_forward}},
    {"gelu_backward", {2, gelu_backward}},
    {"swiglu_forward", {2, swiglu_forward}},
    {"swiglu_backward", {2, swiglu_backward}},
    {"rotary", {3, rotary}},
    {"embedding_forward", {3, embedding_forward}},
    {"embedding_backward", {3, embedding_backward}},
    {"cross_entropy", {2, cross_entropy}},
    {"adamw", {1, adamw}},
    {"interpolate", {3, interpolate}},
    {"route", {3, route}},
};

// How often a function is called in about 75 ms, and how long one call takes.
class Timed {
 public:
  Timed() = default;
  explicit Timed(std::function<void()> call) : call_(std::move(call)) {}

  double seconds() {
    call_();
    if (calls_ == 0) calls_ = std::clamp(static_cast<int>(0.075 / std::max(seconds_of(1), 1e-9)), 1, 100000);
    return seconds_of(calls_) / calls_;
  }

 private:
  double seconds_of(int calls) const {
    const double start = bench::seconds_now();
    for (int i = 0; i < calls; ++i) call_();
    return bench::seconds_now() - start;
  }

  std::function<void()> call_;
  int calls_ = 0;
};

class Server {
 public:
  explicit Server(int threads) : runtime_(threads), ceilings_(threads) {}

  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "open") return open(words);
    if (command == "fma") return rate(fma_, fma_timed_);
    if (command == "copy") return rate(copy_, copy_timed_);
    if (!row_) return "error no row is open: " + line;
    if (command == "time") return number(row_timed_.seconds());
    if (command == "save") {
      std::string path;
      std::getline(words >> std::ws, path);
      row_->run();
      return row_->save(path) ? "ok" : "error cannot write " + path;
    }
    return "error unknown command: " + line;
  }

 private:
  std::string open(std::istringstream& words) {
    row_.reset();
    std::string name;
    words >> name;
    std::vector<Index> sizes;
    for (Index size; words >> size;) sizes.push_back(size);
    const auto maker = makers.find(name);
    if (maker == makers.end()) return "error unknown row: " + name;
    if (!words.eof() || sizes.size() != maker->second.sizes ||
        *std::min_element(sizes.begin(), sizes.end()) < 1)
      return "error " + name + " has " + std::to_string(maker->second.sizes) + " sizes";
    row_ = std::make_unique<Row>(runtime_, std::move(sizes));
    maker->second.make(*row_);
    row_timed_ = Timed([this] { row_->run(); });
    return "ok";
  }
  static std::string rate(const bench::Contender& ceiling, Timed& timed) {
    return number(ceiling.work / timed.seconds());
  }
  static std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", value);
    return text;
  }

  Runtime<Cpu> runtime_;
  bench::Ceilings ceilings_;
  bench::Contender fma_ = ceilings_.multiply_adds(), copy_ = ceilings_.copy();
  Timed fma_timed_{fma_.run}, copy_timed_{copy_.run}, row_timed_;
  std::unique_ptr<Row> row_;
};

}  // namespace

int main(int count, char** arguments) {
  const int threads = count == 3 && std::string(arguments[1]) == "--threads" ? std::atoi(arguments[2]) : 2;
  if ((count != 1 && count != 3) || threads < 1) {
    std::fprintf(stderr, "%s [--threads N], commands on standard input; see its source\n", arguments[0]);
    return count == 2 && std::string(arguments[1]) == "--help" ? 0 : 2;
  }
  try {
    Server server(threads);
    for (std::string line; std::getline(std::cin, line);) std::cout << server.answer(line) << std::endl;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
