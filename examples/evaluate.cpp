// evaluate FOLDER TASK.jsonl: free greedy answers to the prompts of a task, compared with the
// answers that stand in it. A line holds messages; what an assistant says after the last user
// message is the expected answer; thoughts before it are not compared. Where that points at boxes, their mean overlap is
// told too.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

namespace {

using vlm::Index;
using vlm::Json;

struct Options {
  std::string folder, task, json, answers;
  Index batch = 128, max_tokens = 64, limit = 0;
  double require = 0;
  int threads = 0;
};

// What an answer says, without its thoughts and the space around it.
std::string_view said(std::string_view text) {
  constexpr std::string_view space = " \t\r\n", thought = "</think>";
  if (const std::size_t end = text.rfind(thought); end != text.npos) text.remove_prefix(end + thought.size());
  const std::size_t begin = text.find_first_not_of(space);
  return begin == text.npos ? std::string_view()
                            : text.substr(begin, text.find_last_not_of(space) + 1 - begin);
}

struct Score {
  Index correct = 0, count = 0;
  Index boxes = 0;      // that were expected
  double overlaps = 0;  // the sum of intersections over unions with them
  double share() const { return count > 0 ? static_cast<double>(correct) / static_cast<double>(count) : 0; }
  double mean_overlap() const { return overlaps / static_cast<double>(boxes); }
};

// Adds what an answer's boxes have in common with the expected ones, in order; a missing box has nothing.
void add_overlaps(const std::string& answer, const std::string& expected, Score& score) {
  constexpr vlm::ImageSize picture{1000, 1000};
  const std::vector<vlm::Box> wanted = vlm::parse_grounding(expected, picture).boxes;
  if (wanted.empty()) return;
  const std::vector<vlm::Box> found = vlm::parse_grounding(answer, picture).boxes;
  for (std::size_t i = 0; i < std::min(wanted.size(), found.size()); ++i)
    score.overlaps += vlm::overlap(wanted[i], found[i]);
  score.boxes += static_cast<Index>(wanted.size());
}

std::vector<std::int32_t> end_tokens(const vlm::Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids;
  for (const char* token : {"<|im_end|>", "<|endoftext|>"})
    if (const auto id = tokenizer.id_of(token)) ids.push_back(*id);
  return ids;
}

using Answer = std::vector<std::int32_t>;
using AnswerPrompts =
    std::function<std::vector<Answer>(const std::vector<vlm::Sample>&, const vlm::GenerateSettings&)>;

// Answers the task in batches and compares; each answer becomes a line of `lines`.
Score answer_task(const AnswerPrompts& answer_prompts, const Options& options, std::string& lines) {
  const vlm::Processor processor = vlm::Processor::load(options.folder);
  const vlm::Tokenizer& tokenizer = processor.tokenizer();
  const vlm::JsonlFile task(options.task);
  const vlm::GenerateSettings settings{.max_tokens = options.max_tokens,
                                       .stop_tokens = end_tokens(tokenizer),
                                       .vocabulary = static_cast<Index>(tokenizer.vocabulary_size())};
  const Index end = options.limit > 0 ? std::min(options.limit, task.size()) : task.size();
  Score score;
  for (Index first = 0; first < end; first += options.batch) {
    std::vector<vlm::Conversation> conversations;
    std::vector<vlm::Sample> prompts;
    for (Index i = first; i < std::min(end, first + options.batch); ++i) {
      conversations.push_back(task.conversation(i));
      prompts.push_back(processor.prompt(conversations.back()));
    }
    const std::vector<Answer> answers = answer_prompts(prompts, settings);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const std::string answer = tokenizer.decode(answers[i], vlm::SpecialTokens::Skip);
      const std::string expected = vlm::reference_answer(conversations[i]);
      if (said(expected).empty())
        throw vlm::DataError("task-line",
                             {{"file", options.task},
                              {"line", std::to_string(conversations[i].place.line)},
                              {"expected", "an assistant's answer after the last user message"},
                              {"got", "none"},
                              {"try", "giving the expected answer as the last message of the line"}});
      const bool correct = said(answer) == said(expected);
      score.correct += correct;
      ++score.count;
      add_overlaps(std::string(said(answer)), std::string(said(expected)), score);
      lines += vlm::write_json(Json::object({{"id", conversations[i].id},
                                             {"line", conversations[i].place.line},
                                             {"answer", answer},
                                             {"expected", expected},
                                             {"correct", correct}})) +
               "\n";
    }
  }
  return score;
}

int evaluate(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  std::string lines;
  const Score score = vlm::with_model(options.folder, [&](const auto& net) {
    vlm::Generator generator(net, options.threads);
    const AnswerPrompts answer_prompts = [&](const auto& prompts, const auto& settings) {
      return generator.answer(prompts, settings);
    };
    return answer_task(answer_prompts, options, lines);
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (score.count == 0)
    throw vlm::DataError(
        "empty-task",
        {{"file", options.task}, {"expected", "a line"}, {"try", "a file with a conversation in each line"}});

  std::printf("exact match %.4f (%lld of %lld)\n", score.share(), static_cast<long long>(score.correct),
              static_cast<long long>(score.count));
  if (score.boxes > 0)
    std::printf("mean IoU %.4f (%lld boxes)\n", score.mean_overlap(), static_cast<long long>(score.boxes));
  std::printf("%.1f seconds\n", seconds);
  if (!options.answers.empty()) vlm::write_file_atomically(options.answers, lines);
  if (!options.json.empty()) {
    Json result = Json::object({{"model", options.folder},
                                {"task", options.task},
                                {"exact_match", score.share()},
                                {"correct", score.correct},
                                {"count", score.count},
                                {"seconds", seconds}});
    if (score.boxes > 0) result.set("mean_iou", score.mean_overlap());
    vlm::write_file_atomically(options.json, vlm::write_json(result, 2) + "\n");
  }
  return score.share() >= options.require ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Scores free greedy answers to a task by exact match of what follows their thoughts.");
  Options options;
  app.add_option("FOLDER", options.folder, "the model: config, weights, tokenizer, preprocessor")->required();
  app.add_option("TASK", options.task, "conversations, one JSON object a line")->required();
  app.add_option("--batch", options.batch, "prompts answered at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 65536));
  app.add_option("--max-tokens", options.max_tokens, "longest answer")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--limit", options.limit, "answer the first lines only; 0: all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--require", options.require, "exit with 1 when the score is below this")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--json", options.json, "file for the score");
  app.add_option("--answers", options.answers, "file for every answer, a JSON line each");
  app.add_option("--threads", options.threads, "0: one per processor")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  return example::run(app, count, arguments, [&] { return evaluate(options); });
}
