// Operations that treat elements or rows alone, at the sizes of the 2B model: beside the copy bandwidth (GB/s of
// useful bytes: each input read once, each output written once) or, where that is the lower limit, beside the
// rate of vector exponentials (1e9 exp/s).
#include <cmath>
#include <vector>

#include <vlm/vlm.hpp>

#include "ceilings.hpp"

using namespace vlm;

namespace {

constexpr Index rows = 2048, width = 2048, mlp = 6144, heads = 16, head_dim = 128;
constexpr Index vocabulary = 151936, loss_rows = 128;
constexpr Index tower_rows = 2048, tower_width = 1152, tower_mlp = 4304;
constexpr Index parameters = 64 << 20;

// Touched memory of its own, aligned as the library's.
class Tensor {
 public:
  explicit Tensor(Index height, Index length = 1, float middle = 0)
      : shape_{{height, length}}, buffer_(static_cast<std::size_t>(count()) * sizeof(float)) {
    for (Index i = 0; i < count(); ++i)
      data()[i] = middle + static_cast<float>(static_cast<int>(i * 2654435761 >> 24 & 255) - 128) / 64;
  }
  float* data() const { return reinterpret_cast<float*>(buffer_.data()); }
  Index count() const { return shape_.count(); }
  operator View<float, 2, Cpu>() const { return {data(), shape_}; }
  operator View<const float, 2, Cpu>() const { return View<float, 2, Cpu>(*this); }
  operator View<float, 1, Cpu>() const { return {data(), Shape<1>{{count()}}}; }
  operator View<const float, 1, Cpu>() const { return View<float, 1, Cpu>(*this); }

 private:
  Shape<2> shape_;
  Buffer<Cpu> buffer_;
};

class Pointwise {
 public:
  Pointwise(int count, char** arguments)
      : report_("pointwise operations", count, arguments),
        runtime_(report_.threads()),
        ceilings_(report_.threads()) {}

  // `traffic` elements are read or written by one call, and `exponentials` computed.
  template <class Operation>
  void row(const char* name, const char* shape, const Operation& op, Index traffic, Index exponentials = 0) {
    runtime_.plan([&] { runtime_.run(op); });
    const double bytes = 4e-9 * static_cast<double>(traffic), exps = 1e-9 * static_cast<double>(exponentials);
    // Of the two limits the one that takes longer.
    const bool by_exp = exponentials > 0 && exps * seconds_per_exp() > bytes * seconds_per_byte();
    report_.compare({name, shape, by_exp ? "1e9 exp/s" : "GB/s", by_exp ? exps : bytes, 0.8},
                    {"ours", [&] { runtime_.run(op); }},
                    {by_exp ? ceilings_.exponentials() : ceilings_.copy()});
  }
  bool wants(const char* name) const { return report_.wants({name, "", "", 0, 0}); }

 private:
  // Of 10^9 bytes copied and of 10^9 exponentials, to choose a row's ceiling; the judging rates are measured anew.
  double seconds_per_byte() {
    if (copy_ == 0) copy_ = seconds_per_work(ceilings_.copy());
    return copy_;
  }
  double seconds_per_exp() {
    if (exp_ == 0) exp_ = seconds_per_work(ceilings_.exponentials());
    return exp_;
  }
  static double seconds_per_work(const bench::Contender& one) {
    std::vector<double> seconds;
    for (int round = 0; round < 9; ++round) {
      const double start = bench::seconds_now();
      one.run();
      seconds.push_back((bench::seconds_now() - start) / one.work);
    }
    return bench::spread_of(seconds).median;
  }

  bench::Report report_;
  Runtime<Cpu> runtime_;
  bench::Ceilings ceilings_;
  double copy_ = 0, exp_ = 0;
};

void norms(Pointwise& p) {
  {
    const Index n = rows * width;
    Tensor x(rows, width), y(rows, width), dy(rows, width), weight(1, width, 1), rstd(rows, 1, 1),
        dweight(1, width);
    p.row("rms_norm forward", "2048x2048",
          RmsNormForward<Cpu, float>{.x = x, .weight = weight, .y = y, .rstd = rstd}, 2 * n);
    p.row("rms_norm backward", "2048x2048",
          RmsNormBackward<Cpu, float>{
              .dy = dy, .x = x, .weight = weight, .rstd = rstd, .dx = y, .dweight = dweight},
          3 * n);
  }
  {
    const Index n = rows * width;
    Tensor x(rows, width), y(rows, width), dy(rows, width), weight(1, head_dim, 1), rstd(rows, heads, 1);
    Tensor dweight(1, head_dim);
    p.row("rms_norm of heads forward", "2048x16x128",
          RmsNormForward<Cpu, float>{.x = x, .weight = weight, .y = y, .rstd = rstd}, 2 * n);
    p.row("rms_norm of heads backward", "2048x16x128",
          RmsNormBackward<Cpu, float>{
              .dy = dy, .x = x, .weight = weight, .rstd = rstd, .dx = y, .dweight = dweight},
          3 * n);
  }
  {
    const Index n = tower_rows * tower_width;
    Tensor x(tower_rows, tower_width), y(tower_rows, tower_width), dy(tower_rows, tower_width);
    Tensor weight(1, tower_width, 1), bias(1, tower_width), statistics(tower_rows, 2, 1);
    Tensor dweight(1, tower_width), dbias(1, tower_width);
    p.row("layer_norm forward", "2048x1152",
          LayerNormForward<Cpu, float>{
              .x = x, .weight = weight, .bias = bias, .y = y, .statistics = statistics},
          2 * n);
    p.row("layer_norm backward", "2048x1152",
          LayerNormBackward<Cpu, float>{.dy = dy,
                                        .x = x,
                                        .weight = weight,
                                        .statistics = statistics,
                                        .dx = y,
                                        .dweight = dweight,
                                        .dbias = dbias},
          3 * n);
  }
}

void activations(Pointwise& p) {
  {
    const Index n = rows * mlp;
    Tensor gate(rows, mlp), up(rows, mlp), y(rows, mlp), dgate(rows, mlp), dup(rows, mlp);
    p.row("swiglu forward", "2048x6144", SwiGluForward<Cpu, float>{.gate = gate, .up = up, .y = y}, 3 * n, n);
    p.row("swiglu backward", "2048x6144",
          SwiGluBackward<Cpu, float>{.dy = y, .gate = gate, .up = up, .dgate = dgate, .dup = dup}, 5 * n, n);
  }
  const Index n = tower_rows * tower_mlp;
  Tensor x(tower_rows, tower_mlp), y(tower_rows, tower_mlp), dx(tower_rows, tower_mlp);
  for (const Gelu kind : {Gelu::Tanh, Gelu::Erf}) {
    const bool tanh_form = kind == Gelu::Tanh;
    p.row(tanh_form ? "gelu (tanh) forward" : "gelu (erf) forward", "2048x4304",
          GeluForward<Cpu, float>{.x = x, .y = y, .kind = kind}, 2 * n, n);
    p.row(tanh_form ? "gelu (tanh) backward" : "gelu (erf) backward", "2048x4304",
          GeluBackward<Cpu, float>{.dy = y, .x = x, .dx = dx, .kind = kind}, 3 * n, n);
  }
}

void rotary(Pointwise& p) {
  Tensor x(rows, heads * head_dim), cosine(rows, head_dim / 2), sine(rows, head_dim / 2);
  const Index angles = rows * head_dim / 2;
  for (Index i = 0; i < angles; ++i) {
    const double angle = 0.01 * static_cast<double>(i);
    cosine.data()[i] = static_cast<float>(std::cos(angle));
    sine.data()[i] = static_cast<float>(std::sin(angle));
  }
  for (const bool inverse : {false, true})
    p.row(inverse ? "rotary backward" : "rotary forward", "2048x16x128",
          RopeRotate<Cpu, float>{.x = x, .cosine = cosine, .sine = sine, .inverse = inverse},
          2 * x.count() + 2 * angles);
}

void losses(Pointwise& p) {
  const Index n = loss_rows * vocabulary;
  Tensor logits(loss_rows, vocabulary), weights(1, loss_rows, 3), log_probabilities(1, loss_rows);
  std::vector<std::int32_t> targets(loss_rows, 7);
  double loss = 0;
  const CrossEntropy<Cpu, float> forward{
      .logits = logits,
      .targets = View<std::int32_t, 1, Cpu>(targets.data(), Shape<1>{{loss_rows}}),
      .weights = weights,
      .log_probabilities = log_probabilities,
      .loss = {&loss, Shape<1>{{1}}}};
  p.row("cross_entropy forward", "128x151936", forward, n, n);
  CrossEntropy<Cpu, float> both = forward;
  both.gradient = true;  // in place: call by call the logits are the gradients before
  p.row("cross_entropy forward and backward", "128x151936", both, 2 * n, n);
}

void updates(Pointwise& p) {
  {
    Tensor a(rows, width), b(rows, width), into(rows, width);
    p.row("add", "2048x2048", Add<Cpu, float>{.into = into, .a = a, .b = b}, 3 * a.count());
  }
  if (!p.wants("adamw")) return;
  Tensor parameter(parameters), first(parameters), second(parameters, 1, 3), gradient(parameters);
  p.row("adamw", "67108864",
        AdamW<Cpu, float>{.parameter = parameter,
                          .first_moment = first,
                          .second_moment = second,
                          .gradient = gradient,
                          .learning_rate = 1e-6f,
                          .decay = 0.01f},
        7 * parameters);
}

}  // namespace

int main(int count, char** arguments) {
  Pointwise p(count, arguments);
  norms(p);
  activations(p);
  rotary(p);
  losses(p);
  updates(p);
}
