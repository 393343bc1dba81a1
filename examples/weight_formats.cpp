// weight_formats FOLDER TASK.jsonl: what each weight format costs in quality. The assistants' words in the task's
// conversations are predicted with the weights in f32, and again in each format:
//   logit error   max |a - b| / max |b| over all predictions
//   KL            of the next token's distribution, mean of sum p log(p / q), p in f32
//   perplexity    of the words
//   same token    share of predictions whose best token is that of f32
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

namespace {

using vlm::Index;

struct Options {
  std::string folder, task, json;
  Index limit = 0;
  int threads = 0;
};

struct Quality {
  double difference = 0, largest = 0, divergence = 0, loss = 0;
  Index same = 0, count = 0;

  double logit_error() const { return difference / largest; }
  double mean_divergence() const { return divergence / static_cast<double>(count); }
  double perplexity() const { return std::exp(loss / static_cast<double>(count)); }
  double same_share() const { return static_cast<double>(same) / static_cast<double>(count); }
};

// log of the sum of e^x.
double log_sum(const float* x, Index count) {
  const double most = *std::max_element(x, x + count);
  double sum = 0;
  for (Index i = 0; i < count; ++i) sum += std::exp(x[i] - most);
  return most + std::log(sum);
}

void add_row(Quality& quality, const float* exact, const float* x, Index count, Index target) {
  const double exact_sum = log_sum(exact, count), sum = log_sum(x, count);
  for (Index i = 0; i < count; ++i) {
    quality.difference = std::max(quality.difference, std::abs(static_cast<double>(x[i]) - exact[i]));
    quality.largest = std::max(quality.largest, std::abs(static_cast<double>(exact[i])));
    const double p = exact[i] - exact_sum;
    quality.divergence += std::exp(p) * (p - (x[i] - sum));
  }
  quality.loss += sum - x[target];
  quality.same += std::max_element(exact, exact + count) - exact == std::max_element(x, x + count) - x;
  ++quality.count;
}

// The logits of a batch's supervised rows, [rows, vocabulary].
template <class Net>
std::vector<float> logits_of(vlm::Runtime<vlm::Cpu>& runtime, const Net& net, const vlm::Batch& batch) {
  typename Net::RopeTables tables;
  const vlm::Sequences<vlm::Cpu> text = net.text_sequences(batch, tables);
  std::vector<float> result;
  const auto pass = [&] {
    vlm::run_logits_pass(runtime, net, batch, text, batch.rows, [&](const auto& logits) {
      if (!runtime.measuring()) result.assign(logits.data, logits.data + logits.count());
    });
  };
  runtime.plan(pass);
  pass();
  return result;
}

template <class Net>
std::vector<std::pair<std::string, Quality>> compare(const Net& exact, const Options& options) {
  const vlm::Processor processor = vlm::Processor::load(options.folder);
  const vlm::JsonlFile task(options.task);
  const Index end = options.limit > 0 ? std::min(options.limit, task.size()) : task.size();
  vlm::Runtime<vlm::Cpu> runtime(options.threads);
  runtime.keep_activations(false);
  std::vector<std::pair<std::string, Quality>> result;
  for (const auto& [name, format] : {std::pair{"stored", vlm::FrozenWeights::Stored},
                                     {"int8", vlm::FrozenWeights::Int8},
                                     {"int4", vlm::FrozenWeights::Int4}}) {
    const Net net = Net::load(options.folder, format);
    Quality quality;
    for (Index i = 0; i < end; ++i) {
      vlm::Batch batch;
      batch.append(processor.training_sample(task.conversation(i)), net.config());
      const std::vector<float> expected = logits_of(runtime, exact, batch),
                               got = logits_of(runtime, net, batch);
      const Index width = net.config().text.vocabulary;
      for (std::size_t row = 0; row < batch.rows.size(); ++row) {
        const auto at = static_cast<Index>(row) * width;
        add_row(quality, expected.data() + at, got.data() + at, width, batch.targets[row]);
      }
    }
    if (quality.count == 0)
      throw vlm::DataError("empty-task", {{"file", options.task}, {"expected", "an assistant's words"}});
    result.emplace_back(name, quality);
  }
  return result;
}

int print(const Options& options) {
  const auto rows = vlm::with_model(
      options.folder, [&](const auto& net) { return compare(net, options); }, vlm::FrozenWeights::F32);
  std::printf("%-8s %12s %12s %12s %12s\n", "weights", "logit error", "KL", "perplexity", "same token");
  std::string lines;
  for (const auto& [name, q] : rows) {
    std::printf("%-8s %12.3g %12.3g %12.5g %12.4f\n", name.c_str(), q.logit_error(), q.mean_divergence(),
                q.perplexity(), q.same_share());
    lines += vlm::write_json(vlm::Json::object({{"weights", name},
                                                {"logit_error", q.logit_error()},
                                                {"divergence", q.mean_divergence()},
                                                {"perplexity", q.perplexity()},
                                                {"same_token", q.same_share()},
                                                {"predictions", q.count}})) +
             "\n";
  }
  if (!options.json.empty()) vlm::write_file_atomically(options.json, lines);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Compares the weight formats of a model with f32 on the answers of a task.");
  Options options;
  app.add_option("FOLDER", options.folder, "the model: config, weights, tokenizer, preprocessor")->required();
  app.add_option("TASK", options.task, "conversations, one JSON object a line")->required();
  app.add_option("--limit", options.limit, "the first lines only; 0: all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--json", options.json, "file for the table, a JSON line for each format");
  app.add_option("--threads", options.threads, "0: one per processor")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  return example::run(app, count, arguments, [&] { return print(options); });
}
