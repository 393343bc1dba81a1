// Answering with each weight format: one token behind 512 others, beside the time that reading its weights and cells
// takes; a prompt of 512 tokens, beside the most that the processor multiplies with such weights; and the products of a
// long prompt in blocks beside those in f32.
//
//   decode [--folder FOLDER] [--layers N] [options of all benchmarks]
//
// FOLDER holds a Qwen3VL model. Without it a random one of the sizes of 2B, with N layers (28), is written to a
// temporary folder.
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vlm/vlm.hpp>

#include "ceilings.hpp"
#include "measure.hpp"

using namespace vlm;

namespace {

constexpr Index context = 512;

struct WeightFormat {
  const char* name;
  FrozenWeights weights;
  DType blocks;
  double decode_bar;
};
// Rows stored as a file has them are exact and have no bar of their own: bf16 blocks hold the same numbers.
constexpr WeightFormat formats[] = {{"stored", FrozenWeights::Stored, DType::F32, 0.0},
                                    {"bf16", FrozenWeights::Bf16, DType::Bf16Blocks, 0.78},
                                    {"int8", FrozenWeights::Int8, DType::I8Blocks, 0.80},
                                    {"int4", FrozenWeights::Int4, DType::I4Blocks, 0.60}};

// A checkpoint of random bf16 weights, for as long as it is needed.
class RandomCheckpoint {
 public:
  explicit RandomCheckpoint(int layers) {
    std::string pattern = (std::filesystem::temp_directory_path() / "vlm-decode-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) std::exit(2);
    path_ = pattern;
    write_file_atomically(path_ + "/config.json", config(layers));
    const Description description = describe(path_);
    SafetensorsWriter writer(path_ + "/model.safetensors");
    for (const TensorDescription& t : description.tensors) writer.declare(t.name, DType::BF16, t.shape);
    std::vector<bf16> values;
    std::uint32_t state = 1;
    for (const TensorDescription& t : description.tensors) {
      values.resize(static_cast<std::size_t>(t.count));
      const float size = t.shape.size() == 1 ? 1.0f : 0.02f;
      for (bf16& value : values) {
        state = state * 1664525u + 1013904223u;
        value = bf16(size * (static_cast<float>(state >> 8) * 0x1p-23f - 1.0f));
      }
      writer.write(t.name, {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(bf16)});
    }
    writer.commit();
  }
  RandomCheckpoint(const RandomCheckpoint&) = delete;
  RandomCheckpoint& operator=(const RandomCheckpoint&) = delete;
  ~RandomCheckpoint() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  static std::string config(int layers) {
    return R"({"model_type": "qwen3_vl", "image_token_id": 151655, "video_token_id": 151656,
      "vision_start_token_id": 151652, "vision_end_token_id": 151653, "tie_word_embeddings": true,
      "text_config": {"vocab_size": 151936, "hidden_size": 2048, "num_hidden_layers": )" +
           std::to_string(layers) + R"(, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
        "rms_norm_eps": 1e-06, "intermediate_size": 6144,
        "rope_parameters": {"rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": true}},
      "vision_config": {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16,
        "patch_size": 16, "temporal_patch_size": 2, "spatial_merge_size": 2, "num_position_embeddings": 2304,
        "out_hidden_size": 2048, "deepstack_visual_indexes": [0, 1, 2]}})";
  }
  std::string path_;
};

// A session at the end of `context` tokens, with cells in bf16.
class Answering {
 public:
  Answering(const std::string& folder, FrozenWeights weights, int threads)
      : net_(Net::load(folder, weights)), threads_(threads) {
    for (Index i = 0; i < context; ++i)
      prompt_.tokens.push_back(static_cast<std::int32_t>(i * 7919 % 150000));
    prefill();
  }
  void prefill() {
    session_.emplace(net_, SessionSettings{.threads = threads_, .cells = CellFormat::BF16});
    session_->prefill(prompt_, context);
  }
  // The sequence grows; what is read for the first of these tokens is counted for all.
  void next_token() { session_->step(100); }

  // Bytes that one token must read: weights of the text stream, the token table only where it is the head, and cells.
  double token_bytes() const {
    const ModelConfig& c = net_.config();
    double bytes = 0;
    for (const Parameter& p : net_.parameters())
      if (detail::in_text(p.name) && (c.tied || !p.name.ends_with("embed_tokens.weight")))
        bytes += bytes_read(*p.record);
    return bytes + static_cast<double>(2 * c.text.layers * c.text.kv_heads * c.text.head_dim * context) *
                       static_cast<double>(size_of(CellFormat::BF16));
  }
  // Of a matrix, whose panels of codes have room that nobody reads.
  static double bytes_read(const ParamRecord& record) {
    auto bytes = static_cast<double>(record.bytes());
    if (record.format() != DType::Bf16CodeBlocks) return bytes;
    const MatrixSizes sizes(record);
    const auto* panel = static_cast<const std::byte*>(record.data());
    for (Index i = 0; i < sizes.count * panels_of(sizes.outputs); ++i) {
      bytes -= static_cast<double>(CodePanel<const std::byte>(panel, sizes.inputs).spare_bytes());
      panel += panel_bytes(record.format(), sizes.inputs);
    }
    return bytes;
  }
  // What a prompt must compute: of the last layer, keys and values, and one row of the rest, which is not counted.
  double prefill_flop() const {
    const ModelConfig& c = net_.config();
    const std::string last = ".layers." + std::to_string(c.text.layers - 1) + ".";
    double weights = 0;
    for (const Parameter& p : net_.parameters())
      if (p.name.find(".layers.") != p.name.npos &&
          (p.name.find(last) == p.name.npos || p.name.find("k_proj") != p.name.npos ||
           p.name.find("v_proj") != p.name.npos))
        weights += static_cast<double>(p.count);
    const double heads = static_cast<double>(c.text.heads * c.text.head_dim * (c.text.layers - 1));
    return 2 * weights * context + 2.0 * context * context * heads +
           2.0 * static_cast<double>(c.text.vocabulary * c.text.features);
  }

 private:
  using Net = Model<Qwen3VL, Cpu>;

  Net net_;
  int threads_;
  Prompt prompt_;
  std::optional<Session<Net>> session_;
};

// A product of `rows` rows with a weight of some format.
class Product {
 public:
  Product(DType format, Index rows, Index inputs, Index outputs, int threads)
      : runtime_(threads),
        weight_(matrix_bytes(format, outputs, inputs)),
        x_(static_cast<std::size_t>(rows * inputs)),
        y_(static_cast<std::size_t>(rows * outputs)) {
    for (std::size_t i = 0; i < x_.size(); ++i) x_[i] = static_cast<float>(i % 251) * 0.01f - 1;
    std::vector<float> numbers(static_cast<std::size_t>(outputs * inputs));
    for (std::size_t i = 0; i < numbers.size(); ++i)
      numbers[i] = static_cast<float>(i % 127) * 0.001f - 0.06f;
    if (is_blocks(format)) {
      if (!make_blocks<float>(runtime_.queue(), {numbers.data(), Shape<2>{{outputs, inputs}}}, format,
                              weight_.data()))
        std::abort();
    } else {
      std::memcpy(weight_.data(), numbers.data(), weight_.size());
    }
    op_ = {.x = {x_.data(), Shape<2>{{rows, inputs}}},
           .weight = Matrix<Cpu>(weight_.data(), format, outputs, inputs),
           .y = {y_.data(), Shape<2>{{rows, outputs}}}};
    runtime_.plan([&] { runtime_.run(op_); });
  }
  void run() { runtime_.run(op_); }

 private:
  Runtime<Cpu> runtime_;
  Buffer<Cpu> weight_;
  std::vector<float> x_, y_;
  LinearForward<Cpu, float> op_;
};

}  // namespace

int main(int count, char** arguments) {
  std::string folder;
  int layers = 28;
  std::vector<char*> rest = {arguments[0]};
  for (int i = 1; i < count; ++i) {
    const std::string option = arguments[i];
    if (i + 1 < count && option == "--folder")
      folder = arguments[++i];
    else if (i + 1 < count && option == "--layers")
      layers = std::max(3, std::atoi(arguments[++i]));
    else
      rest.push_back(arguments[i]);
  }
  bench::Report report("decode", static_cast<int>(rest.size()), rest.data());
  bench::Ceilings ceilings(report.threads());

  for (const auto& [format, name, bar] : {std::tuple{DType::Bf16CodeBlocks, "product, bf16 beside f32", 0.0},
                                          {DType::Bf16Blocks, "product, bf16 without codes beside f32", 0.0},
                                          {DType::I8Blocks, "product, int8 beside f32", 2.5},
                                          {DType::I4Blocks, "product, int4 beside f32", 0.0}})
    for (const auto& [inputs, outputs] : {std::pair<Index, Index>{2048, 6144}, {6144, 2048}}) {
      const std::string shape = "512 x " + std::to_string(inputs) + " to " + std::to_string(outputs);
      const bench::Row row{.name = name,
                           .shape = shape,
                           .unit = "GFLOP/s",
                           .work = 2e-9 * 512 * static_cast<double>(inputs * outputs),
                           .bar = bar};
      if (!report.wants(row)) continue;
      Product ours(format, 512, inputs, outputs, report.threads()),
          exact(DType::F32, 512, inputs, outputs, report.threads());
      report.compare(row, {name, [&] { ours.run(); }}, {{"f32", [&] { exact.run(); }}});
    }

  std::unique_ptr<RandomCheckpoint> checkpoint;
  for (const WeightFormat& format : formats) {
    bench::Row decode{.name = std::string("next token, ") + format.name,
                      .shape = "behind " + std::to_string(context),
                      .unit = "GB/s",
                      .bar = format.decode_bar};
    bench::Row prefill{.name = std::string("prompt, ") + format.name,
                       .shape = std::to_string(context) + " tokens",
                       .unit = "GFLOP/s"};
    if (!report.wants(decode) && !report.wants(prefill)) continue;
    if (folder.empty()) {
      checkpoint = std::make_unique<RandomCheckpoint>(layers);
      folder = checkpoint->path();
    }
    Answering answering(folder, format.weights, report.threads());
    decode.work = 1e-9 * answering.token_bytes();
    decode.also = {{"tokens/s", 1}};
    report.compare(decode, {"ours", [&] { answering.next_token(); }}, {ceilings.read()});
    prefill.work = 1e-9 * answering.prefill_flop();
    prefill.also = {{"tokens/s", static_cast<double>(context)}};
    report.compare(prefill, {"ours", [&] { answering.prefill(); }}, {ceilings.products(format.blocks)});
  }
}
