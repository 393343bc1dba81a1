// weight_formats FOLDER TASK.jsonl: what each format of weights and of key/value cells costs in quality. The assistants'
// words in the task's conversations are predicted with weights and cells in f32, and again in each format:
//   logit error   max |a - b| / max |b| over all predictions
//   KL            of the next token's distribution, mean of sum p log(p / q), p in f32
//   perplexity    of the words
//   same token    share of predictions whose best token is that of f32
//   score         share of free greedy answers that are the one that stands in the task, and how many points of a hundred
//                 it is below that of f32
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

namespace {

using vlm::Index;

struct Options {
  std::string folder, task, json;
  Index limit = 0, max_tokens = 64;
  int threads = 0;
};

struct Format {
  const char* weights;
  vlm::FrozenWeights stored;
  vlm::CellFormat cells;
};
constexpr Format exact_format = {"f32", vlm::FrozenWeights::F32, vlm::CellFormat::F32};
constexpr Format formats[] = {exact_format,
                              {"stored", vlm::FrozenWeights::Stored, vlm::CellFormat::F32},
                              {"bf16", vlm::FrozenWeights::Bf16, vlm::CellFormat::F32},
                              {"int8", vlm::FrozenWeights::Int8, vlm::CellFormat::F32},
                              {"int4", vlm::FrozenWeights::Int4, vlm::CellFormat::F32},
                              {"f32", vlm::FrozenWeights::F32, vlm::CellFormat::BF16},
                              {"f32", vlm::FrozenWeights::F32, vlm::CellFormat::I8},
                              {"bf16", vlm::FrozenWeights::Bf16, vlm::CellFormat::BF16},
                              {"int8", vlm::FrozenWeights::Int8, vlm::CellFormat::BF16},
                              {"int4", vlm::FrozenWeights::Int4, vlm::CellFormat::BF16},
                              {"int4", vlm::FrozenWeights::Int4, vlm::CellFormat::I8}};

struct Quality {
  double difference = 0, largest = 0, divergence = 0, loss = 0;
  Index same = 0, count = 0;
  Index right = 0, exact_right = 0, lines = 0;  // answers

  double logit_error() const { return difference / largest; }
  double mean_divergence() const { return divergence / static_cast<double>(count); }
  double perplexity() const { return std::exp(loss / static_cast<double>(count)); }
  double same_share() const { return static_cast<double>(same) / static_cast<double>(count); }
  double score() const { return static_cast<double>(right) / static_cast<double>(lines); }
  double points_lost() const {
    return 100.0 * static_cast<double>(exact_right - right) / static_cast<double>(lines);
  }
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

// A task's line: its words as tokens, the rows that predict them, and the prompt of its last answer.
struct Line {
  vlm::Prompt words, question;
  std::vector<std::int32_t> rows, targets;
  std::string answer;
};

Line line_of(const vlm::Processor& processor, const vlm::Conversation& conversation,
             const vlm::ModelConfig& config) {
  const vlm::Sample sample = processor.training_sample(conversation);
  vlm::Batch batch;
  batch.append(sample, config);
  return {.words = vlm::Prompt::of(sample, config),
          .question = vlm::Prompt::of(processor.prompt(conversation), config),
          .rows = batch.rows,
          .targets = batch.targets,
          .answer = vlm::reference_answer(conversation)};
}

// The first `count` tokens of a prompt, and the pictures that they hold.
vlm::Prompt beginning(const vlm::Prompt& prompt, Index count, const vlm::ModelConfig& config) {
  vlm::Prompt part{{prompt.tokens.begin(), prompt.tokens.begin() + count}, {}, {}};
  const auto take = [&](const std::vector<vlm::Picture>& from, std::int32_t token,
                        std::vector<vlm::Picture>& into) {
    Index places = std::count(part.tokens.begin(), part.tokens.end(), token);
    for (const vlm::Picture& picture : from) {
      places -= picture.grid.visual_tokens(config.vision.merge_size);
      if (places < 0) return;
      into.push_back(picture);
    }
  };
  take(prompt.images, config.image_token, part.images);
  take(prompt.videos, config.video_token, part.videos);
  return part;
}

// The logits of a line's rows, [rows, vocabulary], each as if the words before it had passed one after the other.
template <class Net>
std::vector<float> logits_of(vlm::Session<Net>& session, const Line& line) {
  std::vector<float> result;
  for (const std::int32_t row : line.rows) {
    session.prefill(beginning(line.words, row + 1, session.net().config()), 0);
    const auto logits = session.logits();
    result.insert(result.end(), logits.data, logits.data + logits.count());
  }
  return result;
}

// Whether the greedy answer is the one that stands there, blanks around both aside.
template <class Net>
bool answers_right(vlm::Session<Net>& session, const Line& line, const vlm::Tokenizer& tokenizer,
                   Index max_tokens) {
  const auto ends = [&](std::int32_t token) {
    return token == tokenizer.id_of("<|im_end|>") || token == tokenizer.id_of("<|endoftext|>");
  };
  const auto choices =
      std::min(static_cast<Index>(tokenizer.vocabulary_size()), session.net().config().text.vocabulary);
  std::vector<std::int32_t> answer;
  session.prefill(line.question, max_tokens);
  while (static_cast<Index>(answer.size()) < max_tokens) {
    const float* logits = session.logits().data;
    const auto best = static_cast<std::int32_t>(std::max_element(logits, logits + choices) - logits);
    if (ends(best)) break;
    answer.push_back(best);
    session.step(best);
  }
  const auto trimmed = [](const std::string& text) {
    constexpr const char* space = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(space);
    return begin == text.npos ? std::string() : text.substr(begin, text.find_last_not_of(space) + 1 - begin);
  };
  return trimmed(tokenizer.decode(answer, vlm::SpecialTokens::Skip)) == trimmed(line.answer);
}

// Each format against f32, and how the f32 answers score.
template <class Net>
std::vector<std::pair<Format, Quality>> compare(const Net& exact, const Options& options) {
  const vlm::Processor processor = vlm::Processor::load(options.folder);
  const vlm::JsonlFile task(options.task);
  const Index end = options.limit > 0 ? std::min(options.limit, task.size()) : task.size();
  const Index width = exact.config().text.vocabulary;
  const auto session_of = [&](const Net& net, vlm::CellFormat cells) {
    return vlm::Session<Net>(net, {.threads = options.threads, .cells = cells});
  };
  std::vector<bool> exact_right;
  auto reference = session_of(exact, exact_format.cells);
  for (Index i = 0; i < end; ++i)
    exact_right.push_back(answers_right(reference, line_of(processor, task.conversation(i), exact.config()),
                                        processor.tokenizer(), options.max_tokens));
  std::vector<std::pair<Format, Quality>> result;
  const auto measure = [&](const Format& format, const Net& net) {
    auto session = session_of(net, format.cells);
    Quality quality;
    for (Index i = 0; i < end; ++i) {
      const Line line = line_of(processor, task.conversation(i), exact.config());
      const std::vector<float> expected = logits_of(reference, line), got = logits_of(session, line);
      for (std::size_t row = 0; row < line.rows.size(); ++row) {
        const auto at = static_cast<Index>(row) * width;
        add_row(quality, expected.data() + at, got.data() + at, width, line.targets[row]);
      }
      quality.right += answers_right(session, line, processor.tokenizer(), options.max_tokens);
      quality.exact_right += exact_right[static_cast<std::size_t>(i)];
      ++quality.lines;
    }
    if (quality.count == 0)
      throw vlm::DataError("empty-task", {{"file", options.task},
                                          {"expected", "an assistant's words"},
                                          {"got", "none"},
                                          {"try", "a task whose lines end with an answer"}});
    result.emplace_back(format, quality);
  };
  for (const Format& format : formats) {
    if (format.stored == exact_format.stored)
      measure(format, exact);
    else
      measure(format, Net::load(options.folder, format.stored));
  }
  return result;
}

int print(const Options& options) {
  const auto rows = vlm::with_model(
      options.folder, [&](const auto& net) { return compare(net, options); }, exact_format.stored);
  std::printf("%-8s %-6s %12s %12s %12s %12s %9s %12s\n", "weights", "cells", "logit error", "KL",
              "perplexity", "same token", "score", "points lost");
  std::string lines;
  for (const auto& [format, q] : rows) {
    const std::string cells(vlm::name_of(format.cells));
    std::printf("%-8s %-6s %12.3g %12.3g %12.5g %12.4f %9.4f %12.2f\n", format.weights, cells.c_str(),
                q.logit_error(), q.mean_divergence(), q.perplexity(), q.same_share(), q.score(),
                q.points_lost());
    lines += vlm::write_json(vlm::Json::object({{"weights", format.weights},
                                                {"cells", cells},
                                                {"logit_error", q.logit_error()},
                                                {"divergence", q.mean_divergence()},
                                                {"perplexity", q.perplexity()},
                                                {"same_token", q.same_share()},
                                                {"predictions", q.count},
                                                {"score", q.score()},
                                                {"points_lost", q.points_lost()},
                                                {"answers", q.lines}})) +
             "\n";
  }
  std::printf("%lld predictions, %lld answers\n", static_cast<long long>(rows.front().second.count),
              static_cast<long long>(rows.front().second.lines));
  if (!options.json.empty()) vlm::write_file_atomically(options.json, lines);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app(
      "Compares the formats of a model's weights and of its cells with f32 on the answers of a task.");
  Options options;
  app.add_option("FOLDER", options.folder, "the model: config, weights, tokenizer, preprocessor")->required();
  app.add_option("TASK", options.task, "conversations, one JSON object a line")->required();
  app.add_option("--limit", options.limit, "the first lines only; 0: all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--max-tokens", options.max_tokens, "longest answer")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--json", options.json, "file for the table, a JSON line for each format");
  app.add_option("--threads", options.threads, "0: one per processor")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  return example::run(app, count, arguments, [&] { return print(options); });
}
