// The library's side of the comparison of whole models with transformers. models.py starts it and writes one command a
// line, words separated by blanks; each is answered by one line, "error ..." where that is impossible.
//
//   make CONFIG FOLDER F32|BF16   writes a checkpoint of random weights for a config.json: "ok"
//   train FOLDER INPUTS [recompute]   loads a model whose parts all train, and its batch: seconds; with recomputation
//                                 blocks keep their inputs only
//   step                          forward, backward and AdamW: "seconds loss"
//   profile                       a step in parts: seconds and the owners of memory, to be read
//   load FOLDER                   loads a model that answers: seconds
//   prefill INPUTS                a prompt, and the best token after it: "seconds token"
//   image INPUTS                  the pictures through encoder and mergers: "seconds size", root mean square of rows
//   memory                        the most memory that this process held: MB
//   fma                           the machine's ceiling: GFLOP/s of multiply-adds
//
// INPUTS is a safetensors file as vlm/model/reference.hpp describes it.
#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/vlm.hpp>

#include "../ceilings.hpp"
#include "server.hpp"

using namespace vlm;
using bench::numbers;
using bench::seconds_of;

namespace {

// When the tower and the decoder of a forward were ready.
class Stages : public Observer<Cpu> {
 public:
  void see(std::string_view stage, Index, View<const float, 2, Cpu>) override {
    if (stage == "visual.merger") tower = bench::seconds_now();
    if (stage == "text.norm") decoder = bench::seconds_now();
  }
  double tower = 0, decoder = 0;
};

class Training {
 public:
  virtual ~Training() = default;
  virtual std::string step() = 0;
  virtual std::string profile() = 0;
};

// `Keep`: Everything, or BlockInputs, whose blocks run again in the backward.
template <class Spec, class Keep>
class TrainingOf : public Training {
 public:
  TrainingOf(const std::string& folder, const std::string& inputs, int threads)
      : net_(Net::load(folder)),
        batch_(Reference(inputs, net_.config()).batch()),
        optimizer_(net_.parameters(), {.clip = 0}),
        runtime_(threads) {
    runtime_.plan([&] { pass(); });
    runtime_.plan([&] { update(); });
  }

  std::string step() override {
    const double seconds = seconds_of([&] {
      pass();
      update();
    });
    return numbers({seconds, loss_});
  }
  std::string profile() override {
    Stages stages;
    runtime_.set_observer(&stages);
    const double start = bench::seconds_now();
    pass();
    const double passed = bench::seconds_now();
    update();
    const double end = bench::seconds_now();
    runtime_.set_observer(nullptr);
    std::ostringstream line;
    line << "tower " << stages.tower - start << " decoder " << stages.decoder - stages.tower
         << " loss-and-backward " << passed - stages.decoder << " update " << end - passed << "; MB: weights "
         << (net_.weight_bytes() >> 20) << " gradients " << (net_.gradient_bytes() >> 20) << " moments "
         << (optimizer_.moment_bytes() >> 20) << " activations and scratch "
         << (runtime_.reserved_bytes() >> 20);
    return line.str();
  }

 private:
  using Net = Model<Spec, Cpu, F32, Trainable<part::All>, Keep>;

  void pass() {
    if (!runtime_.measuring()) net_.zero_gradients();
    loss_ = 0;
    run_training_pass(runtime_, net_, batch_, tables_, loss_);
  }
  void update() {
    if (!runtime_.measuring()) ++updates_;
    optimizer_.update(runtime_, std::max<Index>(updates_, 1), 1e-4, 0);
  }

  Net net_;
  Batch batch_;
  AdamWOptimizer optimizer_;
  Runtime<Cpu> runtime_;
  typename Net::RopeTables tables_;
  double loss_ = 0;
  Index updates_ = 0;
};

// A dense model that answers.
class Answering {
 public:
  using Net = Model<Qwen3VL, Cpu>;

  Answering(const std::string& folder, int threads)
      : net_(Net::load(folder)), runtime_(threads), generator_(net_, threads) {}

  std::string prefill(const std::string& inputs) {
    if (prompt_.tokens.empty()) prompt_.tokens = Reference(inputs, net_.config()).batch().tokens;
    std::int32_t token = 0;
    const double seconds =
        seconds_of([&] { token = generator_.answer({&prompt_, 1}, {.max_tokens = 1}).at(0).at(0); });
    return numbers({seconds, static_cast<double>(token)});
  }
  std::string image(const std::string& inputs) {
    if (pictures_.tokens.empty()) pictures_ = Reference(inputs, net_.config()).batch();
    double sum = 0, count = 0;
    const double seconds = seconds_of([&] {
      const VisualFeatures visual = visual_features(net_, runtime_, pictures_);
      for (const float value : visual.merged.values)
        sum += static_cast<double>(value) * static_cast<double>(value);
      count = static_cast<double>(visual.merged.values.size());
    });
    return numbers({seconds, std::sqrt(sum / count)});
  }

 private:
  Net net_;
  Runtime<Cpu> runtime_;
  Generator<Net> generator_;
  Sample prompt_;
  Batch pictures_;
};

template <class Spec>
void make(const ModelConfig& config, const std::string& folder, DType dtype) {
  Model<Spec, Cpu>::make(config, 1).save(folder, dtype);
}

class Server {
 public:
  explicit Server(int threads) : threads_(threads) {}

  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string command, first, second, third;
    words >> command >> first >> second >> third;
    if (command == "make" && (third == "F32" || third == "BF16")) {
      const ModelConfig config = ModelConfig::load(first);
      const DType dtype = third == "F32" ? DType::F32 : DType::BF16;
      config.text.experts > 0 ? make<Qwen3VLMoE>(config, second, dtype)
                              : make<Qwen3VL>(config, second, dtype);
      return "ok";
    }
    if (command == "train" && (third.empty() || third == "recompute"))
      return numbers({seconds_of(
          [&] { third.empty() ? train<Everything>(first, second) : train<BlockInputs>(first, second); })});
    if (command == "step" && training_) return training_->step();
    if (command == "profile" && training_) return training_->profile();
    if (command == "load")
      return numbers({seconds_of([&] { answering_ = std::make_unique<Answering>(first, threads_); })});
    if (command == "prefill" && answering_) return answering_->prefill(first);
    if (command == "image" && answering_) return answering_->image(first);
    if (command == "memory") return numbers({bench::most_memory()});
    if (command == "fma") return numbers({multiply_adds()});
    return "error cannot do: " + line;
  }

 private:
  template <class Keep>
  void train(const std::string& folder, const std::string& inputs) {
    if (ModelConfig::load(folder).text.experts > 0)
      training_ = std::make_unique<TrainingOf<Qwen3VLMoE, Keep>>(folder, inputs, threads_);
    else
      training_ = std::make_unique<TrainingOf<Qwen3VL, Keep>>(folder, inputs, threads_);
  }
  // The ceilings of this file own little memory: that of the process is compared.
  double multiply_adds() {
    bench::Ceilings ceilings(threads_, 1u << 20);
    return bench::highest_rate(ceilings.multiply_adds());
  }

  int threads_;
  std::unique_ptr<Training> training_;
  std::unique_ptr<Answering> answering_;
};

}  // namespace

int main(int count, char** arguments) { return bench::serve<Server>(count, arguments); }
