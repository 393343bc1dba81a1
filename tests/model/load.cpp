#include <vlm/model/load.hpp>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>

#include <vlm/vlm.hpp>

#include "message_of.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

using One = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;
template <class Kind>
using Turning =
    Model<Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, Dense>, Rope<Kind>>, Cpu>;
using Frozen = Model<One, Cpu>;
using Tuned = Model<One, Cpu, F32, Trainable<part::Merger>>;

std::string config_text(bool tied) {
  return std::string(R"({"image_token_id": 20, "video_token_id": 21, "vision_start_token_id": 18,
  "vision_end_token_id": 19, "tie_word_embeddings": )") +
         (tied ? "true" : "false") + R"(,
  "text_config": {"vocab_size": 24, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 8, "rms_norm_eps": 1e-06, "intermediate_size": 12,
    "rope_parameters": {"rope_theta": 1e4, "mrope_section": [2, 1, 1]}},
  "vision_config": {"depth": 1, "hidden_size": 16, "intermediate_size": 12, "num_heads": 2, "patch_size": 2,
    "temporal_patch_size": 1, "spatial_merge_size": 2, "num_position_embeddings": 9, "out_hidden_size": 16,
    "deepstack_visual_indexes": [0]}})";
}
ModelConfig config(bool tied) { return ModelConfig::parse(config_text(tied), "config.json"); }

struct Folder : TemporaryFolder {
  std::string weights() const { return *this / "model.safetensors"; }
};

struct Stored {
  std::string name;
  DType dtype;
  std::vector<Index> shape;
  std::vector<std::byte> bytes;
};
using Checkpoint = std::vector<Stored>;

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  const auto* first = reinterpret_cast<const std::byte*>(values.data());
  return {first, first + values.size() * sizeof(T)};
}

// The tensors of a new model, in f32 or rounded to bf16.
Checkpoint checkpoint(bool tied, DType dtype) {
  const Frozen model = Frozen::make(config(tied), 5);
  Checkpoint list;
  for (const Parameter& p : model.parameters()) {
    const float* values = static_cast<const float*>(p.record->data());
    std::vector<float> wide(values, values + p.count);
    const std::vector<bf16> narrow(wide.begin(), wide.end());
    list.push_back(
        {p.name, dtype, p.record->stored_shape(), dtype == DType::BF16 ? bytes_of(narrow) : bytes_of(wide)});
  }
  return list;
}

void write(const Folder& folder, bool tied, const Checkpoint& tensors) {
  SafetensorsWriter writer(folder.weights());
  for (const Stored& t : tensors) writer.declare(t.name, t.dtype, t.shape);
  for (const Stored& t : tensors) writer.write(t.name, t.bytes);
  writer.commit();
  write_file_atomically(folder.path + "/config.json", config_text(tied));
}

template <class Net>
const Parameter& parameter(const Net& net, const std::string& name) {
  for (const Parameter& p : net.parameters())
    if (p.name == name) return p;
  throw std::logic_error("no parameter " + name);
}

template <class Net>
std::string refusal(const std::string& folder) {
  try {
    Net::load(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// Resident memory of this process in bytes: a field of /proc/self/status. Nothing where there is none.
std::size_t resident(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field)) return std::stoull(line.substr(field.size() + 1)) * 1024;
  return 0;
}

bool forget_peak() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return static_cast<bool>(file);
}

// A model of some megabytes, all zeros in bf16.
Description write_model(const std::string& folder) {
  Json json = parse_json(config_text(true), "config.json"), text = json.at("text_config");
  text.set("vocab_size", 20000);
  text.set("hidden_size", 512);
  text.set("intermediate_size", 2048);
  Json vision = json.at("vision_config");
  vision.set("out_hidden_size", 512);
  json.set("text_config", text);
  json.set("vision_config", vision);
  write_file_atomically(folder + "/config.json", write_json(json));
  Description description = describe(folder);
  SafetensorsWriter writer(folder + "/model.safetensors");
  for (const TensorDescription& t : description.tensors) writer.declare(t.name, DType::BF16, t.shape);
  for (const TensorDescription& t : description.tensors)
    writer.write(t.name, std::vector<std::byte>(static_cast<std::size_t>(t.count) * 2));
  writer.commit();
  return description;
}

template <class Load>
std::size_t peak_of(Load&& load) {
  const std::size_t before = resident("VmRSS:");
  forget_peak();
  const auto model = load();
  return resident("VmHWM:") - before;
}

bool can_measure() {
#if defined(__has_feature)  // clang's way to tell
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return false;
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return resident("VmHWM:") > 0 && forget_peak();
#endif
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_load)

BOOST_AUTO_TEST_CASE(saved_and_loaded_again_byte_for_byte) {
  for (const bool tied : {false, true}) {
    Folder first, second;
    Tuned::make(config(tied), 3).save(first.path);
    Tuned::load(first.path).save(second.path);
    BOOST_TEST((read_file(first.weights()) == read_file(second.weights())));
    BOOST_TEST(read_file(second.path + "/config.json") == config_text(tied));
    Frozen::load(first.path).save(first.path);  // over the file that is mapped
    BOOST_TEST((read_file(first.weights()) == read_file(second.weights())));
    Tuned::make(config(tied), 4).save(first.path);
    BOOST_TEST((read_file(first.weights()) != read_file(second.weights())));
  }
}

BOOST_AUTO_TEST_CASE(every_fault_is_in_one_report) {
  Folder folder;
  Checkpoint tensors = checkpoint(false, DType::F32);
  std::erase_if(tensors, [](const Stored& t) {
    return t.name == "model.visual.merger.norm.bias" || t.name == "model.language_model.norm.weight";
  });
  tensors.push_back({"model.visual.extra", DType::F32, {1}, std::vector<std::byte>(4)});
  tensors.push_back({"model.language_model.rotary", DType::BF16, {2, 3}, std::vector<std::byte>(12)});
  for (Stored& t : tensors) {
    if (t.name == "model.visual.pos_embed.weight") t.shape = {16, 9};
    if (t.name == "lm_head.weight") {
      t.dtype = DType::F16;
      t.bytes.resize(t.bytes.size() / 2);
    }
  }
  write(folder, false, tensors);
  BOOST_TEST(
      refusal<Tuned>(folder.path) ==
      "vlm::FileError [weights]\n  folder    " + folder.path +
          "\n  missing   model.visual.merger.norm.bias [16]\n            model.language_model.norm.weight "
          "[16]"
          "\n  surplus   model.visual.extra [1]\n            model.language_model.rotary [2, 3]"
          "\n  misshapen model.visual.pos_embed.weight expected F32 or BF16 [9, 16], got F32 [16, 9]"
          "\n            lm_head.weight expected F32 or BF16 [24, 16], got F16 [24, 16]"
          "\n  try       take config.json and the weights from one checkpoint, and the type that fits it");
}

BOOST_AUTO_TEST_CASE(frozen_bf16_matrices_stay_in_the_file) {
  Folder folder;
  write(folder, false, checkpoint(false, DType::BF16));
  const Tuned model = Tuned::load(folder.path);
  const SafetensorsFile file(folder.weights());
  for (const Parameter& p : model.parameters()) {
    BOOST_TEST_CONTEXT(p.name) {
      const bool merger =
          p.name.starts_with("model.visual.merger.") || p.name.starts_with("model.visual.deepstack");
      const bool vector = p.record->stored_shape().size() == 1;
      BOOST_TEST(p.trained == merger);
      BOOST_TEST((p.gradient.data() != nullptr) == merger);
      BOOST_TEST((p.value.data() != nullptr) == merger);
      const bool narrow = !merger && !vector && p.name != "model.visual.pos_embed.weight";
      BOOST_TEST((p.record->format() == (narrow ? DType::BF16 : DType::F32)));
      const std::span<const std::byte> stored = file.find(p.name)->bytes;
      if (narrow) {
        BOOST_TEST(std::memcmp(p.record->data(), stored.data(), stored.size()) == 0);
      } else {
        for (std::size_t i = 0; i < static_cast<std::size_t>(p.count); ++i) {
          bf16 value;
          std::memcpy(&value, stored.data() + 2 * i, 2);
          BOOST_TEST(static_cast<const float*>(p.record->data())[i] == static_cast<float>(value));
        }
      }
    }
  }
}

// Frozen matrices are not copied: two of them stand as far apart in memory as in the file.
BOOST_AUTO_TEST_CASE(frozen_matrices_are_mapped) {
  for (const DType dtype : {DType::F32, DType::BF16}) {
    Folder folder;
    write(folder, false, checkpoint(false, dtype));
    const Frozen model = Frozen::load(folder.path);
    const SafetensorsFile file(folder.weights());
    const auto distance = [](const void* a, const void* b) {
      return static_cast<const std::byte*>(a) - static_cast<const std::byte*>(b);
    };
    const std::string a = "model.language_model.layers.0.self_attn.q_proj.weight", b = "lm_head.weight";
    BOOST_TEST(distance(parameter(model, a).record->data(), parameter(model, b).record->data()) ==
               distance(file.find(a)->bytes.data(), file.find(b)->bytes.data()));
  }
}

// An odd number of bf16 values before f32 tensors leaves them unaligned: they are copied, not read in place.
BOOST_AUTO_TEST_CASE(unaligned_tensors_are_copied) {
  Folder folder;
  Checkpoint tensors = checkpoint(true, DType::F32);
  tensors.insert(tensors.begin(), Stored{"lm_head.weight", DType::BF16, {1}, std::vector<std::byte>(2)});
  write(folder, true, tensors);
  const Frozen model = Frozen::load(folder.path), made = Frozen::make(config(true), 5);
  for (std::size_t i = 0; i < made.parameters().size(); ++i) {
    const Parameter &ours = model.parameters()[i], &theirs = made.parameters()[i];
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(ours.record->data()) % alignof(float) == 0u);
    BOOST_TEST(std::memcmp(ours.record->data(), theirs.record->data(),
                           static_cast<std::size_t>(ours.count) * 4) == 0);
  }
}

// Position rows are interpolated in f32: a table that was quantised, or rounded to f16, is not read at all.
BOOST_AUTO_TEST_CASE(pitfall_05_a_quantised_position_table_is_refused) {
  for (const DType dtype : {DType::I8, DType::U8, DType::F16}) {
    Folder folder;
    Checkpoint tensors = checkpoint(true, DType::F32);
    for (Stored& t : tensors)
      if (t.name == "model.visual.pos_embed.weight") {
        t.dtype = dtype;
        t.bytes.resize(t.bytes.size() / 4 * size_of(dtype));
      }
    write(folder, true, tensors);
    BOOST_TEST(refusal<Frozen>(folder.path)
                   .find("\n  misshapen model.visual.pos_embed.weight expected F32 or BF16 [9, 16], got " +
                         std::string(name_of(dtype)) + " [9, 16]") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_tied_head_is_the_token_table) {
  const Model<One, Cpu, F32, Trainable<part::All>> tied =
      Model<One, Cpu, F32, Trainable<part::All>>::make(config(true), 1);
  const Parameter& table = parameter(tied, "model.language_model.embed_tokens.weight");
  BOOST_TEST(tied.head().data == table.record->data());
  BOOST_TEST(tied.head_gradient().data == table.gradient.data());
  BOOST_CHECK_THROW(parameter(tied, "lm_head.weight"), std::logic_error);

  const Frozen own = Frozen::make(config(false), 1);
  BOOST_TEST(own.head().data == parameter(own, "lm_head.weight").record->data());
  BOOST_TEST(!own.head_gradient());

  // A tied checkpoint may hold the head as well; an untied one without a head takes the token table.
  Folder folder;
  write(folder, true, checkpoint(false, DType::F32));
  BOOST_TEST(refusal<Frozen>(folder.path) == "no error");
  write(folder, false, checkpoint(true, DType::F32));
  const Frozen untied = Frozen::load(folder.path);
  BOOST_TEST(untied.head().data ==
             parameter(untied, "model.language_model.embed_tokens.weight").record->data());
}

BOOST_AUTO_TEST_CASE(gradients_are_one_range_of_the_trained_parts) {
  Tuned model = Tuned::make(config(true), 1);
  std::size_t bytes = 0;
  for (const Parameter& p : model.parameters())
    if (p.trained) bytes += (p.gradient.size() + 15) / 16 * 64;
  BOOST_TEST(model.gradient_bytes() == bytes);
  BOOST_TEST(Frozen::make(config(true), 1).gradient_bytes() == 0u);
  for (Parameter& p : model.parameters())
    for (float& g : p.gradient) g = 1;
  model.zero_gradients();
  for (const Parameter& p : model.parameters())
    for (const float g : p.gradient) BOOST_TEST(g == 0.0f);
}

BOOST_AUTO_TEST_CASE(first_values_depend_on_the_seed_and_not_on_what_is_trained) {
  const Frozen frozen = Frozen::make(config(true), 1), other = Frozen::make(config(true), 2);
  const Tuned tuned = Tuned::make(config(true), 1);
  bool differs = false;
  for (std::size_t i = 0; i < frozen.parameters().size(); ++i) {
    const auto bytes = static_cast<std::size_t>(frozen.parameters()[i].count) * sizeof(float);
    const void* values = frozen.parameters()[i].record->data();
    BOOST_TEST(std::memcmp(values, tuned.parameters()[i].record->data(), bytes) == 0);
    differs |= std::memcmp(values, other.parameters()[i].record->data(), bytes) != 0;
  }
  BOOST_TEST(differs);
}

// The kind in the spec makes the tables of the text stream.
BOOST_AUTO_TEST_CASE(every_rotary_kind_reaches_its_model) {
  const std::vector<std::int32_t> positions = {1, 4, 2, 5, 3, 6};
  const ModelConfig c = config(true);
  const auto check_kind = [&]<class Kind>(Kind) {
    const auto net = Turning<Kind>::make(c, 1);
    typename Turning<Kind>::RopeTables tables;
    net.fill_rope(positions, tables);
    std::vector<float> cosine, sine;
    fill_rope_tables<Kind>(positions, rope_frequencies<Kind>(c.text.rope_theta, c.text.head_dim),
                           c.text.rope_section, cosine, sine);
    BOOST_TEST(tables.cosine == cosine, boost::test_tools::per_element());
    BOOST_TEST(tables.sine == sine, boost::test_tools::per_element());
  };
  check_kind(Plain1D{});
  check_kind(SectionedM{});
  check_kind(InterleavedM{});
  check_kind(Spatial2D{});
}

BOOST_AUTO_TEST_CASE(the_type_must_fit_the_configuration) {
  const auto message = [](auto make) -> std::string {
    try {
      make();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  const auto text = [](const std::string& at, const std::string& expected, const std::string& got) {
    return "vlm::ConfigError [config-type]\n  at        " + at + "\n  expected  " + expected +
           "\n  got       " + got + "\n  try       a model type that fits config.json";
  };
  ModelConfig wrong = config(true);
  wrong.vision.taps = {};
  BOOST_TEST(message([&] { Frozen::make(wrong, 1); }) ==
             text("vision_config.deepstack_visual_indexes", "DeepStack<1> as in the type", "0 taps"));
  wrong = config(true);
  wrong.text.layers = 0;
  BOOST_TEST(message([&] { Frozen::make(wrong, 1); }) ==
             text("text_config.num_hidden_layers", "at least one block for each of 1 taps", "0"));
  wrong = config(true);
  wrong.text.rope_interleaved = false;
  BOOST_TEST(message([&] { Frozen::make(wrong, 1); }) ==
             text("mrope_interleaved", "true, as the type has Rope<InterleavedM>", "false"));
  wrong.text.rope_interleaved = true;
  BOOST_TEST(message([&] { Turning<SectionedM>::make(wrong, 1); }) ==
             text("mrope_interleaved", "false, as the type has Rope<SectionedM>", "true"));
  wrong = config(true);
  wrong.text.experts = 8;
  BOOST_TEST(message([&] { Frozen::make(wrong, 1); }) ==
             text("text_config", "no num_experts, as the type has Decoder<..., Dense>", "8 experts"));
  using Sparse = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, MoE>, Rope<InterleavedM>>;
  BOOST_TEST(message([&] { Model<Sparse, Cpu>::make(config(true), 1); }) ==
             text("text_config", "num_experts, as the type has Decoder<..., MoE>", "a dense decoder"));
  BOOST_TEST(message([&] { Model<One, Cpu, F32, Trainable<part::Head>>::make(config(true), 1); }) ==
             text("tie_word_embeddings", "part::Decoder among the trained parts, as it holds the tied head",
                  "part::Head without it"));
}

// A tensor that no file could hold is refused before memory is asked for; so is a sum of many.
BOOST_AUTO_TEST_CASE(models_beyond_all_memory_are_refused) {
  const auto message = [](const std::string& text) -> std::string {
    try {
      Frozen::outline(ModelConfig::parse(text, "config.json"));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  const auto with = [](std::string from, const std::string& to) {
    std::string text = config_text(true);
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string ending =
      "\n  expected  at most 2^48 elements\n  try       the sizes of a real config.json";
  BOOST_TEST(message(with("\"intermediate_size\": 12, \"num_heads\"",
                          "\"intermediate_size\": 2147483647, \"num_heads\"")) == "no error");
  BOOST_TEST(message(with("\"num_position_embeddings\": 9", "\"num_position_embeddings\": 2147302921")) ==
             "no error");
  std::string wide = with("\"hidden_size\": 16, \"num_hidden_layers\": 1",
                          "\"hidden_size\": 2147483647, \"num_hidden_layers\": 1");
  wide.replace(wide.find("\"out_hidden_size\": 16"), 21, "\"out_hidden_size\": 2147483647");
  wide.replace(wide.find("\"vocab_size\": 24"), 16, "\"vocab_size\": 2147483647");
  BOOST_TEST(message(wide) == "vlm::ConfigError [model-size]\n  tensor    [2147483647, 2147483647]" + ending);
}

// Blocks that do not fit, of another layout, or where gradients are wanted are refused.
BOOST_AUTO_TEST_CASE(blocks_that_are_refused) {
  const Folder folder;
  const auto write_blocks = [&](DType dtype, std::vector<Index> shape, const char* version) {
    Checkpoint tensors = checkpoint(true, DType::BF16);
    SafetensorsWriter writer(folder.weights(), {{"vlm.weight_blocks", version}});
    for (Stored& t : tensors)
      if (t.name.ends_with("mlp.up_proj.weight")) {
        t.dtype = dtype;
        t.shape = shape;
        t.bytes.assign(static_cast<std::size_t>(shape[0] * shape[1]), std::byte{});
      }
    for (const Stored& t : tensors) writer.declare(t.name, t.dtype, t.shape);
    for (const Stored& t : tensors) writer.write(t.name, t.bytes);
    writer.commit();
    write_file_atomically(folder.path + "/config.json", config_text(true));
  };
  write_blocks(DType::U8, {1, 576}, "3");
  BOOST_TEST(refusal<Frozen>(folder.path) == "no error");
  Frozen::load(folder.path, FrozenWeights::Int8);
  BOOST_TEST(message_of([&] { Frozen::load(folder.path, FrozenWeights::Int4); }) ==
             "vlm::ConfigError [weight-blocks]\n"
             "  tensor    model.language_model.layers.0.mlp.up_proj.weight\n"
             "  expected  numbers, to convert\n"
             "  got       blocks I8_BLOCKS\n"
             "  try       the folder that these blocks were made from, or take the weights as stored");
  write_blocks(DType::U8, {1, 576}, "2");
  BOOST_TEST(refusal<Frozen>(folder.path) ==
             "vlm::FileError [weight-blocks]\n"
             "  file      " +
                 folder.weights() +
                 "\n"
                 "  expected  vlm.weight_blocks 3 in its metadata\n"
                 "  got       2\n"
                 "  try       making the blocks again with this version of the library");
  write_blocks(DType::U8, {1, 577}, "3");
  BOOST_TEST(
      refusal<Frozen>(folder.path) ==
      "vlm::FileError [weights]\n"
      "  folder    " +
          folder.path +
          "\n"
          "  misshapen model.language_model.layers.0.mlp.up_proj.weight expected U8 [1, 576], [1, 448], "
          "[1, 1024] or [1, 1344], got U8 [1, 577]\n"
          "  try       take config.json and the weights from one checkpoint, and the type that fits it");
  using Learning = Model<One, Cpu, F32, Trainable<part::All>>;
  BOOST_TEST(message_of([&] { Learning::load(folder.path, FrozenWeights::Int8); }) ==
             "vlm::ConfigError [weight-blocks]\n"
             "  folder    " +
                 folder.path +
                 "\n"
                 "  expected  a model type without trained parts\n"
                 "  got       one that trains\n"
                 "  try       Model<Spec, Device>, or FrozenWeights::Stored");
}

// What loading takes: the weights, and at most one tensor beside them.
BOOST_AUTO_TEST_CASE(loading_takes_the_weights_and_one_tensor) {
  if (!can_measure()) {
    BOOST_TEST_MESSAGE("skipped: this system does not tell, or a sanitizer takes memory of its own");
    return;
  }
  const Folder folder;
  const Description description = write_model(folder.path);
  const std::size_t numbers = static_cast<std::size_t>(description.parameters());
  std::size_t largest = 0;
  for (const TensorDescription& t : description.tensors)
    largest = std::max(largest, static_cast<std::size_t>(t.count));
  constexpr std::size_t margin = std::size_t{4} << 20;  // whole pages and the lists of tensors
  BOOST_TEST(2 * numbers > 4 * margin);
  using Learning = Model<One, Cpu, F32, Trainable<part::All>>;
  BOOST_TEST(peak_of([&] { return Frozen::load(folder.path); }) < margin);
  BOOST_TEST(peak_of([&] { return Frozen::load(folder.path, FrozenWeights::F32); }) <
             4 * numbers + 2 * largest + margin);
  // A panel of its own for each thread, and a band of rows in f32.
  BOOST_TEST(peak_of([&] { return Frozen::load(folder.path, FrozenWeights::Int8); }) <
             numbers / 32 * 34 + 2 * largest + margin);
  BOOST_TEST(peak_of([&] { return Frozen::load(folder.path, FrozenWeights::Bf16); }) <
             (has_exponent_codes() ? numbers * 25 / 16 : 2 * numbers) + 2 * largest + margin);
  BOOST_TEST(peak_of([&] { return Learning::load(folder.path); }) < 8 * numbers + 2 * largest + margin);
}

BOOST_AUTO_TEST_SUITE_END()
