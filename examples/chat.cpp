// chat FOLDER [--image P]... [--greedy] [--max-tokens N] [--png OUT] ["question"]: asks a model one question and prints
// the answer, or talks with it in the terminal, where a line that begins with a slash is a command: /image PATH and
// /video PATH for the next message, /clear, /quit. Ctrl-C ends a reply, also while it reads a prompt or thinks. With --png
// the boxes and points of the answer are drawn on the image. --help tells of the other options.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

namespace {

using vlm::Index;

struct Options {
  std::string folder, question, system, png;
  std::vector<std::string> images, videos;
  Index max_tokens = 0, thinking_tokens = -1;
  double temperature = -1;
  std::uint64_t seed = 0;
  int threads = 0;
  bool greedy = false, thoughts = false;
  vlm::FrozenWeights weights = vlm::FrozenWeights::Stored;
  vlm::CellFormat cells = vlm::CellFormat::F32;
};

std::atomic<bool> interrupted{false};
void note_interruption(int) { interrupted = true; }

// Asks a reply to end once ctrl-C was pressed: a signal's handler may do no more than set a flag.
class Interruption {
 public:
  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::jthread watcher_{[source = source_](const std::stop_token& done) mutable {
    for (; !done.stop_requested(); std::this_thread::sleep_for(std::chrono::milliseconds(20)))
      if (interrupted) source.request_stop();
  }};
};

vlm::ReplySettings settings_of(const Options& options) {
  vlm::ReplySettings settings;
  settings.seed = options.seed;
  settings.thoughts = options.thoughts ? vlm::Thoughts::Show : vlm::Thoughts::Hide;
  if (options.max_tokens > 0) settings.max_tokens = options.max_tokens;
  if (options.thinking_tokens >= 0) settings.thinking_tokens = options.thinking_tokens;
  if (options.temperature >= 0) settings.temperature = static_cast<float>(options.temperature);
  return options.greedy ? vlm::greedy(settings) : settings;
}

template <class Net>
void begin(vlm::Chat<Net>& chat, const Options& options) {
  chat.clear();
  if (!options.system.empty()) chat.system(options.system);
}

// Pictures and text as one message.
template <class Net>
void say(vlm::Chat<Net>& chat, const Options& options, const std::string& text) {
  std::vector<vlm::ImageInput> images;
  std::vector<vlm::VideoInput> videos;
  for (const std::string& path : options.images) images.push_back(vlm::image(path));
  for (const std::string& path : options.videos) videos.push_back(vlm::video(path));
  chat.user(images, videos, text);
}

template <class Net>
void print_reply(vlm::Chat<Net>& chat, vlm::ReplySettings settings) {
  const Interruption interruption;
  settings.cancel = interruption.token();
  for (const vlm::ReplyPiece piece : chat.reply(settings)) std::cout << piece.text << std::flush;
  std::cout << '\n';
}

// Why a reply ended, and its thoughts where that was another reason.
std::string reasons(const vlm::Answer& answer) {
  std::string text(vlm::name_of(answer.stop));
  if (answer.thinking_stop && *answer.thinking_stop != answer.stop)
    text += ", its thoughts: " + std::string(vlm::name_of(*answer.thinking_stop));
  else if (answer.thinking_stop && answer.text.empty())
    text += " within the thoughts";
  return text;
}

template <class Net>
void print_cost(vlm::Chat<Net>& chat, const vlm::ReplySettings& settings) {
  const vlm::ReplyCost cost = chat.cost(settings);
  std::cerr << "prompt " << cost.prompt_tokens << " tokens, " << cost.visual_tokens << " of them visual, "
            << cost.reused_tokens << " at hand; cells " << cost.cells << ", "
            << vlm::bytes_text(cost.cell_bytes) << "; activations " << vlm::bytes_text(cost.activations)
            << "; pictures " << vlm::bytes_text(cost.pictures) << "; weights "
            << vlm::bytes_text(cost.weights) << '\n';
}

template <class Net>
void talk(vlm::Chat<Net>& chat, Options options) {
  const vlm::ReplySettings settings = settings_of(options);
  std::signal(SIGINT, note_interruption);
  for (std::string line; std::cerr << "> " << std::flush, std::getline(std::cin, line);) {
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string command = line.substr(0, space), rest = line.substr(std::min(space + 1, line.size()));
    try {
      if (command == "/quit") return;
      if (command == "/image") {
        options.images.push_back(rest);
      } else if (command == "/video") {
        options.videos.push_back(rest);
      } else if (command == "/clear") {
        begin(chat, options);
        options.images.clear();
        options.videos.clear();
      } else if (line.starts_with('/')) {
        std::cerr << "commands: /image PATH, /video PATH, /clear, /quit\n";
      } else if (!line.empty()) {
        interrupted = false;
        say(chat, options, line);
        options.images.clear();
        options.videos.clear();
        print_cost(chat, settings);
        print_reply(chat, settings);
        std::cerr << "(" << reasons(chat.last()) << ", " << chat.last().tokens.size() << " tokens)\n";
      }
    } catch (const vlm::Error& error) {
      std::cerr << error.what() << '\n';
      if (!chat.turns().empty() && chat.turns().back().message.role == "user") chat.remove_last();
      options.images.clear();
      options.videos.clear();
    }
  }
}

int chat(const Options& options) {
  if (!options.png.empty() && (options.images.size() != 1 || options.question.empty()))
    throw vlm::ConfigError("chat-png",
                           {{"expected", "with --png one --image, and a question"},
                            {"got", std::to_string(options.images.size()) + " images, and " +
                                        (options.question.empty() ? "no question" : "a question")},
                            {"try", "chat FOLDER --image IN --png OUT \"question\""}});
  const auto ask = [&](const auto& net) {
    vlm::Chat chat(net, {.threads = options.threads, .cells = options.cells});
    begin(chat, options);
    if (options.question.empty()) {
      talk(chat, options);
    } else {
      say(chat, options, options.question);
      std::signal(SIGINT, note_interruption);
      print_reply(chat, settings_of(options));
      std::signal(SIGINT, SIG_DFL);
      if (chat.last().stop != vlm::StopReason::End || chat.last().text.empty())
        std::cerr << "(" << reasons(chat.last()) << ")\n";
      if (chat.last().stop == vlm::StopReason::Cancelled) return 130;
      if (!options.png.empty())
        vlm::save_grounding(options.png, vlm::load_image(options.images.front()), chat.last().text);
    }
    return 0;
  };
  return vlm::with_model(options.folder, ask, options.weights);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Asks a model about images and videos, once or in a conversation.");
  app.footer(
      "In a conversation: /image PATH and /video PATH for the next message, /clear, /quit. "
      "Ctrl-C ends a reply, also while it reads a prompt or thinks.");
  Options options;
  app.add_option("FOLDER", options.folder, "the model: config, weights, tokenizer, preprocessor")->required();
  app.add_option("question", options.question, "one question; without it a conversation in the terminal");
  app.add_option("--image", options.images, "an image before the question; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--video", options.videos, "a video before the question; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--png", options.png, "file for the image with the boxes and points of the answer");
  app.add_option("--system", options.system, "an instruction that opens the conversation");
  app.add_flag("--greedy", options.greedy, "the likeliest token each time, without penalties");
  app.add_option("--max-tokens", options.max_tokens, "longest answer; 0: the model's own limit")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--thinking-tokens", options.thinking_tokens, "most tokens of thoughts")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--temperature", options.temperature, "instead of the model's own")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", options.seed, "of the random choices")->capture_default_str();
  app.add_flag("--thoughts", options.thoughts, "print the thoughts before the answer too");
  app.add_option("--weights", options.weights,
                 "stored: as the files hold them, exact; converted while loading: bf16, int8 or int4, faster")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, vlm::FrozenWeights>{{"stored", vlm::FrozenWeights::Stored},
                                                    {"bf16", vlm::FrozenWeights::Bf16},
                                                    {"int8", vlm::FrozenWeights::Int8},
                                                    {"int4", vlm::FrozenWeights::Int4}}));
  app.add_option("--cells", options.cells, "the numbers of the key/value cache: f32, bf16 or int8")
      ->transform(CLI::CheckedTransformer(std::map<std::string, vlm::CellFormat>{
          {"f32", vlm::CellFormat::F32}, {"bf16", vlm::CellFormat::BF16}, {"int8", vlm::CellFormat::I8}}));
  app.add_option("--threads", options.threads, "0: one for each processor")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  return example::run(app, count, arguments, [&] { return chat(options); });
}
