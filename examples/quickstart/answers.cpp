// answers FOLDER TASK.jsonl: shows the pictures of a task's first lines with the model's
// answers and the truth.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <vlm/vlm.hpp>

#include "../command_line.hpp"
#include "show.hpp"

namespace {

using vlm::Index;

// Lines of `width` printable characters; an untrained model may write anything.
std::vector<std::string> wrapped(std::string text, std::size_t width) {
  for (char& c : text)
    if (c < ' ' || c > '~') c = c == '\n' ? ' ' : '?';
  std::vector<std::string> lines;
  while (text.size() > width) {
    const std::size_t space = text.rfind(' ', width);
    const std::size_t end = space == text.npos || space == 0 ? width : space;
    lines.push_back(text.substr(0, end));
    text.erase(0, end < text.size() && text[end] == ' ' ? end + 1 : end);
  }
  lines.push_back(text);
  return lines;
}

vlm::Image beside(const vlm::Image& left, const vlm::Image& right) {
  constexpr Index gap = 2;
  if (left.width == 0) return right;
  vlm::Image both(std::max(left.height, right.height), left.width + gap + right.width);
  const auto place = [&](const vlm::Image& image, Index column) {
    for (Index y = 0; y < image.height; ++y) std::copy_n(image.at(y, 0), 3 * image.width, both.at(y, column));
  };
  place(left, 0);
  place(right, left.width + gap);
  return both;
}

show::Shown shown(const vlm::Conversation& conversation, const std::string& answer) {
  show::Shown result;
  std::string question;
  for (const vlm::Message& message : conversation.messages) {
    if (message.role != "user") continue;
    question = vlm::text_of(message);
    for (const vlm::ContentItem& item : message.content)
      if (item.kind == vlm::ContentItem::Kind::Image)
        result.image = beside(result.image, vlm::load_image(item.reference));
  }
  const std::size_t width = std::max<std::size_t>(28, static_cast<std::size_t>(result.image.width));
  for (const std::string& text :
       {question, "model: " + answer, "truth: " + vlm::reference_answer(conversation), std::string()})
    for (std::string& line : wrapped(text, width)) result.captions.push_back(std::move(line));
  return result;
}

std::vector<vlm::Conversation> first_lines(const std::string& path, Index count) {
  const vlm::JsonlFile task(path);
  std::vector<vlm::Conversation> conversations;
  for (Index i = 0; i < std::min(count, task.size()); ++i) conversations.push_back(task.conversation(i));
  return conversations;
}

int show_answers(const std::string& folder, const std::string& task, Index count) {
  const vlm::Processor processor = vlm::Processor::load(folder);
  const std::vector<vlm::Conversation> conversations = first_lines(task, count);
  std::vector<vlm::Sample> prompts;
  for (const vlm::Conversation& conversation : conversations)
    prompts.push_back(processor.prompt(conversation));
  const vlm::Tokenizer& tokenizer = processor.tokenizer();
  const vlm::GenerateSettings settings{.max_tokens = 64,
                                       .stop_tokens = {tokenizer.id_of("<|im_end|>").value()},
                                       .vocabulary = static_cast<Index>(tokenizer.vocabulary_size())};
  const auto net = vlm::Model<vlm::Qwen3VL, vlm::Cpu>::load(folder);
  const auto answers = vlm::Generator(net).answer(prompts, settings);
  std::vector<show::Shown> pictures;
  for (std::size_t i = 0; i < answers.size(); ++i)
    pictures.push_back(shown(conversations[i], tokenizer.decode(answers[i], vlm::SpecialTokens::Skip)));
  show::show_images(pictures, stdout);
  return 0;
}

}  // namespace

int main(int argument_count, char** arguments) {
  CLI::App app("Shows pictures with a model's answers about them.");
  std::string folder, task;
  Index count = 10;
  app.add_option("FOLDER", folder, "the model")->required();
  app.add_option("TASK", task, "conversations, one JSON object a line")->required();
  app.add_option("--count", count, "lines to answer")->capture_default_str()->check(CLI::Range(1, 1000));
  return example::run(app, argument_count, arguments, [&] { return show_answers(folder, task, count); });
}
