#include <vlm/model/assemble.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>

#include "model/samples.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

template <class FeedForward, class Set = Trainable<>>
using Net =
    Model<Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, FeedForward>, Rope<InterleavedM>>,
          Cpu, F32, Set>;

using Shapes = std::vector<std::pair<std::string, std::vector<Index>>>;

// Numbers of a tensor, from its name.
std::vector<float> numbers(const std::string& name, const std::vector<Index>& shape) {
  Index count = 1;
  for (const Index size : shape) count *= size;
  std::vector<float> values(static_cast<std::size_t>(count));
  initialise(values, Initial::Normal, 5, name, 0.2f);
  return values;
}

void write_folder(const std::string& folder, const std::string& config, const Shapes& tensors) {
  SafetensorsWriter writer(folder + "/model.safetensors");
  for (const auto& [name, shape] : tensors) writer.declare(name, DType::F32, shape);
  for (const auto& [name, shape] : tensors)
    writer.write(name, std::as_bytes(std::span<const float>(numbers(name, shape))));
  writer.commit();
  write_file_atomically(folder + "/config.json", config);
}

// A SigLIP tower of 2 blocks, 16 features in 2 heads, patches of 4 pixels, 9 positions.
struct Siglip {
  bool alone = true, flat = true;

  std::string prefix() const { return alone ? "" : "vision_model."; }
  std::string config() const {
    const std::string vision =
        std::string(R"({"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
      "num_attention_heads": 2, "num_channels": 3, "patch_size": 4, "hidden_act": "gelu_pytorch_tanh",
      "layer_norm_eps": 1e-06, )") +
        (flat ? R"("num_patches": 9})" : R"("image_size": 12})");
    return alone ? vision
                 : R"({"model_type": "siglip2", "text_config": {"hidden_size": 5}, "vision_config": )" +
                       vision + "}";
  }
  Shapes tensors() const {
    Shapes list = {{"embeddings.patch_embedding.weight",
                    flat ? std::vector<Index>{16, 48} : std::vector<Index>{16, 3, 4, 4}},
                   {"embeddings.patch_embedding.bias", {16}},
                   {"embeddings.position_embedding.weight", {9, 16}},
                   {"post_layernorm.weight", {16}},
                   {"post_layernorm.bias", {16}},
                   {"head.probe", {1, 1, 16}}};
    for (const std::string layer : {"encoder.layers.0.", "encoder.layers.1."}) {
      for (const char* norm : {"layer_norm1", "layer_norm2"})
        for (const char* kind : {".weight", ".bias"}) list.push_back({layer + norm + kind, {16}});
      for (const char* projection : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
        list.push_back({layer + "self_attn." + projection + ".weight", {16, 16}});
        list.push_back({layer + "self_attn." + projection + ".bias", {16}});
      }
      list.push_back({layer + "mlp.fc1.weight", {24, 16}});
      list.push_back({layer + "mlp.fc1.bias", {24}});
      list.push_back({layer + "mlp.fc2.weight", {16, 24}});
      list.push_back({layer + "mlp.fc2.bias", {16}});
    }
    for (auto& [name, shape] : list) name = prefix() + name;
    if (!alone) {
      list.push_back({"logit_scale", {1}});
      list.push_back({"logit_bias", {1}});
      list.push_back({"text_model.head.bias", {5}});
    }
    return list;
  }
};

// A text-only decoder of 2 layers.
std::string text_config(bool sparse, bool tied, const std::string& more = "") {
  return std::string(R"({"model_type": ")") + (sparse ? "qwen3_moe" : "qwen3") +
         R"(", "architectures": ["X"], "vocab_size": 40,
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "rms_norm_eps": 1e-06, "intermediate_size": 48, "hidden_act": "silu", "max_position_embeddings": 512,
    "use_sliding_window": false, "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"}, )" +
         (sparse
              ? R"("num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "norm_topk_prob": true, )"
              : "") +
         more + R"("tie_word_embeddings": )" + (tied ? "true}" : "false}");
}
Shapes text_tensors(bool sparse, bool tied) {
  Shapes list = {{"model.embed_tokens.weight", {40, 32}}, {"model.norm.weight", {32}}};
  if (!tied) list.push_back({"lm_head.weight", {40, 32}});
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
      list.push_back({layer + norm + ".weight", {32}});
    for (const char* norm : {"q_norm", "k_norm"})
      list.push_back({layer + "self_attn." + norm + ".weight", {16}});
    for (const auto& [name, rows] : {std::pair{"q_proj", 64}, {"k_proj", 32}, {"v_proj", 32}})
      list.push_back({layer + "self_attn." + name + ".weight", {rows, 32}});
    list.push_back({layer + "self_attn.o_proj.weight", {32, 64}});
    const auto add_mlp = [&](const std::string& mlp, Index width) {
      list.push_back({mlp + "gate_proj.weight", {width, 32}});
      list.push_back({mlp + "up_proj.weight", {width, 32}});
      list.push_back({mlp + "down_proj.weight", {32, width}});
    };
    if (!sparse) add_mlp(layer + "mlp.", 48);
    if (sparse) list.push_back({layer + "mlp.gate.weight", {3, 32}});
    for (int e = 0; sparse && e < 3; ++e) add_mlp(layer + "mlp.experts." + std::to_string(e) + ".", 24);
  }
  return list;
}

struct Folders {
  TemporaryFolder encoder, decoder;
  Folders(const Siglip& siglip, bool sparse, bool tied, const std::string& more = "") {
    write_folder(encoder.path, siglip.config(), siglip.tensors());
    write_folder(decoder.path, text_config(sparse, tied, more), text_tensors(sparse, tied));
  }
  AssemblyParts parts() const {
    return {.encoder = encoder.path,
            .decoder = decoder.path,
            .taps = {0},
            .seed = 9,
            .image_token = 35,
            .video_token = 36,
            .vision_start_token = 33,
            .vision_end_token = 34};
  }
};

template <class M>
std::vector<float> value(const M& model, const std::string& name) {
  for (const Parameter& p : model.parameters())
    if (p.name == name) {
      const float* values = static_cast<const float*>(p.record->data());
      return {values, values + p.count};
    }
  throw std::logic_error("no parameter " + name);
}

Sample sample_of(const ModelConfig& config) {
  Sample sample = golden::draw_sample(config, ".i", {{1, 4, 6}}, 1);
  for (std::int32_t& token : sample.tokens)
    if (token >= 37) token = 3;
  return sample;
}

template <class M>
std::string refusal(const AssemblyParts& parts) {
  try {
    assemble<M>(parts);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_assemble)

BOOST_AUTO_TEST_CASE(a_tower_in_every_form_that_it_is_saved_in) {
  for (const bool alone : {false, true}) {
    for (const bool flat : {false, true}) {
      const Siglip siglip{.alone = alone, .flat = flat};
      const Folders folders(siglip, false, true);
      const auto model = assemble<Net<Dense>>(folders.parts());
      const std::string theirs = siglip.prefix(), layer = theirs + "encoder.layers.1.self_attn.";
      // q, k and v one below the other.
      for (const auto& [kind, shape] :
           {std::pair<std::string, std::vector<Index>>{".weight", {16, 16}}, {".bias", {16}}}) {
        std::vector<float> expected;
        for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
          const std::vector<float> part = numbers(layer + name + kind, shape);
          expected.insert(expected.end(), part.begin(), part.end());
        }
        BOOST_TEST(value(model, "model.visual.blocks.1.attn.qkv" + kind) == expected);
      }
      BOOST_TEST(value(model, "model.visual.blocks.0.mlp.linear_fc2.weight") ==
                 numbers(theirs + "encoder.layers.0.mlp.fc2.weight", {16, 24}));
      BOOST_TEST(value(model, "model.visual.pos_embed.weight") ==
                 numbers(theirs + "embeddings.position_embedding.weight", {9, 16}));
      // Both frames of a still image are equal: together their weights are those of the one frame.
      const std::vector<float> still = numbers(theirs + "embeddings.patch_embedding.weight", {16, 48});
      const std::vector<float> kernel = value(model, "model.visual.patch_embed.proj.weight");
      for (std::size_t o = 0; o < 16; ++o)
        for (std::size_t c = 0; c < 3; ++c)
          for (std::size_t at = 0; at < 16; ++at) {
            const float stored = still[o * 48 + (flat ? at * 3 + c : c * 16 + at)];
            for (std::size_t frame = 0; frame < 2; ++frame)
              BOOST_TEST(kernel[((o * 3 + c) * 2 + frame) * 16 + at] == 0.5f * stored);
          }
    }
  }
}

// Dense and sparse, with a head of its own or tied; trained or not. What is assembled saves as a checkpoint that loads.
BOOST_AUTO_TEST_CASE(assembled_models_are_models) {
  const auto check = [&]<class FeedForward>(FeedForward, bool tied) {
    const Folders folders({}, FeedForward::sparse, tied);
    const auto model = assemble<Net<FeedForward>>(folders.parts());
    const auto learner = assemble<Net<FeedForward, Trainable<part::All>>>(folders.parts());
    BOOST_TEST(model.config().tied == tied);
    BOOST_TEST((model.config().text.rope_section == RopeSection{4, 2, 2}));
    BOOST_TEST(model.config().text.rope_theta == 1e6);
    BOOST_TEST(value(model, "model.language_model.layers.1.self_attn.q_proj.weight") ==
               numbers("model.layers.1.self_attn.q_proj.weight", {64, 32}));
    const TemporaryFolder saved;
    model.save(saved.path);
    const auto loaded = Net<FeedForward>::load(saved.path);
    const Batch batch = golden::pack(model.config(), {sample_of(model.config())});
    const std::vector<float> hidden = golden::hidden_rows(model, batch, false);
    BOOST_TEST(golden::same_bits(golden::hidden_rows(learner, batch, false), hidden));
    BOOST_TEST(golden::same_bits(golden::hidden_rows(loaded, batch, false), hidden));
    // Mergers are new: the same from the same seed, others from another.
    AssemblyParts other = folders.parts();
    ++other.seed;
    const std::string merger = "model.visual.deepstack_merger_list.0.linear_fc1.weight";
    BOOST_TEST(value(learner, merger) == value(model, merger));
    BOOST_TEST(value(assemble<Net<FeedForward>>(other), merger) != value(model, merger));
  };
  check(Dense{}, true);
  check(Dense{}, false);
  check(MoE{}, true);
  check(MoE{}, false);
}

BOOST_AUTO_TEST_CASE(single_experts_are_turned) {
  const Folders folders({}, true, false);
  const auto model = assemble<Net<MoE>>(folders.parts());
  const std::vector<float> fused = value(model, "model.language_model.layers.0.mlp.experts.gate_up_proj");
  const std::vector<float> up = numbers("model.layers.0.mlp.experts.2.up_proj.weight", {24, 32});
  for (std::size_t i = 0; i < 32; ++i)
    for (std::size_t o = 0; o < 24; ++o) BOOST_TEST(fused[(2 * 32 + i) * 48 + 24 + o] == up[o * 32 + i]);
}

// The parts may come from models of the whole kind as well.
BOOST_AUTO_TEST_CASE(parts_of_a_whole_model) {
  const Folders folders({}, false, true);
  const auto first = assemble<Net<Dense>>(folders.parts());
  const TemporaryFolder whole;
  first.save(whole.path);
  AssemblyParts parts = folders.parts();
  parts.encoder = parts.decoder = whole.path;
  parts.section = RopeSection{2, 3, 3};
  const auto second = assemble<Net<Dense>>(parts);
  BOOST_TEST((second.config().text.rope_section == RopeSection{2, 3, 3}));
  for (const Parameter& p : first.parameters()) BOOST_TEST(value(second, p.name) == value(first, p.name));
}

// config.json of an assembled model is read by others as a Qwen3-VL.
BOOST_AUTO_TEST_CASE(configuration_of_an_assembled_model) {
  const Folders folders({}, true, false, R"("eos_token_id": [1, 2], )");
  const ModelConfig config = assembled_config(folders.parts());
  const Json json = parse_json(config.text_of_file, "config.json");
  BOOST_TEST(json.at("model_type").string() == "qwen3_vl_moe");
  BOOST_TEST(json.at("architectures").at(0u).string() == "Qwen3VLMoeForConditionalGeneration");
  const Json& text = json.at("text_config");
  BOOST_TEST(text.at("model_type").string() == "qwen3_vl_moe_text");
  BOOST_TEST(text.at("eos_token_id").items().size() == 2u);
  BOOST_TEST(text.at("max_position_embeddings").integer() == 512);
  BOOST_TEST(!text.find("rope_parameters"));
  BOOST_TEST(text.at("rope_scaling").at("mrope_interleaved").boolean());
  BOOST_TEST(json.at("vision_config").at("temporal_patch_size").integer() == 2);
  BOOST_TEST(config.vision.out_features == 32);
  BOOST_TEST(config.vision.positions == 9);
  BOOST_TEST((detail::released_section(128) == RopeSection{24, 20, 20}));
}

// A decoder of a stretched context keeps it.
BOOST_AUTO_TEST_CASE(yarn_of_the_decoder_is_kept) {
  const std::string yarn = R"("rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0,
    "original_max_position_embeddings": 128, "beta_fast": 24)";
  for (const std::string more : {"", R"(, "attention_factor": 1.5)"}) {
    const Folders folders({}, false, true, "\"rope_scaling\": {" + yarn + more + "}, ");
    const TextSizes& text = assembled_config(folders.parts()).text;
    BOOST_REQUIRE(text.yarn.has_value());
    BOOST_TEST(text.rope_theta == 1e6);
    BOOST_TEST(text.yarn->factor == 4);
    BOOST_TEST(text.yarn->original_positions == 128);
    BOOST_TEST(text.yarn->beta_fast == 24);
    BOOST_TEST(text.yarn->attention_factor.has_value() == !more.empty());
  }
}

BOOST_AUTO_TEST_CASE(folders_that_do_not_fit_are_refused) {
  Folders folders({}, false, true);
  Shapes tensors = Siglip{}.tensors();
  std::erase_if(tensors, [](const auto& t) { return t.first == "encoder.layers.0.self_attn.k_proj.bias"; });
  tensors.push_back({"encoder.layers.0.extra", {2}});
  tensors[0].second = {16, 24, 2};
  write_folder(folders.encoder.path, Siglip{}.config(), tensors);
  BOOST_TEST(
      refusal<Net<Dense>>(folders.parts()) ==
      "vlm::FileError [weights]\n  folder    " + folders.encoder.path +
          "\n  missing   encoder.layers.0.self_attn.k_proj.bias [16]\n  surplus   encoder.layers.0.extra [2]"
          "\n  misshapen embeddings.patch_embedding.weight expected F32 or BF16 [16, 3, 4, 4], got F32 [16, "
          "24, 2]"
          "\n  try       take config.json and the weights from one checkpoint, and the type that fits it");

  const Folders sparse({}, true, false);
  BOOST_TEST(
      refusal<Net<Dense>>(sparse.parts()) ==
      "vlm::ConfigError [config-type]\n  at        text_config\n  expected  no num_experts, as the type has "
      "Decoder<..., Dense>\n  got       3 experts\n  try       a model type that fits config.json");
  AssemblyParts taps = folders.parts();
  taps.taps = {2};
  BOOST_TEST(refusal<Net<Dense>>(taps) ==
             "vlm::ConfigError [config-contradiction]\n  file      assembled config.json\n  at        "
             "vision_config.deepstack_visual_indexes[0]\n  expected  rising block indexes below depth 2\n  "
             "got       2\n"
             "  try       correct config.json, or take it from the checkpoint's source");

  const Folders raw({}, true, false, R"("norm_topk_prob": false, )");
  BOOST_TEST(refusal<Net<MoE>>(raw.parts()).find("norm_topk_prob") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
