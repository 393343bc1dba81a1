#include <vlm/model/config.hpp>

#include <boost/test/unit_test.hpp>
#include <string>

#if !VLM_COMPILED
#include <vlm/io/json_definitions.hpp>
#endif

using namespace vlm;

namespace {

// The file of a released model, with small sizes; `replace` changes one place of it.
const std::string released = R"({
  "image_token_id": 90, "video_token_id": 91, "vision_start_token_id": 88, "vision_end_token_id": 89,
  "tie_word_embeddings": true, "model_type": "qwen3_vl", "transformers_version": "4.57.0.dev0",
  "text_config": {
    "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "rms_norm_eps": 1e-06, "intermediate_size": 48, "initializer_range": 0.03, "bos_token_id": null,
    "rope_theta": 5000000, "rope_scaling": {"rope_type": "default", "mrope_section": [4, 2, 2], "mrope_interleaved": true}
  },
  "vision_config": {
    "depth": 4, "hidden_size": 48, "intermediate_size": 60, "num_heads": 3, "in_channels": 3, "patch_size": 16,
    "temporal_patch_size": 2, "spatial_merge_size": 2, "num_position_embeddings": 2304, "out_hidden_size": 32,
    "deepstack_visual_indexes": [0, 1, 3]
  }
})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, "no " << from);
  return text.replace(at, from.size(), to);
}
std::string with(const std::string& from, const std::string& to) { return replaced(released, from, to); }

const std::string rope =
    R"("rope_theta": 5000000, "rope_scaling": {"rope_type": "default", "mrope_section": [4, 2, 2], "mrope_interleaved": true})";
const std::string dense = R"("intermediate_size": 48, "init)";
const std::string sparse =
    R"("num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "mlp_only_layers": [], "decoder_sparse_step": 1, "init)";

std::string refusal(const std::string& text) {
  try {
    ModelConfig::parse(text, "config.json");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

// The whole message of a contradiction.
std::string contradiction(const std::string& at, const std::string& expected, const std::string& got) {
  return "vlm::ConfigError [config-contradiction]\n  file      config.json\n  at        " + at +
         "\n  expected  " + expected + "\n  got       " + got +
         "\n  try       correct config.json, or take it from the checkpoint's source";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_config)

BOOST_AUTO_TEST_CASE(sizes_of_a_released_file) {
  const ModelConfig c = ModelConfig::parse(released, "config.json");
  BOOST_TEST(c.text.vocabulary == 100);
  BOOST_TEST(c.text.features == 32);
  BOOST_TEST(c.text.layers == 3);
  BOOST_TEST(c.text.heads == 4);
  BOOST_TEST(c.text.kv_heads == 2);
  BOOST_TEST(c.text.head_dim == 16);  // stated, never features / heads
  BOOST_TEST(c.text.intermediate == 48);
  BOOST_TEST(c.text.experts == 0);
  BOOST_TEST(c.text.norm_eps == 1e-6f);
  BOOST_TEST(c.text.rope_theta == 5e6);
  BOOST_TEST((c.text.rope_section == std::array<Index, 3>{4, 2, 2}));
  BOOST_TEST(c.vision.depth == 4);
  BOOST_TEST(c.vision.features == 48);
  BOOST_TEST(c.vision.head_dim() == 16);
  BOOST_TEST(c.vision.patch_features() == 1536);
  BOOST_TEST(c.vision.positions == 2304);
  BOOST_TEST(c.vision.taps == (std::vector<Index>{0, 1, 3}));
  BOOST_TEST(c.image_token == 90);
  BOOST_TEST(c.video_token == 91);
  BOOST_TEST(c.vision_start_token == 88);
  BOOST_TEST(c.vision_end_token == 89);
  BOOST_TEST(c.tied);
  BOOST_TEST(c.initial_deviation == 0.03f);
  BOOST_TEST(c.text_of_file == released);
}

BOOST_AUTO_TEST_CASE(rope_is_found_in_every_spelling) {
  const std::string section = R"("mrope_section": [4, 2, 2])";
  for (const std::string& spelling :
       {R"("rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0, )" + section + "}",
        R"("rope_scaling": null, "rope_parameters": {"rope_theta": 1000000.0, )" + section + "}",
        R"("rope_theta": 1000000, "rope_scaling": {"type": "mrope", )" + section + "}",
        R"("rope_theta": 7, "rope_parameters": {"rope_theta": 1e6, "type": "default", )" + section + "}",
        R"("rope_theta": 1e6, "rope_type": "default", )" + section,
        R"("rope_scaling": {"rope_theta": 1e6}, "type": "mrope", )" + section}) {
    BOOST_TEST_CONTEXT(spelling) {
      const ModelConfig c = ModelConfig::parse(with(rope, spelling), "config.json");
      BOOST_TEST(c.text.rope_theta == 1e6);
      BOOST_TEST((c.text.rope_section == std::array<Index, 3>{4, 2, 2}));
      BOOST_TEST(!c.text.rope_interleaved.has_value());
    }
  }
  BOOST_TEST(ModelConfig::parse(released, "c").text.rope_interleaved.value());
  BOOST_TEST(!ModelConfig::parse(with(R"("mrope_interleaved": true)", R"("mrope_interleaved": false)"), "c")
                  .text.rope_interleaved.value());
}

// The older spelling stands at the top, the newer one at either level.
BOOST_AUTO_TEST_CASE(yarn_is_read) {
  const auto yarn = [](const std::string& fields) {
    return ModelConfig::parse(with(R"("rope_type": "default")", R"("rope_type": "yarn", )" + fields), "c")
        .text.yarn.value();
  };
  BOOST_TEST(!ModelConfig::parse(released, "c").text.yarn.has_value());
  BOOST_TEST((yarn(R"("factor": 3.0, "original_max_position_embeddings": 262144)") == Yarn{.factor = 3}));
  const Yarn full = yarn(
      R"("factor": 2, "original_max_position_embeddings": 4096, "beta_fast": 16, "beta_slow": 2, "attention_factor": 1.5)");
  BOOST_TEST((full == Yarn{2, 4096, 16, 2, 1.5}));
  // Without a factor it is the ratio of the contexts.
  BOOST_TEST(yarn(R"("original_max_position_embeddings": 4096, "max_position_embeddings": 16384)").factor ==
             4);
}

BOOST_AUTO_TEST_CASE(dtype_in_every_spelling) {
  const std::string tied = R"("tie_word_embeddings": true, )", in_text = R"("hidden_size": 32, )";
  BOOST_TEST((ModelConfig::parse(released, "c").dtype == DType::F32));
  for (const char* key : {R"("torch_dtype": )", R"("dtype": )"})
    for (const auto& [name, dtype] :
         {std::pair{"bfloat16", DType::BF16}, {"float16", DType::F16}, {"float32", DType::F32}}) {
      const std::string member = std::string(key) + '"' + name + R"(", )";
      BOOST_TEST((ModelConfig::parse(with(tied, tied + member), "c").dtype == dtype));
      BOOST_TEST((ModelConfig::parse(with(in_text, in_text + member), "c").dtype == dtype));
    }
  BOOST_TEST(refusal(with(tied, tied + R"("torch_dtype": "float8", )")) ==
             contradiction("torch_dtype", "bfloat16, float16 or float32", "\"float8\""));
}

BOOST_AUTO_TEST_CASE(other_spellings) {
  BOOST_TEST(ModelConfig::parse(with("in_channels", "in_chans"), "c").vision.channels == 3);
  BOOST_TEST(ModelConfig::parse(with(R"("in_channels": 3, )", ""), "c").vision.channels == 3);
  for (const char* name : {"num_experts", "num_local_experts"}) {
    const std::string text = with(dense, replaced(sparse, "num_experts", name));
    const ModelConfig c = ModelConfig::parse(text, "c");
    BOOST_TEST(c.text.experts == 8);
    BOOST_TEST(c.text.chosen == 2);
    BOOST_TEST(c.text.expert_intermediate == 24);
  }
}

// The flag at the top decides; the one in text_config only where there is none.
BOOST_AUTO_TEST_CASE(tied_or_not) {
  const std::string flag = R"("tie_word_embeddings": true, )", in_text = R"("hidden_size": 32, )";
  const auto tied = [&](const std::string& top, const std::string& inner) {
    return ModelConfig::parse(replaced(with(flag, top), in_text, in_text + inner), "c").tied;
  };
  BOOST_TEST(tied(R"("tie_word_embeddings": true, )", R"("tie_word_embeddings": false, )"));
  BOOST_TEST(!tied(R"("tie_word_embeddings": false, )", R"("tie_word_embeddings": true, )"));
  BOOST_TEST(tied("", R"("tie_word_embeddings": true, )"));
  BOOST_TEST(tied(R"("tie_word_embeddings": null, )", R"("tie_word_embeddings": true, )"));
  BOOST_TEST(!tied("", ""));
}

BOOST_AUTO_TEST_CASE(contradictions_are_refused) {
  const std::pair<std::string, std::string> cases[] = {
      {with(R"("spatial_merge_size": 2)", R"("spatial_merge_size": 3)"),
       contradiction("vision_config.spatial_merge_size", "2", "3")},
      {with(R"("num_heads": 3)", R"("num_heads": 5)"),
       contradiction("vision_config.num_heads", "heads whose size is a multiple of 8",
                     "48 features in 5 heads")},
      {with(R"("num_heads": 3)", R"("num_heads": 4)"),
       contradiction("vision_config.num_heads", "heads whose size is a multiple of 8",
                     "48 features in 4 heads")},
      {with("2304", "2300"),
       contradiction("vision_config.num_position_embeddings", "a square number", "2300")},
      {with("[0, 1, 3]", "[0, 4]"),
       contradiction("vision_config.deepstack_visual_indexes[1]", "rising block indexes below depth 4", "4")},
      {with("[0, 1, 3]", "[1, 1]"),
       contradiction("vision_config.deepstack_visual_indexes[1]", "rising block indexes below depth 4", "1")},
      {with(R"("head_dim": 16)", R"("head_dim": 12)"),
       contradiction("text_config.head_dim", "a multiple of 8", "12")},
      {with(R"("num_key_value_heads": 2)", R"("num_key_value_heads": 3)"),
       contradiction("text_config.num_key_value_heads", "a divisor of num_attention_heads 4", "3")},
      {with(R"("out_hidden_size": 32)", R"("out_hidden_size": 40)"),
       contradiction("vision_config.out_hidden_size", "text_config.hidden_size 32", "40")},
      {with(R"("image_token_id": 90)", R"("image_token_id": 100)"),
       contradiction("image_token_id", "a token below vocab_size 100", "100")},
      {with(R"("video_token_id": 91)", R"("video_token_id": -1)"),
       contradiction("video_token_id", "a token below vocab_size 100", "-1")},
      {with("[4, 2, 2]", "[4, 2, 1]"),
       contradiction("text_config.rope_scaling.mrope_section", "three counts that sum to half of head_dim 16",
                     "[4, 2, 1] of 3")},
      {with("[4, 2, 2]", "[4, 4]"),
       contradiction("text_config.rope_scaling.mrope_section", "three counts that sum to half of head_dim 16",
                     "[4, 4, 0] of 2")},
      {with(R"("rope_type": "default")", R"("rope_type": "linear")"),
       contradiction("text_config.rope_scaling.rope_type",
                     "\"default\" or \"yarn\" (other kinds are not supported)", "\"linear\"")},
      {with(R"("rope_type": "default")", R"("rope_type": "yarn")"),
       contradiction("text_config.rope_scaling.factor", "a factor from 1 to 1000", "none")},
      {with(R"("rope_type": "default")", R"("rope_type": "yarn", "factor": 0.5)"),
       contradiction("text_config.rope_scaling.factor", "a factor from 1 to 1000", "a number: 0.5")},
      {with(R"("rope_type": "default")", R"("rope_type": "yarn", "factor": 2, "mscale": 1)"),
       contradiction("text_config.rope_scaling.mscale", "no such field; attention_factor says it",
                     "an integer: 1")},
      {with(dense, replaced(sparse, R"(_per_tok": 2)", R"(_per_tok": 9)")),
       contradiction("text_config.num_experts_per_tok", "at most num_experts 8", "9")},
      {with(dense, replaced(sparse, R"(layers": [])", R"(layers": [0])")),
       contradiction("text_config.mlp_only_layers", "every layer sparse",
                     "a mix of dense and sparse layers")},
      {with(dense, replaced(sparse, R"(step": 1)", R"(step": 2)")),
       contradiction("text_config.mlp_only_layers", "every layer sparse",
                     "a mix of dense and sparse layers")},
  };
  for (const auto& [text, message] : cases) BOOST_TEST(refusal(text) == message);
}

// Settings that would change the numbers are not passed over.
BOOST_AUTO_TEST_CASE(layers_that_we_do_not_have_are_refused) {
  const std::string in_text = R"("hidden_size": 32, )", in_vision = R"("depth": 4, )";
  const std::pair<std::string, std::string> cases[] = {
      {with(in_text, in_text + R"("hidden_act": "gelu", )"),
       contradiction("text_config.hidden_act", "\"silu\", which is what the layers compute", "\"gelu\"")},
      {with(in_vision, in_vision + R"("hidden_act": "silu", )"),
       contradiction("vision_config.hidden_act", "\"gelu_pytorch_tanh\", which is what the layers compute",
                     "\"silu\"")},
      {with(in_text, in_text + R"("attention_bias": true, )"),
       contradiction("text_config.attention_bias", "false; the layers have no such thing", "true")},
      {with(in_text, in_text + R"("use_sliding_window": true, )"),
       contradiction("text_config.use_sliding_window", "false; the layers have no such thing", "true")},
  };
  for (const auto& [text, message] : cases) BOOST_TEST(refusal(text) == message);
  BOOST_TEST(refusal(with(in_text, in_text + R"("hidden_act": "silu", "attention_bias": false,
    "use_sliding_window": false, "sliding_window": null, )")) == "no error");
}

// Sizes that no memory holds and numbers that make no sense end in one error, not in a crash.
BOOST_AUTO_TEST_CASE(hostile_numbers_are_refused) {
  const std::pair<std::string, std::string> cases[] = {
      {with(R"("num_hidden_layers": 3)", R"("num_hidden_layers": 2000000000)"),
       contradiction("text_config.num_hidden_layers", "at most 10000 blocks", "2000000000")},
      {with(R"("depth": 4)", R"("depth": 10001)"),
       contradiction("vision_config.depth", "at most 10000 blocks", "10001")},
      {with(R"("rms_norm_eps": 1e-06)", R"("rms_norm_eps": -1)"),
       contradiction("text_config.rms_norm_eps", "a positive number up to 1", "an integer: -1")},
      {with(R"("rms_norm_eps": 1e-06)", R"("rms_norm_eps": 0)"),
       contradiction("text_config.rms_norm_eps", "a positive number up to 1", "an integer: 0")},
      {with(R"("initializer_range": 0.03)", R"("initializer_range": 1e300)"),
       contradiction("text_config.initializer_range", "a number from 0 to 100", "a number: 1e+300")},
      {with(R"("rope_theta": 5000000)", R"("rope_theta": 0)"),
       contradiction("text_config.rope_theta", "a positive number", "0.000000")},
      {with(R"("head_dim": 16)", R"("head_dim": 2147483640)"),
       contradiction("text_config.head_dim", "at most 8192", "2147483640")},
      {with(R"("patch_size": 16)", R"("patch_size": 2000)"),
       contradiction("vision_config.patch_size", "at most 1024", "2000")},
  };
  for (const auto& [text, message] : cases) BOOST_TEST(refusal(text) == message);
}

// Fields that other programs write and that decide nothing here.
BOOST_AUTO_TEST_CASE(fields_without_a_meaning_here_are_read_over) {
  const std::string tied = R"("tie_word_embeddings": true, )", in_text = R"("hidden_size": 32, )";
  for (const std::string more :
       {R"("eos_token_id": [88, 89], "pad_token_id": null, )",
        R"("eos_token_id": 88, "suppress_tokens": null, )",
        R"("rope_scaling_note": {"a": [1]}, "num_experts": 0, )", R"("num_local_experts": null, )"})
    for (const std::string& place : {tied, in_text})
      BOOST_TEST(ModelConfig::parse(with(place, place + more), "c").text.experts == 0);
  for (const char* type : {"qwen3_vl", "qwen3_vl_vision", "qwen3_vl_moe_vision", "another"})
    BOOST_TEST(ModelConfig::parse(
                   with(R"("depth": 4)", std::string(R"("model_type": ")") + type + R"(", "depth": 4)"), "c")
                   .vision.depth == 4);
}

// Nothing is guessed: defaults of the reference's classes fit no released model.
BOOST_AUTO_TEST_CASE(required_sizes_must_be_there) {
  for (const std::string member :
       {R"("head_dim": 16, )", R"("vocab_size": 100, )", R"("rms_norm_eps": 1e-06, )"}) {
    const std::string name = member.substr(1, member.find('"', 1) - 1);
    BOOST_TEST(refusal(with(member, "")) ==
               "vlm::ConfigError [json-missing]\n  file      config.json\n  at        text_config." + name +
                   "\n  expected  a value\n  got       no member of this name\n  try       "
                   "add it, or check that this is the right file");
  }
  BOOST_TEST(
      refusal(with(rope, R"("rope_scaling": {"mrope_section": [4, 2, 2]})")).find("text_config.rope_theta") !=
      std::string::npos);
  BOOST_TEST(refusal("{}").find("at        text_config") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(sizes_are_positive_and_fit) {
  for (const std::string size : {"0", "-4", "2147483648"})
    BOOST_TEST(refusal(with(R"("vocab_size": 100)", R"("vocab_size": )" + size)) ==
               "vlm::ConfigError [config-size]\n  file      config.json\n  at        "
               "text_config.vocab_size\n  expected  "
               "a size from 1 to 2147483647\n  got       " +
                   size + "\n  try       correct config.json, or take it from the checkpoint's source");
  BOOST_TEST(refusal(with(R"("depth": 4)", R"("depth": "four")")).find("vision_config.depth") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_files_of_the_goldens_are_read) {
  BOOST_TEST(ModelConfig::load("tests/golden/cases/moe_00_text").text.experts > 0);
  BOOST_TEST(ModelConfig::load("tests/golden/cases/dense_00_text").text.experts == 0);
  BOOST_TEST(ModelConfig::load("tests/golden/cases/moe_00_text/config.json").text.experts > 0);
  BOOST_CHECK_THROW(ModelConfig::load("tests/golden/no_such_case"), FileError);
  BOOST_CHECK_THROW(ModelConfig::load("tests/golden/no_such_case.json"), FileError);
}

BOOST_AUTO_TEST_SUITE_END()
