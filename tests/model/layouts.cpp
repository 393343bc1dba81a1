// One model in the layouts and under the names that are in use: each loads to the same bits.
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <functional>
#include <map>
#include <set>

#include "message_of.hpp"
#include "model/samples.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

using Spec = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, MoE>, Rope<InterleavedM>>;
using Frozen = Model<Spec, Cpu>;
using Learns = Model<Spec, Cpu, F32, Trainable<part::All>>;

struct Stored {
  DType dtype = DType::F32;
  std::vector<Index> shape;
  std::vector<float> values;  // exact in the dtype
};
using Tensors = std::map<std::string, Stored>;

// A model with square experts where `square`: one of their two tensors then looks the same turned.
ModelConfig config_of(const std::string& square = "") {
  ModelConfig config = golden::Case("moe_02_two_images").config;
  Json json = parse_json(config.text_of_file, "config.json"), text = json.at("text_config");
  const std::int64_t features = text.at("hidden_size").integer();
  if (square == "gate_up") text.set("moe_intermediate_size", features / 2);
  if (square == "down") text.set("moe_intermediate_size", features);
  json.set("text_config", text);
  return ModelConfig::parse(write_json(json, 2), "config.json");
}

Tensors tensors_of(const ModelConfig& config, DType dtype) {
  Tensors tensors;
  const Frozen made = Frozen::make(config, 3);
  for (const Parameter& p : made.parameters()) {
    const float* values = static_cast<const float*>(p.record->data());
    Stored& t = tensors[p.name];
    t = {dtype, p.record->stored_shape(), {values, values + p.count}};
    for (float& value : t.values) value = static_cast<float>(bf16(value));
  }
  return tensors;
}

std::vector<std::byte> bytes_of(const Stored& t) {
  std::vector<std::byte> bytes(t.values.size() * size_of(t.dtype));
  for (std::size_t i = 0; i < t.values.size(); ++i) {
    const bf16 narrow(t.values[i]);
    std::memcpy(bytes.data() + i * size_of(t.dtype),
                t.dtype == DType::BF16 ? static_cast<const void*>(&narrow) : &t.values[i], size_of(t.dtype));
  }
  return bytes;
}

void write_file(const std::string& path, const Tensors& tensors) {
  SafetensorsWriter writer(path);
  for (const auto& [name, t] : tensors) writer.declare(name, t.dtype, t.shape);
  for (const auto& [name, t] : tensors) writer.write(name, bytes_of(t));
  writer.commit();
}
void write(const std::string& folder, const ModelConfig& config, const Tensors& tensors) {
  write_file(folder + "/model.safetensors", tensors);
  write_file_atomically(folder + "/config.json", config.text_of_file);
}

// Each matrix of a group turned.
Stored turned(const Stored& t) {
  Stored result = t;
  std::swap(result.shape[1], result.shape[2]);
  const auto rows = static_cast<std::size_t>(t.shape[1]), columns = static_cast<std::size_t>(t.shape[2]);
  for (std::size_t i = 0; i < t.values.size(); ++i) {
    const std::size_t group = i / (rows * columns), row = i / columns % rows, column = i % columns;
    result.values[(group * columns + column) * rows + row] = t.values[i];
  }
  return result;
}

bool is_experts(const std::string& name) { return name.find(".experts.") != std::string::npos; }

Tensors turned_experts(Tensors tensors) {
  for (auto& [name, t] : tensors)
    if (is_experts(name)) t = turned(t);
  return tensors;
}

Tensors separate_experts(const Tensors& tensors) {
  Tensors result;
  for (const auto& [name, t] : tensors) {
    if (!is_experts(name)) {
      result[name] = t;
      continue;
    }
    const Stored out_major = turned(t);  // [experts, outputs, inputs]
    const std::size_t matrix = t.values.size() / static_cast<std::size_t>(t.shape[0]);
    const bool halves = name.ends_with("gate_up_proj");
    const std::size_t parts = halves ? 2 : 1;
    for (std::size_t e = 0; e < static_cast<std::size_t>(t.shape[0]); ++e)
      for (std::size_t part = 0; part < parts; ++part) {
        const std::string which = !halves ? "down_proj" : part == 0 ? "gate_proj" : "up_proj";
        const auto first =
            out_major.values.begin() + static_cast<std::ptrdiff_t>(e * matrix + part * matrix / parts);
        result[name.substr(0, name.rfind('.') + 1) + std::to_string(e) + "." + which + ".weight"] = {
            t.dtype,
            {t.shape[2] / static_cast<Index>(parts), t.shape[1]},
            {first, first + static_cast<std::ptrdiff_t>(matrix / parts)}};
      }
  }
  return result;
}

Tensors renamed(const Tensors& tensors, const std::vector<std::pair<std::string, std::string>>& prefixes) {
  Tensors result;
  for (const auto& [name, t] : tensors) {
    std::string other = name;
    for (const auto& [from, to] : prefixes)
      if (name.starts_with(from)) other = to + name.substr(from.size());
    result[other] = t;
  }
  return result;
}

// Two files and their index.
void write_shards(const std::string& folder, const ModelConfig& config, const Tensors& tensors) {
  Tensors halves[2];
  Json map = Json::object();
  std::size_t i = 0;
  for (const auto& [name, t] : tensors) {
    halves[i % 2][name] = t;
    map.set(name, i % 2 ? "b.safetensors" : "a.safetensors");
    ++i;
  }
  write_file(folder + "/a.safetensors", halves[0]);
  write_file(folder + "/b.safetensors", halves[1]);
  write_file_atomically(folder + "/model.safetensors.index.json",
                        write_json(Json::object({{"weight_map", map}})));
  write_file_atomically(folder + "/config.json", config.text_of_file);
}

Batch batch_of(const ModelConfig& config) {
  return golden::pack(config, {golden::draw_sample(config, ".i..", {{1, 4, 6}}, 1)});
}

// Hidden rows of a model that serves, and all gradients of one that learns, from the same folder. Gradients of turned
// experts are turned back.
struct Results {
  std::vector<float> hidden;
  std::map<std::string, std::vector<float>> gradients;

  Results(const std::string& folder, const ModelConfig& config) {
    const Batch batch = batch_of(config);
    hidden = golden::hidden_rows(Frozen::load(folder), batch, false);
    Learns net = Learns::load(folder);
    Runtime<Cpu> s(2);
    Learns::RopeTables tables;
    double loss = 0;
    const auto pass = [&] { run_training_pass(s, net, batch, tables, loss); };
    s.plan(pass);
    pass();
    for (const Parameter& p : net.parameters()) {
      Stored gradient{DType::F32, p.record->file_shape(), {p.gradient.begin(), p.gradient.end()}};
      gradients[p.name] = p.record->turned() ? turned(gradient).values : gradient.values;
    }
  }
};

void check_same(const Results& got, const Results& expected) {
  BOOST_TEST(golden::same_bits(got.hidden, expected.hidden));
  for (const auto& [name, values] : expected.gradients)
    BOOST_TEST(golden::same_bits(got.gradients.at(name), values), name);
}

std::string refusal(const std::string& folder) {
  try {
    Frozen::load(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_layouts)

BOOST_AUTO_TEST_CASE(experts_in_every_layout) {
  for (const std::string square : {"", "gate_up", "down"}) {
    for (const DType dtype : {DType::F32, DType::BF16}) {
      const ModelConfig config = config_of(square);
      const Tensors fused = tensors_of(config, dtype);
      const TemporaryFolder official, other, separate;
      write(official.path, config, fused);
      write(other.path, config, turned_experts(fused));
      write(separate.path, config, separate_experts(fused));
      const Results expected(official.path, config);
      BOOST_TEST_CONTEXT("turned, square: " << square) { check_same(Results(other.path, config), expected); }
      BOOST_TEST_CONTEXT("per expert, square: " << square) {
        check_same(Results(separate.path, config), expected);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(names_of_re_exports_and_shards) {
  const ModelConfig config = config_of();
  const Tensors tensors = tensors_of(config, DType::BF16);
  const TemporaryFolder official;
  write(official.path, config, tensors);
  const Results expected(official.path, config);
  const std::vector<std::vector<std::pair<std::string, std::string>>> exports = {
      {{"model.visual.", "visual."},
       {"model.language_model.", "language_model.model."},
       {"lm_head.", "language_model.lm_head."}},
      {{"model.visual.", "vision_tower."}},
      {{"model.visual.", "visual."}, {"model.language_model.", "model."}}};
  for (const auto& prefixes : exports) {
    const TemporaryFolder folder;
    write(folder.path, config, renamed(tensors, prefixes));
    check_same(Results(folder.path, config), expected);
  }
  const TemporaryFolder shards;
  write_shards(shards.path, config, separate_experts(tensors));
  check_same(Results(shards.path, config), expected);
}

// Frozen experts stay in the mapped file, turned or not; those of single experts are put together in their format.
BOOST_AUTO_TEST_CASE(where_experts_lie) {
  const ModelConfig config = config_of();
  const Tensors fused = tensors_of(config, DType::BF16);
  const std::string name = "model.language_model.layers.0.mlp.experts.gate_up_proj",
                    table = "model.language_model.embed_tokens.weight";
  const auto find = [](const Frozen& model, const std::string& which) {
    for (const Parameter& p : model.parameters())
      if (p.name == which) return p;
    throw std::logic_error("no parameter " + which);
  };
  for (const bool turn : {false, true}) {
    const TemporaryFolder folder;
    write(folder.path, config, turn ? turned_experts(fused) : fused);
    const Frozen model = Frozen::load(folder.path);
    const SafetensorsFile file(folder.path + "/model.safetensors");
    const Parameter experts = find(model, name), rows = find(model, table);
    BOOST_TEST(experts.record->turned() == turn);
    BOOST_TEST((experts.record->format() == DType::BF16));
    BOOST_TEST(static_cast<const std::byte*>(experts.record->data()) -
                   static_cast<const std::byte*>(rows.record->data()) ==
               file.find(name)->bytes.data() - file.find(table)->bytes.data());
  }
  const TemporaryFolder folder;
  write(folder.path, config, separate_experts(fused));
  const Frozen model = Frozen::load(folder.path);
  const Parameter experts = find(model, name);
  BOOST_TEST(!experts.record->turned());
  BOOST_TEST((experts.record->format() == DType::BF16));
  const std::vector<std::byte> official = bytes_of(fused.at(name));
  BOOST_TEST(std::memcmp(experts.record->data(), official.data(), official.size()) == 0);
}

// Converted to f32, all weights are in memory and give the same bits: bf16 is widened either way.
BOOST_AUTO_TEST_CASE(frozen_weights_converted_to_f32) {
  const ModelConfig config = config_of();
  const Tensors fused = tensors_of(config, DType::BF16);
  for (const Tensors& tensors : {fused, separate_experts(fused)}) {
    const TemporaryFolder folder;
    write(folder.path, config, tensors);
    const Frozen mapped = Frozen::load(folder.path), wide = Frozen::load(folder.path, FrozenWeights::F32);
    std::size_t count = 0;
    for (const Parameter& p : wide.parameters()) {
      BOOST_TEST((p.record->format() == DType::F32));
      count += static_cast<std::size_t>(p.count);
    }
    BOOST_TEST(wide.weight_bytes() == 4 * count);
    BOOST_TEST(mapped.weight_bytes() < 3 * count);
    BOOST_TEST(golden::same_bits(golden::hidden_rows(wide, batch_of(config), false),
                                 golden::hidden_rows(mapped, batch_of(config), false)));
  }
}

// Blocks are the same whatever the layout they were made from, and whether they were made or read.
BOOST_AUTO_TEST_CASE(frozen_weights_converted_to_blocks) {
  const ModelConfig config = config_of();
  const Tensors fused = tensors_of(config, DType::BF16);
  for (const auto& [weights, format] : {std::pair{FrozenWeights::Int8, DType::I8Blocks},
                                        {FrozenWeights::Int4, DType::I4Blocks},
                                        {FrozenWeights::Bf16, *detail::blocks_format(FrozenWeights::Bf16)}}) {
    const TemporaryFolder official, again;
    write(official.path, config, fused);
    const Frozen expected = Frozen::load(official.path, weights);
    const auto rows_of = [&](const Frozen& model) {
      return golden::hidden_rows(model, batch_of(config), false);
    };
    std::size_t blocks = 0;
    for (const Parameter& p : expected.parameters()) {
      const bool high = p.record->stored_shape().size() == 1 ||
                        (!is_bf16_blocks(format) && p.name.find("merger") != p.name.npos) ||
                        p.name.find("embed.") != p.name.npos || p.name.ends_with("mlp.gate.weight");
      BOOST_TEST((p.record->format() == format) == !high);
      blocks += !high;
    }
    BOOST_TEST(blocks > 8);
    for (const Tensors& tensors : {turned_experts(fused), separate_experts(fused)}) {
      const TemporaryFolder folder;
      write(folder.path, config, tensors);
      BOOST_TEST(golden::same_bits(rows_of(Frozen::load(folder.path, weights)), rows_of(expected)));
    }
    expected.save(again.path);
    const Frozen read = Frozen::load(again.path);
    BOOST_TEST(read.weight_bytes() == expected.weight_bytes());
    BOOST_TEST(golden::same_bits(rows_of(read), rows_of(expected)));
    BOOST_TEST(message_of([&] { read.save(official.path, DType::F32); }) ==
               "vlm::ConfigError [save-dtype]\n"
               "  expected  no dtype for weights in blocks\n"
               "  got       F32\n"
               "  try       loading the model without a weight format");
  }
}

// A tensor of too many exponents for codes stays in plain bf16 blocks, also when it is saved and read again.
BOOST_AUTO_TEST_CASE(tensors_that_codes_cannot_hold) {
  const ModelConfig config = config_of();
  Tensors tensors = tensors_of(config, DType::BF16);
  std::set<std::string> spread;
  for (auto& [name, t] : tensors)
    if (name.ends_with("layers.0.self_attn.o_proj.weight") ||
        name.ends_with("layers.0.mlp.experts.down_proj")) {
      spread.insert(name);
      for (std::size_t i = 0; i < t.values.size() / 2; ++i)
        t.values[i] = std::ldexp(1.0f, -static_cast<int>(i * 7 % 60));
    }
  BOOST_TEST(spread.size() == 2u);
  const bool codes = detail::blocks_format(FrozenWeights::Bf16) == DType::Bf16CodeBlocks;
  const TemporaryFolder folder, again;
  write(folder.path, config, tensors);
  const Frozen made = Frozen::load(folder.path, FrozenWeights::Bf16);
  made.save(again.path);
  const auto rows_of = [&](const Frozen& model) {
    return golden::hidden_rows(model, batch_of(config), false);
  };
  for (const FrozenWeights weights : {FrozenWeights::Stored, FrozenWeights::Bf16}) {
    const Frozen read = Frozen::load(again.path, weights);
    for (const Parameter& p : read.parameters())
      if (is_blocks(p.record->format()))
        BOOST_TEST((p.record->format() == DType::Bf16Blocks) == (!codes || spread.contains(p.name)));
    BOOST_TEST(golden::same_bits(rows_of(read), rows_of(made)));
  }
}

// What nothing has touched goes back byte for byte: names, formats, shapes, numbers.
BOOST_AUTO_TEST_CASE(untouched_tensors_go_back_byte_for_byte) {
  const ModelConfig config = config_of();
  for (const Tensors& tensors :
       {tensors_of(config, DType::BF16), turned_experts(tensors_of(config, DType::BF16)),
        tensors_of(config, DType::F32)})
    for (const FrozenWeights frozen : {FrozenWeights::Stored, FrozenWeights::F32}) {
      const TemporaryFolder folder, again;
      write(folder.path, config, tensors);
      Frozen::load(folder.path, frozen).save(again.path);
      const SafetensorsFile before(folder.path + "/model.safetensors"),
          after(again.path + "/model.safetensors");
      BOOST_REQUIRE_EQUAL(before.tensors().size(), after.tensors().size());
      for (const StoredTensor& t : before.tensors()) {
        const StoredTensor* found = after.find(t.name);
        BOOST_REQUIRE(found);
        BOOST_TEST((found->dtype == t.dtype && found->shape == t.shape));
        BOOST_TEST(std::equal(t.bytes.begin(), t.bytes.end(), found->bytes.begin(), found->bytes.end()));
      }
      BOOST_TEST(read_file(again.path + "/config.json") == config.text_of_file);
    }
}

// Single experts are written back in the official layout, which every reader of this architecture knows.
BOOST_AUTO_TEST_CASE(single_experts_are_saved_fused) {
  const ModelConfig config = config_of();
  const Tensors fused = tensors_of(config, DType::BF16);
  const TemporaryFolder folder, again;
  write(folder.path, config, separate_experts(fused));
  Frozen::load(folder.path).save(again.path);
  const SafetensorsFile file(again.path + "/model.safetensors");
  BOOST_TEST(file.tensors().size() == fused.size());
  for (const auto& [name, t] : fused) {
    const std::vector<std::byte> bytes = bytes_of(t);
    BOOST_TEST((file.find(name)->shape == t.shape));
    BOOST_TEST(
        std::equal(bytes.begin(), bytes.end(), file.find(name)->bytes.begin(), file.find(name)->bytes.end()),
        name);
  }
}

BOOST_AUTO_TEST_CASE(saved_in_a_chosen_format) {
  const ModelConfig config = config_of();
  const TemporaryFolder narrow, wide, back;
  Learns::make(config, 8).save(narrow.path, DType::BF16);
  Frozen::load(narrow.path).save(wide.path, DType::F32);
  Learns::load(wide.path).save(back.path, DType::BF16);
  BOOST_TEST((read_file(narrow.path + "/model.safetensors") == read_file(back.path + "/model.safetensors")));
  BOOST_TEST((ModelConfig::load(narrow.path).dtype == DType::BF16));
  BOOST_TEST((ModelConfig::load(wide.path).dtype == DType::F32));
  const SafetensorsFile file(wide.path + "/model.safetensors");
  for (const StoredTensor& t : file.tensors()) BOOST_TEST((t.dtype == DType::F32));
  try {
    Frozen::load(narrow.path).save(back.path, DType::F16);
    BOOST_FAIL("no error");
  } catch (const ConfigError& error) {
    BOOST_TEST(std::string(error.what()) ==
               "vlm::ConfigError [save-dtype]\n  expected  F32 or BF16\n  got       F16\n"
               "  try       one of the two, or none: each tensor in its own format");
  }
}

BOOST_AUTO_TEST_CASE(faults_of_single_experts_are_named) {
  const ModelConfig config = config_of();
  Tensors tensors = separate_experts(tensors_of(config, DType::F32));
  const std::string mlp = "model.language_model.layers.1.mlp.experts.";
  const std::string features = std::to_string(config.text.features),
                    width = std::to_string(config.text.expert_intermediate);
  tensors.erase(mlp + "3.up_proj.weight");
  tensors[mlp + "8.down_proj.weight"] = {DType::F32, {1}, {0}};
  std::swap(tensors[mlp + "2.gate_proj.weight"].shape[0], tensors[mlp + "2.gate_proj.weight"].shape[1]);
  const TemporaryFolder folder;
  write(folder.path, config, tensors);
  BOOST_TEST(
      refusal(folder.path) ==
      "vlm::FileError [weights]\n  folder    " + folder.path + "\n  missing   " + mlp + "3.up_proj.weight [" +
          width + ", " + features + "]\n  surplus   " + mlp + "8.down_proj.weight [1]\n  misshapen " + mlp +
          "2.gate_proj.weight expected F32 or BF16 [" + width + ", " + features + "], got F32 [" + features +
          ", " + width +
          "]\n  try       take config.json and the weights from one checkpoint, and the type that fits it");
}

BOOST_AUTO_TEST_SUITE_END()
