// ReplySettings: how an answer is made, and ReplyDefaults: what holds where the settings leave something open, from the
// checkpoint's generation_config.json, or else the published values of its kind.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/infer/repetition_guard.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/ops/sample.hpp>
#include <vlm/text/chat_template.hpp>
#include <vlm/text/tokenizer.hpp>

namespace vlm {

// Whether the pieces of a reply are the answer alone, or the thoughts before it too.
enum class Thoughts : std::uint8_t { Hide, Show };

struct ReplySettings {
  std::optional<Index> max_tokens{};       // of the answer, thoughts not counted
  std::optional<Index> thinking_tokens{};  // of the thoughts, which are closed when they come to so many
  // 0: greedy; then presence and frequency penalties that are not stated here are 0.
  std::optional<float> temperature{};
  std::optional<std::int32_t> top_k{};  // 0: all
  std::optional<float> top_p{}, min_p{}, repetition_penalty{}, presence_penalty{}, frequency_penalty{};
  std::uint64_t seed = 0;           // the same chat with the same seed gives the same answer
  std::vector<std::string> stop{};  // texts that end the answer and are no part of it
  RepetitionGuardSettings guard{};
  Thoughts thoughts = Thoughts::Hide;
  bool log_probabilities = false;
  std::stop_token cancel{};  // ends the reply from any thread
};

// The open settings of a checkpoint.
struct ReplyDefaults {
  SampleSettings sampling;
  Index max_tokens = 0, thinking_tokens = 0;
  std::vector<std::int32_t> end_tokens;

  // The published values, without and with pictures in the conversation. Source: the model cards of Qwen3-VL.
  static ReplyDefaults published(ChatVariant variant, bool pictures) {
    ReplyDefaults defaults;
    SampleSettings& s = defaults.sampling;
    defaults.max_tokens = pictures ? 16384 : 32768;
    if (variant == ChatVariant::Thinking) {
      s.temperature = 1.0f;
      s.top_p = 0.95f;
      s.top_k = 20;
      defaults.max_tokens = defaults.thinking_tokens = 40960;
    } else if (pictures) {
      s.temperature = 0.7f;
      s.top_p = 0.8f;
      s.top_k = 20;
      s.presence_penalty = 1.5f;
    } else {
      s.temperature = 1.0f;
      s.top_p = 1.0f;
      s.top_k = 40;
      s.presence_penalty = 2.0f;
    }
    return defaults;
  }
};

// What generation_config.json of a checkpoint states; all is open where there is none. Its values go before the
// published ones.
class GenerationConfig {
 public:
  GenerationConfig() = default;
  // Throws ConfigError [json-type] and [generation-config].
  static GenerationConfig load(const std::string& folder) {
    const std::string path = folder + "/generation_config.json";
    return file_exists(path) ? from_json(parse_json(read_file(path), path)) : GenerationConfig();
  }
  static GenerationConfig from_json(const Json& json) {
    GenerationConfig config;
    const auto find = [&](std::string_view name) -> const Json* {
      const Json* value = json.find(name);
      return value && !value->is_null() ? value : nullptr;
    };
    const auto number = [&](std::string_view name, std::optional<float>& into) {
      if (const Json* value = find(name)) into = static_cast<float>(value->number());
    };
    const auto integer = [&](const Json& value) {
      const std::int64_t got = value.integer();
      if (got < 0 || got > 0x7fffffff)
        throw ConfigError("generation-config", {{"file", value.document()},
                                                {"at", value.path()},
                                                {"expected", "an integer from 0 to 2147483647"},
                                                {"got", std::to_string(got)},
                                                {"try", "generation_config.json of the published model"}});
      return static_cast<std::int32_t>(got);
    };
    ReplySettings& s = config.stated_;
    number("temperature", s.temperature);
    number("top_p", s.top_p);
    number("min_p", s.min_p);
    number("repetition_penalty", s.repetition_penalty);
    number("presence_penalty", s.presence_penalty);
    number("frequency_penalty", s.frequency_penalty);
    if (const Json* value = find("top_k")) s.top_k = integer(*value);
    if (const Json* value = find("max_new_tokens")) s.max_tokens = integer(*value);
    if (const Json* value = find("do_sample"); value && !value->boolean()) s.temperature = 0.0f;
    if (const Json* value = find("eos_token_id")) {
      if (value->is_array())
        for (const Json& token : value->items()) config.end_tokens_.push_back(integer(token));
      else
        config.end_tokens_.push_back(integer(*value));
    }
    return config;
  }

  // The defaults of a checkpoint of this kind.
  ReplyDefaults defaults(ChatVariant variant, bool pictures, const Tokenizer& tokenizer) const {
    ReplyDefaults defaults = ReplyDefaults::published(variant, pictures);
    defaults.sampling = apply(stated_, defaults.sampling);
    defaults.max_tokens = stated_.max_tokens.value_or(defaults.max_tokens);
    defaults.end_tokens = end_tokens_;
    if (end_tokens_.empty())
      for (const char* text : {"<|im_end|>", "<|endoftext|>"})
        if (const auto id = tokenizer.id_of(text)) defaults.end_tokens.push_back(*id);
    return defaults;
  }

  // The settings where they say something, else the defaults. Throws ConfigError [sample-settings].
  static SampleSettings apply(const ReplySettings& settings, const SampleSettings& defaults) {
    SampleSettings s = defaults;
    s.temperature = settings.temperature.value_or(s.temperature);
    s.top_k = settings.top_k.value_or(s.top_k);
    s.top_p = settings.top_p.value_or(s.top_p);
    s.min_p = settings.min_p.value_or(s.min_p);
    s.repetition_penalty = settings.repetition_penalty.value_or(s.repetition_penalty);
    const bool greedy = settings.temperature && *settings.temperature == 0;
    s.presence_penalty = settings.presence_penalty.value_or(greedy ? 0.0f : s.presence_penalty);
    s.frequency_penalty = settings.frequency_penalty.value_or(greedy ? 0.0f : s.frequency_penalty);
    check_sample_settings(s);
    return s;
  }

 private:
  ReplySettings stated_;
  std::vector<std::int32_t> end_tokens_;
};

// Greedy answers are free of penalties, as those that others compute.
inline ReplySettings greedy(ReplySettings settings = {}) {
  settings.temperature = 0.0f;
  settings.repetition_penalty = 1.0f;
  settings.presence_penalty = settings.frequency_penalty = 0.0f;
  return settings;
}

}  // namespace vlm
