// A Recipe as JSON: its settings under their names, those of `adamw` and `parts` in objects of their own. What is
// absent keeps its default; paths are relative to the working directory.
//   {"start": "model", "data": ["a.jsonl", {"path": "b.jsonl", "weight": 0.5, "format": "sharegpt", "media": "pictures",
//                                           "question": "What is it?", "skip_bad_lines": true}],
//    "out": "runs/a", "rate_shape": "cosine",
//    "adamw": {"decay": 0.1}, "parts": {"encoder": {"learning_rate": 2e-6}}}
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/train/recipe.hpp>

namespace vlm {

namespace detail {

// Whether a setting may differ between the halves of a run that was interrupted.
enum class OnResume : std::uint8_t { Free, Fixed };

// Calls f(name, setting, on_resume) for every setting; a dot in a name opens an object.
template <class R, class F>
void for_each_setting(R& recipe, F&& f) {
  constexpr OnResume free = OnResume::Free, fixed = OnResume::Fixed;
  f("start", recipe.start, free);
  f("data", recipe.data, free);  // the loader compares what they hold
  f("validation", recipe.validation, free);
  f("out", recipe.out, free);
  f("steps", recipe.steps, fixed);
  f("context", recipe.context, fixed);
  f("micro_batches", recipe.micro_batches, fixed);
  f("learning_rate", recipe.learning_rate, fixed);
  f("end_rate", recipe.end_rate, fixed);
  f("warm_up", recipe.warm_up, fixed);
  f("rate_shape", recipe.rate_shape, fixed);
  f("adamw.beta1", recipe.adamw.beta1, fixed);
  f("adamw.beta2", recipe.adamw.beta2, fixed);
  f("adamw.eps", recipe.adamw.eps, fixed);
  f("adamw.decay", recipe.adamw.decay, fixed);
  f("adamw.decay_vectors", recipe.adamw.decay_vectors, fixed);
  f("adamw.decay_tables", recipe.adamw.decay_tables, fixed);
  f("adamw.clip", recipe.adamw.clip, fixed);
  const auto part = [&](const std::string& name, auto& settings) {
    f("parts." + name + ".learning_rate", settings.learning_rate, fixed);
    f("parts." + name + ".decay", settings.decay, fixed);
  };
  part("encoder", recipe.parts.encoder);
  part("merger", recipe.parts.merger);
  part("decoder", recipe.parts.decoder);
  part("head", recipe.parts.head);
  f("balance", recipe.balance, fixed);
  f("balance_scope", recipe.balance_scope, fixed);
  f("seed", recipe.seed, fixed);
  f("from_scratch", recipe.from_scratch, free);
  f("checkpoint_every", recipe.checkpoint_every, free);
  f("checkpoints_kept", recipe.checkpoints_kept, free);
  f("validate_every", recipe.validate_every, free);
  f("skipped_in_a_row", recipe.skipped_in_a_row, free);
  f("report_every", recipe.report_every, free);
  f("skip_bad_lines", recipe.skip_bad_lines, fixed);
  f("skip_too_long", recipe.skip_too_long, fixed);
  f("loader_threads", recipe.loader_threads, free);
  f("threads", recipe.threads, free);
  f("quiet", recipe.quiet, free);
}

inline constexpr std::array<std::pair<std::string_view, RateShape>, 3> rate_shapes{
    {{"cosine", RateShape::Cosine}, {"linear", RateShape::Linear}, {"constant", RateShape::Constant}}};
inline constexpr std::array<std::pair<std::string_view, RecordFormat>, 4> record_formats{
    {{"recognised", RecordFormat::Recognised},
     {"messages", RecordFormat::Messages},
     {"qwen-finetune", RecordFormat::QwenFinetune},
     {"sharegpt", RecordFormat::ShareGpt}}};
inline constexpr std::array<std::pair<std::string_view, BalanceScope>, 3> balance_scopes{
    {{"micro-batch", BalanceScope::MicroBatch},
     {"step-so-far", BalanceScope::StepSoFar},
     {"step", BalanceScope::Step}}};

[[noreturn]] inline void throw_setting(
    const Json& value, std::string expected, std::string got,
    std::string_view hint = "a value of those, or leaving the setting out") {
  throw ConfigError("recipe", {{"file", value.document()},
                               {"setting", value.path()},
                               {"expected", std::move(expected)},
                               {"got", std::move(got)},
                               {"try", std::string(hint)}});
}

template <class T, std::size_t N>
T named_value(const Json& value, const std::array<std::pair<std::string_view, T>, N>& names) {
  std::string known;
  for (const auto& [name, one] : names) {
    if (value.string() == name) return one;
    known.append(known.empty() ? "" : ", ").append(name);
  }
  throw_setting(value, "one of " + known, value.string());
}
template <class T, std::size_t N>
Json name_of(T value, const std::array<std::pair<std::string_view, T>, N>& names) {
  for (const auto& [name, one] : names)
    if (value == one) return name;
  return nullptr;
}

template <class T>
T integer_between(const Json& value, std::int64_t least, std::int64_t most) {
  const std::int64_t number = value.integer();
  if (number < least || number > most)
    throw_setting(value, "an integer from " + std::to_string(least) + " to " + std::to_string(most),
                  std::to_string(number));
  return static_cast<T>(number);
}

inline void read_setting(const Json& value, std::string& into) { into = value.string(); }
inline void read_setting(const Json& value, bool& into) { into = value.boolean(); }
inline void read_setting(const Json& value, double& into) { into = value.number(); }
inline void read_setting(const Json& value, float& into) { into = static_cast<float>(value.number()); }
inline void read_setting(const Json& value, std::optional<double>& into) { into = value.number(); }
inline void read_setting(const Json& value, Index& into) { into = value.integer(); }
inline void read_setting(const Json& value, int& into) {
  into = integer_between<int>(value, -0x7fffffff, 0x7fffffff);
}
inline void read_setting(const Json& value, std::uint64_t& into) {
  into = integer_between<std::uint64_t>(value, 0, 0x7fffffffffffffff);
}
inline void read_setting(const Json& value, RateShape& into) { into = named_value(value, rate_shapes); }
inline void read_setting(const Json& value, BalanceScope& into) { into = named_value(value, balance_scopes); }
inline void read_setting(const Json& value, std::vector<Source>& into) {
  into.clear();
  for (const Json& item : value.items()) {
    if (item.is_string()) {
      into.push_back({item.string()});
      continue;
    }
    Source source{item.at("path").string()};
    for (const auto& [name, member] : item.members()) {
      if (name == "weight")
        source.weight = member.number();
      else if (name == "format")
        source.format = named_value(member, record_formats);
      else if (name == "media")
        source.media = member.string();
      else if (name == "question")
        source.question = member.string();
      else if (name == "skip_bad_lines")
        source.bad_line = member.boolean() ? Unusable::Skip : Unusable::Refuse;
      else if (name != "path")
        throw_setting(member, "path, weight, format, media, question or skip_bad_lines", name);
    }
    into.push_back(std::move(source));
  }
}

inline Json setting_json(const std::string& value) { return value; }
inline Json setting_json(bool value) { return value; }
inline Json setting_json(double value) { return value; }
inline Json setting_json(float value) { return static_cast<double>(value); }
inline Json setting_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }
inline Json setting_json(Index value) { return value; }
inline Json setting_json(int value) { return value; }
inline Json setting_json(std::uint64_t value) { return static_cast<std::int64_t>(value); }
inline Json setting_json(RateShape value) { return name_of(value, rate_shapes); }
inline Json setting_json(BalanceScope value) { return name_of(value, balance_scopes); }
inline Json setting_json(const std::vector<Source>& sources) {
  Json list = Json::array();
  for (const Source& source : sources) {
    Json entry = Json::object({{"path", source.path}, {"weight", source.weight}});
    if (source.format != RecordFormat::Recognised)
      entry.set("format", name_of(source.format, record_formats));
    if (!source.media.empty()) entry.set("media", source.media);
    if (!source.question.empty()) entry.set("question", source.question);
    if (source.bad_line == Unusable::Skip) entry.set("skip_bad_lines", true);
    list.push_back(std::move(entry));
  }
  return list;
}

// Sets what the members of `object` name; `prefix` is the path of `object` with a dot behind it.
inline void read_settings(const Json& object, const std::string& prefix, Recipe& recipe) {
  for (const auto& [name, value] : object.members()) {
    const std::string path = prefix + name;
    bool known = false, opens = false;
    for_each_setting(recipe, [&](std::string_view setting, auto& into, OnResume) {
      opens = opens || setting.starts_with(path + ".");
      if (setting != path) return;
      known = true;
      read_setting(value, into);
    });
    if (opens)
      read_settings(value, path + ".", recipe);
    else if (!known)
      throw_setting(value, "a setting of a recipe", "one that it does not have",
                    "the names in include/vlm/train/recipe.hpp");
  }
}

}  // namespace detail

// Reads a JSON file strictly. Throws FileError where it cannot be read [file-open, json-syntax], and ConfigError that
// names the file and the setting where a name is unknown or a value cannot be [recipe], or is of another kind
// [json-type].
inline Recipe Recipe::load(const std::string& path) {
  Recipe recipe;
  detail::read_settings(parse_json(read_file(path), path), "", recipe);
  check_recipe_values(recipe, path);
  return recipe;
}

// What Recipe::load reads; parts keep what was given alone.
inline Json recipe_json(const Recipe& recipe) {
  Json top = Json::object();
  const auto put = [](Json& into, auto&& self, std::string_view name, Json value) -> void {
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) return into.set(name, std::move(value));
    const Json* present = into.find(name.substr(0, dot));
    Json inner = present ? *present : Json::object();
    self(inner, self, name.substr(dot + 1), std::move(value));
    into.set(name.substr(0, dot), std::move(inner));
  };
  detail::for_each_setting(recipe, [&](std::string_view name, const auto& setting, detail::OnResume) {
    if (Json value = detail::setting_json(setting); !value.is_null()) put(top, put, name, std::move(value));
  });
  return top;
}

// Throws ConfigError [resume-recipe] for the first setting, of those that a resumed run may not change, that differs.
inline void check_resumed_recipe(const Json& saved, const Recipe& here, const std::string& folder) {
  Recipe before;
  detail::read_settings(saved, "", before);
  std::vector<std::pair<std::string, std::string>> settings;
  detail::for_each_setting(before, [&](std::string_view name, const auto& setting, detail::OnResume) {
    settings.emplace_back(name, write_json(detail::setting_json(setting)));
  });
  std::size_t i = 0;
  detail::for_each_setting(here, [&](std::string_view name, const auto& setting, detail::OnResume rule) {
    const std::string now = write_json(detail::setting_json(setting)), &then = settings[i++].second;
    if (rule == detail::OnResume::Fixed && now != then)
      throw ConfigError("resume-recipe", {{"folder", folder},
                                          {"setting", std::string(name)},
                                          {"expected", then + ", as in the run that is resumed"},
                                          {"got", now},
                                          {"try", "the recipe of that run, or another `out`"}});
  });
}

}  // namespace vlm
