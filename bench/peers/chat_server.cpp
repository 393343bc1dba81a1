// The library's side of the comparison of answering. chat.py starts it and writes one command a line, words separated
// by blanks; each is answered by one line, "error ..." where that is impossible.
//
//   load FOLDER stored|bf16|int8|int4   a model and a session of bf16 cells: seconds
//   prompt INPUTS              a prompt and its pictures, passed anew: "seconds token", the best token after it
//   decode COUNT               so many tokens behind the prompt, each the best: "seconds token ...", seconds of one
//   image INPUTS               the pictures through encoder and mergers: "seconds tokens"
//   memory                     the most memory that this process held: MB
//
// INPUTS is a safetensors file as vlm/model/reference.hpp describes it.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <vlm/vlm.hpp>

#include "server.hpp"

using namespace vlm;

namespace {

class Server {
 public:
  explicit Server(int threads) : threads_(threads), runtime_(threads) { runtime_.keep_activations(false); }

  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string command, first, second;
    words >> command >> first >> second;
    if (command == "load") return bench::numbers({bench::seconds_of([&] { load(first, second); })});
    if (command == "prompt" && net_) return prompt(first);
    if (command == "decode" && session_) return decode(std::stoi(first));
    if (command == "image" && net_) return image(first);
    if (command == "memory") return bench::numbers({bench::most_memory()});
    return "error cannot do: " + line;
  }

 private:
  using Net = Model<Qwen3VL, Cpu>;

  void load(const std::string& folder, const std::string& format) {
    session_.reset();
    net_ = std::make_unique<Net>(Net::load(folder, format == "bf16"   ? FrozenWeights::Bf16
                                                   : format == "int8" ? FrozenWeights::Int8
                                                   : format == "int4" ? FrozenWeights::Int4
                                                                      : FrozenWeights::Stored));
  }

  std::string prompt(const std::string& inputs) {
    const Reference reference(inputs, net_->config());
    prompt_ = {reference.batch().tokens, {}, {}};
    const float* rows = reference.batch().patches.data();
    for (const Grid& grid : grids(reference.file())) {
      const Index count = grid.patches() * net_->config().vision.patch_features();
      prompt_.images.push_back(Picture::of(grid, {rows, rows + count}));
      rows += count;
    }
    session_.emplace(*net_, SessionSettings{.threads = threads_, .cells = CellFormat::BF16});
    const double seconds = bench::seconds_of([&] { session_->prefill(prompt_, growth); });
    return bench::numbers({seconds, static_cast<double>(best())});
  }

  static std::vector<Grid> grids(const SafetensorsFile& file) {
    std::vector<Grid> grids;
    const StoredTensor* tensor = file.find("image_grid_thw");
    for (std::size_t at = 0; tensor && at < tensor->bytes.size(); at += sizeof(std::int64_t[3])) {
      std::int64_t sizes[3];
      std::memcpy(sizes, tensor->bytes.data() + at, sizeof sizes);
      grids.push_back({sizes[0], sizes[1], sizes[2]});
    }
    return grids;
  }

  std::string decode(int count) {
    session_->prefill(prompt_, growth);  // goes back to its end
    std::vector<std::int32_t> tokens(1, best());
    const double seconds = bench::seconds_of([&] {
      for (int i = 0; i < count; ++i) {
        session_->step(tokens.back());
        tokens.push_back(best());
      }
    });
    std::string line = bench::numbers({seconds / count});
    for (const std::int32_t token : tokens) line.append(1, ' ').append(std::to_string(token));
    return line;
  }
  std::int32_t best() {
    const View<float, 2, Cpu> logits = session_->logits();
    return static_cast<std::int32_t>(std::max_element(logits.data, logits.data + logits.extent[1]) -
                                     logits.data);
  }

  std::string image(const std::string& inputs) {
    const Batch batch = Reference(inputs, net_->config()).batch();
    Index tokens = 0;
    const double seconds =
        bench::seconds_of([&] { tokens = visual_features(*net_, runtime_, batch).merged.rows; });
    return bench::numbers({seconds, static_cast<double>(tokens)});
  }

  static constexpr Index growth = 128;  // tokens that the cells of a prompt leave room for

  int threads_;
  std::unique_ptr<Net> net_;
  Runtime<Cpu> runtime_;
  Prompt prompt_;
  std::optional<Session<Net>> session_;
};

}  // namespace

int main(int count, char** arguments) { return bench::serve<Server>(count, arguments); }
