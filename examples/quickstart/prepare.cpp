// prepare CORPUS OUT: makes the folder that the quick start begins with: a tokenizer trained on the corpus,
// the configuration of a small model, and the settings of its pictures. The weights come from the first
// stage's seed.
// test: prepare {toy}/corpus.txt start
#include <cstdio>
#include <string>

#include <vlm/vlm.hpp>

#include "../command_line.hpp"

namespace {

using vlm::Json;

Json integers(std::initializer_list<int> values) {
  Json list = Json::array();
  for (int value : values) list.push_back(value);
  return list;
}

// A photograph of 28 x 28 pixels is 16 patches and becomes 4 visual tokens; a collage is four times that.
Json vision_config() {
  Json vision = Json::object();
  for (const auto& [name, size] : {std::pair{"depth", 4},
                                   {"hidden_size", 128},
                                   {"intermediate_size", 512},
                                   {"num_heads", 4},
                                   {"in_channels", 3},
                                   {"patch_size", 7},
                                   {"temporal_patch_size", 2},
                                   {"spatial_merge_size", 2},
                                   {"num_position_embeddings", 64},
                                   {"out_hidden_size", 128}})
    vision.set(name, size);
  vision.set("deepstack_visual_indexes", integers({1, 2, 3}));
  return vision;
}

Json text_config(int vocabulary) {
  Json text = Json::object();
  for (const auto& [name, size] : {std::pair{"vocab_size", vocabulary},
                                   {"hidden_size", 128},
                                   {"num_hidden_layers", 4},
                                   {"num_attention_heads", 4},
                                   {"num_key_value_heads", 2},
                                   {"head_dim", 32},
                                   {"intermediate_size", 256}})
    text.set(name, size);
  text.set("rms_norm_eps", 1e-6);
  text.set("rope_theta", 10000.0);
  text.set("initializer_range", 0.05);
  Json rope = Json::object();
  rope.set("rope_type", "default");
  rope.set("mrope_section", integers({6, 5, 5}));
  rope.set("mrope_interleaved", true);
  text.set("rope_scaling", rope);
  return text;
}

Json model_config(const vlm::Tokenizer& tokenizer) {
  const auto id = [&](const char* token) {
    return static_cast<std::int64_t>(tokenizer.id_of(token).value());
  };
  Json config = Json::object();
  config.set("model_type", "qwen3_vl");
  config.set("image_token_id", id("<|image_pad|>"));
  config.set("video_token_id", id("<|video_pad|>"));
  config.set("vision_start_token_id", id("<|vision_start|>"));
  config.set("vision_end_token_id", id("<|vision_end|>"));
  config.set("tie_word_embeddings", true);
  config.set("text_config", text_config(static_cast<int>((tokenizer.vocabulary_size() + 15) / 16 * 16)));
  config.set("vision_config", vision_config());
  return config;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Makes the folder that the quick start begins with.");
  std::string corpus, out;
  app.add_option("CORPUS", corpus, "text that the tokenizer is trained on")->required();
  app.add_option("OUT", out, "folder to write")->required();
  return example::run(app, count, arguments, [&] {
    vlm::make_folder(out);
    const vlm::Tokenizer tokenizer = vlm::train_tokenizer(vlm::read_file(corpus), {.vocabulary = 640});
    vlm::save_tokenizer(tokenizer, out + "/tokenizer.json");
    vlm::write_file_atomically(out + "/config.json", vlm::write_json(model_config(tokenizer), 2));
    const vlm::ImageSettings pictures{.patch_size = 7,
                                      .budget = {.min_pixels = 28 * 28, .max_pixels = 56 * 56}};
    vlm::write_file_atomically(out + "/preprocessor_config.json", vlm::write_json(pictures.to_json(), 2));
    std::printf("%s: %zu tokens\n", out.c_str(), tokenizer.vocabulary_size());
    return 0;
  });
}
