// answers FOLDER TASK.jsonl...: shows the pictures of the first lines of tasks with the model's answers and the truth;
// with --samples, writes them down for a report too: FOLDER/samples.json and its pictures.
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
    for (const vlm::ContentItem& item : message.content) {
      if (item.kind == vlm::ContentItem::Kind::Image)
        result.image = beside(result.image, vlm::load_image(item.reference));
      for (std::size_t frame = 0; frame < item.frames.size(); frame += 2)
        result.image = beside(result.image, vlm::load_image(item.frames[frame]));
    }
  }
  const std::size_t width = std::max<std::size_t>(28, static_cast<std::size_t>(result.image.width));
  for (const std::string& text :
       {question, "model: " + answer, "truth: " + vlm::reference_answer(conversation), std::string()})
    for (std::string& line : wrapped(text, width)) result.captions.push_back(std::move(line));
  return result;
}

void add_first_lines(const std::string& path, Index count, std::vector<vlm::Conversation>& conversations) {
  const vlm::JsonlFile task(path);
  for (Index i = 0; i < std::min(count, task.size()); ++i) conversations.push_back(task.conversation(i));
}

std::string question_of(const vlm::Conversation& conversation) {
  std::string question;
  for (const vlm::Message& message : conversation.messages)
    if (message.role == "user") question = vlm::text_of(message);
  return question;
}

// samples.json: a list of {"image", "question", "answer", "expected"}; the images are beside it, in the format that needs no codec.
void write_samples(const std::string& folder, const std::vector<vlm::Conversation>& conversations,
                   const std::vector<std::string>& answers, const std::vector<show::Shown>& pictures) {
  vlm::make_folder(folder);
  vlm::Json list = vlm::Json::array();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::string name = std::to_string(i) + ".ppm";
    vlm::write_ppm(folder + "/" + name, pictures[i].image);
    list.push_back(vlm::Json::object({{"image", name},
                                      {"question", question_of(conversations[i])},
                                      {"answer", answers[i]},
                                      {"expected", vlm::reference_answer(conversations[i])}}));
  }
  vlm::write_file_atomically(folder + "/samples.json", vlm::write_json(list, 2) + "\n");
}

int show_answers(const std::string& folder, const std::vector<std::string>& tasks, Index count,
                 const std::string& samples) {
  const vlm::Processor processor = vlm::Processor::load(folder);
  std::vector<vlm::Conversation> conversations;
  for (const std::string& task : tasks) add_first_lines(task, count, conversations);
  std::vector<vlm::Sample> prompts;
  for (const vlm::Conversation& conversation : conversations)
    prompts.push_back(processor.prompt(conversation));
  const vlm::Tokenizer& tokenizer = processor.tokenizer();
  const vlm::GenerateSettings settings{.max_tokens = 96,
                                       .stop_tokens = {tokenizer.id_of("<|im_end|>").value()},
                                       .vocabulary = static_cast<Index>(tokenizer.vocabulary_size())};
  const auto net = vlm::Model<vlm::Qwen3VL, vlm::Cpu>::load(folder);
  std::vector<std::string> answers;
  for (const auto& answer : vlm::Generator(net).answer(prompts, settings))
    answers.push_back(tokenizer.decode(answer, vlm::SpecialTokens::Skip));
  std::vector<show::Shown> pictures;
  for (std::size_t i = 0; i < answers.size(); ++i) pictures.push_back(shown(conversations[i], answers[i]));
  if (!samples.empty()) write_samples(samples, conversations, answers, pictures);
  show::show_images(pictures, stdout);
  return 0;
}

}  // namespace

int main(int argument_count, char** arguments) {
  CLI::App app("Shows pictures with a model's answers about them.");
  std::string folder, samples;
  std::vector<std::string> tasks;
  Index count = 10;
  app.add_option("FOLDER", folder, "the model")->required();
  app.add_option("TASK", tasks, "conversations, one JSON object a line")->required();
  app.add_option("--count", count, "lines of each task to answer")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--samples", samples, "folder for samples.json and its pictures");
  return example::run(app, argument_count, arguments,
                      [&] { return show_answers(folder, tasks, count, samples); });
}
