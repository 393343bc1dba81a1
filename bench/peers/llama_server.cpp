// llama.cpp's side of the comparison of answering. chat.py starts it and writes one command a line, words separated
// by blanks; each is answered by one line, "error ..." where that is impossible.
//
//   load MODEL MMPROJ          opens the files of gguf_files.py: seconds
//   prompt IDS                 a text file of tokens, passed anew: "seconds token", the best token after it
//   decode COUNT               so many tokens behind the prompt, each the best: "seconds token ...", seconds of one
//   image WIDTH HEIGHT         grey noise through encoder and projector: "seconds tokens"
//   memory                     the most memory that this process held: MB
//   quantize FROM TO Q8_0|Q4_K_M   writes a model in another format: seconds
#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <llama.h>
#include <mtmd.h>

#include "server.hpp"

namespace {

constexpr std::uint32_t most_cells = 1024, most_rows = 512;

struct Free {
  void operator()(llama_model* model) const { llama_model_free(model); }
  void operator()(llama_context* context) const { llama_free(context); }
  void operator()(mtmd_context* vision) const { mtmd_free(vision); }
  void operator()(mtmd_bitmap* picture) const { mtmd_bitmap_free(picture); }
  void operator()(mtmd_input_chunks* chunks) const { mtmd_input_chunks_free(chunks); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

class Server {
 public:
  explicit Server(int threads) : threads_(threads) {
    const auto errors_alone = [](ggml_log_level level, const char* text, void*) {
      if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
    };
    llama_log_set(errors_alone, nullptr);
    mtmd_log_set(errors_alone, nullptr);
    llama_backend_init();
  }

  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string command, first, second, third;
    words >> command >> first >> second >> third;
    if (command == "load") return bench::numbers({bench::seconds_of([&] { load(first, second); })});
    if (command == "prompt" && context_) return prompt(first);
    if (command == "decode" && context_) return decode(std::stoi(first));
    if (command == "image" && vision_) return image(std::stoul(first), std::stoul(second));
    if (command == "memory") return bench::numbers({bench::most_memory()});
    if (command == "quantize")
      return bench::numbers({bench::seconds_of([&] { quantize(first, second, third); })});
    return "error cannot do: " + line;
  }

 private:
  void load(const std::string& model, const std::string& projector) {
    model_.reset(llama_model_load_from_file(model.c_str(), llama_model_default_params()));
    require(model_ != nullptr, "the model cannot be loaded");
    llama_context_params settings = llama_context_default_params();
    settings.n_ctx = most_cells;
    settings.n_batch = settings.n_ubatch = most_rows;
    settings.n_threads = settings.n_threads_batch = threads_;
    context_.reset(llama_init_from_model(model_.get(), settings));
    require(context_ != nullptr, "no context");
    if (projector.empty()) return;
    mtmd_context_params vision = mtmd_context_params_default();
    vision.use_gpu = vision.warmup = false;
    vision.n_threads = threads_;
    vision_.reset(mtmd_init_from_file(projector.c_str(), model_.get(), vision));
    require(vision_ != nullptr, "the projector cannot be loaded");
  }

  std::string prompt(const std::string& path) {
    std::ifstream file(path);
    std::vector<llama_token> ids{std::istream_iterator<llama_token>(file), {}};
    require(!ids.empty() && ids.size() <= most_rows, "a prompt has 1 to 512 tokens");
    llama_memory_clear(llama_get_memory(context_.get()), false);
    length_ = static_cast<llama_pos>(ids.size());
    const double seconds = bench::seconds_of([&] { token_ = after(ids); });
    return bench::numbers({seconds, static_cast<double>(token_)});
  }

  std::string decode(int count) {
    std::vector<llama_token> tokens(1, token_);
    const double seconds = bench::seconds_of([&] {
      for (int i = 0; i < count; ++i) {
        std::vector<llama_token> one(1, tokens.back());
        tokens.push_back(after(one));
      }
    });
    std::string line = bench::numbers({seconds / count});
    for (const llama_token token : tokens) line.append(1, ' ').append(std::to_string(token));
    llama_memory_seq_rm(llama_get_memory(context_.get()), 0, length_, -1);
    return line;
  }

  // The best token after some more.
  llama_token after(std::vector<llama_token>& ids) {
    const auto count = static_cast<std::int32_t>(ids.size());
    require(llama_decode(context_.get(), llama_batch_get_one(ids.data(), count)) == 0, "cannot decode");
    const float* logits = llama_get_logits_ith(context_.get(), -1);
    const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model_.get()));
    return static_cast<llama_token>(std::max_element(logits, logits + vocabulary) - logits);
  }

  std::string image(unsigned long width, unsigned long height) {
    std::vector<unsigned char> pixels(3 * width * height);
    for (std::size_t i = 0; i < pixels.size(); ++i)
      pixels[i] = static_cast<unsigned char>((i / 3 * 2654435761u) >> 13);
    const Owned<mtmd_bitmap> picture(mtmd_bitmap_init(static_cast<std::uint32_t>(width),
                                                      static_cast<std::uint32_t>(height), pixels.data()));
    const Owned<mtmd_input_chunks> chunks(mtmd_input_chunks_init());
    const std::string marker = mtmd_default_marker();
    const mtmd_input_text text{
        .text = marker.c_str(), .text_len = marker.size(), .add_special = false, .parse_special = true};
    const mtmd_bitmap* pictures[] = {picture.get()};
    require(mtmd_tokenize(vision_.get(), chunks.get(), &text, pictures, 1) == 0, "no tokens for the picture");
    for (std::size_t i = 0; i < mtmd_input_chunks_size(chunks.get()); ++i) {
      const mtmd_input_chunk* chunk = mtmd_input_chunks_get(chunks.get(), i);
      if (mtmd_input_chunk_get_type(chunk) != MTMD_INPUT_CHUNK_TYPE_IMAGE) continue;
      const double seconds = bench::seconds_of(
          [&] { require(mtmd_encode_chunk(vision_.get(), chunk) == 0, "cannot encode the picture"); });
      return bench::numbers({seconds, static_cast<double>(mtmd_input_chunk_get_n_tokens(chunk))});
    }
    throw std::runtime_error("the picture has no chunk");
  }

  void quantize(const std::string& from, const std::string& to, const std::string& format) {
    llama_model_quantize_params settings = llama_model_quantize_default_params();
    require(format == "Q8_0" || format == "Q4_K_M", "the format is Q8_0 or Q4_K_M");
    settings.ftype = format == "Q8_0" ? LLAMA_FTYPE_MOSTLY_Q8_0 : LLAMA_FTYPE_MOSTLY_Q4_K_M;
    settings.nthread = threads_;
    require(llama_model_quantize(from.c_str(), to.c_str(), &settings) == 0, "cannot quantize");
  }

  int threads_;
  Owned<llama_model> model_;
  Owned<llama_context> context_;
  Owned<mtmd_context> vision_;
  llama_pos length_ = 0;
  llama_token token_ = 0;
};

}  // namespace

int main(int count, char** arguments) { return bench::serve<Server>(count, arguments); }
