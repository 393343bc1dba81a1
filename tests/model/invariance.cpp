// The bits of a hidden row depend on its own inputs alone; and mistakes that would crash nowhere:
// each must be seen.
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "model/samples.hpp"

using namespace vlm;
using golden::draw_sample, golden::hidden_rows, golden::pack, golden::same_bits;

namespace {

// One random tiny model of each kind, with every tensor of it random.
template <class Spec>
golden::Run<Spec>& model() {
  static golden::Run<Spec> run(golden::Case(Spec::sparse ? "moe_04_image_video" : "dense_04_image_video"),
                               77);
  return run;
}
template <class Spec>
const ModelConfig& config() {
  return model<Spec>().net.config();
}

template <class Spec>
std::vector<Sample> samples() {
  return {draw_sample(config<Spec>(), ".......", {}, 1),
          draw_sample(config<Spec>(), "..i...", {{1, 4, 6}}, 2),
          draw_sample(config<Spec>(), ".v..", {{2, 4, 4}}, 3), draw_sample(config<Spec>(), ".", {}, 4),
          draw_sample(config<Spec>(), ".i.v.i..", {{1, 2, 2}, {3, 2, 4}, {1, 6, 4}}, 5)};
}

template <class Spec>
std::vector<float> hidden(const std::vector<Sample>& list, int threads = 2) {
  return hidden_rows(model<Spec>().net, pack(config<Spec>(), list), false, threads);
}
std::vector<float> hidden_of(const Batch& batch) { return hidden_rows(model<Qwen3VL>().net, batch, false); }

// Rows [first, end) of the dense model's hidden rows.
std::span<const float> rows(const std::vector<float>& values, std::size_t first, std::size_t end) {
  const auto features = static_cast<std::size_t>(model<Qwen3VL>().net.features());
  return {values.data() + first * features, (end - first) * features};
}

template <class Spec>
void check_packing() {
  const std::vector<Sample> list = samples<Spec>();
  const std::vector<std::vector<std::size_t>> orders = {
      {0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 2, 0, 1}, {3, 1}};
  for (const std::vector<std::size_t>& order : orders) {
    std::vector<Sample> chosen;
    std::vector<float> separate;
    for (const std::size_t i : order) {
      chosen.push_back(list[i]);
      const std::vector<float> alone = hidden<Spec>({list[i]});
      separate.insert(separate.end(), alone.begin(), alone.end());
    }
    BOOST_TEST(same_bits(hidden<Spec>(chosen), separate));
  }
}

template <class Spec>
void check_threads() {
  golden::Run<Spec>& run = model<Spec>();
  const Batch batch = pack(config<Spec>(), samples<Spec>());
  std::vector<float> expected_hidden;
  std::vector<std::vector<float>> expected;
  double loss = 0;
  for (const int threads : {1, 2, 7}) {
    Runtime<Cpu> runtime(threads);
    run.forward_and_backward(runtime, batch);
    if (threads == 1) {
      expected_hidden = run.hidden;
      loss = run.loss;
      for (const Parameter& p : run.net.parameters())
        expected.emplace_back(p.gradient.begin(), p.gradient.end());
      continue;
    }
    BOOST_TEST(same_bits(run.hidden, expected_hidden));
    BOOST_TEST(run.loss == loss);
    for (std::size_t i = 0; i < expected.size(); ++i)
      BOOST_TEST(same_bits(run.net.parameters()[i].gradient, expected[i]), run.net.parameters()[i].name);
  }
}

template <class Spec>
void check_levels(const std::string& folder) {
  const golden::Case test(folder);
  const auto logits = golden::values_of<float>(test.file, "logits");
  for (int level = 0; level <= static_cast<int>(best_isa_level()); ++level)
    BOOST_TEST_CONTEXT(folder << " at " << name_of(static_cast<IsaLevel>(level))) {
      golden::Run<Spec> run(test, test.seed);
      Runtime<Cpu> runtime(2, static_cast<IsaLevel>(level));
      run.forward_and_backward(runtime, pack(test.config, {test.sample()}));
      BOOST_REQUIRE_EQUAL(run.logits.size(), logits.size());
      BOOST_TEST(golden::largest_difference(run.logits, logits) <= 1e-4f);
    }
}

const std::string image_only = "...i...";

}  // namespace

BOOST_AUTO_TEST_SUITE(model_invariance)

BOOST_AUTO_TEST_CASE(pitfall_19_packed_equals_separate) {
  check_packing<Qwen3VL>();
  check_packing<Qwen3VLMoE>();
}

// A packed batch that is split between samples gives the same rows in two passes, wherever it is split.
BOOST_AUTO_TEST_CASE(pitfall_19_a_batch_split_at_every_point_gives_the_same_bits) {
  const auto check = [](auto spec) {
    using Spec = decltype(spec);
    const std::vector<Sample> list = samples<Spec>();
    const std::vector<float> whole = hidden<Spec>(list);
    for (std::size_t at = 1; at < list.size(); ++at) {
      const auto middle = list.begin() + static_cast<std::ptrdiff_t>(at);
      std::vector<float> parts = hidden<Spec>({list.begin(), middle});
      const std::vector<float> rest = hidden<Spec>({middle, list.end()});
      parts.insert(parts.end(), rest.begin(), rest.end());
      BOOST_TEST(same_bits(parts, whole), "split before sample " << at);
    }
  };
  check(Qwen3VL());
  check(Qwen3VLMoE());
}

BOOST_AUTO_TEST_CASE(threads_change_no_bit) {
  check_threads<Qwen3VL>();
  check_threads<Qwen3VLMoE>();
}

BOOST_AUTO_TEST_CASE(each_instruction_set_level_agrees_with_the_reference) {
  check_levels<Qwen3VL>("dense_02_two_images");
  check_levels<Qwen3VL>("dense_04_image_video");
  check_levels<Qwen3VLMoE>("moe_04_image_video");
}

// A later token changes no row before it.
BOOST_AUTO_TEST_CASE(a_row_does_not_see_the_future) {
  Sample sample = draw_sample(config<Qwen3VL>(), "..i...", {{1, 4, 4}}, 6);
  const std::vector<float> before = hidden<Qwen3VL>({sample});
  const std::size_t last = sample.tokens.size() - 1;
  sample.tokens[last] = (sample.tokens[last] + 1) % 100;
  const std::vector<float> after = hidden<Qwen3VL>({sample});
  BOOST_TEST(same_bits(rows(before, 0, last), rows(after, 0, last)));
  BOOST_TEST(!same_bits(rows(before, last, last + 1), rows(after, last, last + 1)));
}

// A still picture fills its temporal patch with the same frame twice: both slices of the kernel are read. And the bias
// of the patch embedding is.
BOOST_AUTO_TEST_CASE(pitfall_06_both_temporal_slices_and_the_bias_count) {
  golden::Run<Qwen3VL>& run = model<Qwen3VL>();
  const VisionSizes& n = config<Qwen3VL>().vision;
  const Sample sample = draw_sample(config<Qwen3VL>(), image_only, {{1, 4, 4}}, 12);
  const std::size_t last = sample.tokens.size() - 1;
  const std::vector<float> before = hidden<Qwen3VL>({sample});
  const auto slice = static_cast<std::size_t>(n.patch_size * n.patch_size);
  for (std::size_t frame = 0; frame < 2; ++frame) {
    Sample half = sample;  // features are ordered (channel, time, y, x)
    for (std::size_t i = 0; i < half.image_patches.size(); ++i)
      if (i / slice % 2 == frame) half.image_patches[i] = 0;
    const std::vector<float> after = hidden<Qwen3VL>({half});
    BOOST_TEST(!same_bits(rows(before, last, last + 1), rows(after, last, last + 1)));
  }
  for (Parameter& p : run.net.parameters()) {
    if (p.name != "model.visual.patch_embed.proj.bias") continue;
    const std::vector<float> bias(p.value.begin(), p.value.end());
    BOOST_TEST(std::all_of(bias.begin(), bias.end(), [](float value) { return value != 0; }));
    std::fill(p.value.begin(), p.value.end(), 0.0f);
    const std::vector<float> after = hidden<Qwen3VL>({sample});
    std::copy(bias.begin(), bias.end(), p.value.begin());
    BOOST_TEST(!same_bits(rows(before, last, last + 1), rows(after, last, last + 1)));
  }
}

BOOST_AUTO_TEST_CASE(pitfall_07_shuffled_patches_change_the_output) {
  const Sample sample = draw_sample(config<Qwen3VL>(), image_only, {{1, 4, 6}}, 7);
  const std::vector<float> before = hidden<Qwen3VL>({sample});
  const auto features = static_cast<std::ptrdiff_t>(config<Qwen3VL>().vision.patch_features());
  // Within a window, between windows, and merge-window order taken for raster order.
  for (const auto& [a, b] : {std::pair<std::ptrdiff_t, std::ptrdiff_t>{1, 2}, {0, 4}, {2, 6}}) {
    Sample shuffled = sample;
    const auto first = shuffled.image_patches.begin();
    std::swap_ranges(first + a * features, first + (a + 1) * features, first + b * features);
    const std::vector<float> after = hidden<Qwen3VL>({shuffled});
    const std::size_t last = sample.tokens.size() - 1;
    BOOST_TEST(!same_bits(rows(before, last, last + 1), rows(after, last, last + 1)));
  }
}

// A model without DeepStack is fluent and wrong: each tap changes what follows the picture.
BOOST_AUTO_TEST_CASE(pitfall_08_every_tap_counts) {
  golden::Run<Qwen3VL>& run = model<Qwen3VL>();
  const Sample sample = draw_sample(config<Qwen3VL>(), image_only, {{1, 4, 6}}, 8);
  const Sample text = draw_sample(config<Qwen3VL>(), "....", {}, 8);
  const std::vector<float> before = hidden<Qwen3VL>({sample}), without_picture = hidden<Qwen3VL>({text});
  for (int tap = 0; tap < 3; ++tap) {
    std::vector<std::pair<Parameter*, std::vector<float>>> saved;
    for (Parameter& p : run.net.parameters())
      if (p.name.starts_with("model.visual.deepstack_merger_list." + std::to_string(tap) + ".linear_fc2.")) {
        saved.emplace_back(&p, std::vector<float>(p.value.begin(), p.value.end()));
        std::fill(p.value.begin(), p.value.end(), 0.0f);
      }
    BOOST_TEST(saved.size() == 2u);
    const std::vector<float> after = hidden<Qwen3VL>({sample});
    BOOST_TEST(same_bits(hidden<Qwen3VL>({text}), without_picture));
    for (auto& [p, values] : saved) std::copy(values.begin(), values.end(), p->value.begin());
    // Before the picture nothing changes, behind it everything does.
    BOOST_TEST(same_bits(rows(before, 0, 4), rows(after, 0, 4)));
    const std::size_t last = sample.tokens.size() - 1;
    BOOST_TEST(!same_bits(rows(before, last, last + 1), rows(after, last, last + 1)));
  }
  BOOST_TEST(same_bits(hidden<Qwen3VL>({sample}), before));
}

// Each tap is added after its own decoder block: with two of them exchanged the output is another.
BOOST_AUTO_TEST_CASE(pitfall_08_taps_belong_to_their_blocks) {
  golden::Run<Qwen3VL>& run = model<Qwen3VL>();
  const Sample sample = draw_sample(config<Qwen3VL>(), image_only, {{1, 4, 6}}, 8);
  const std::vector<float> before = hidden<Qwen3VL>({sample});
  const auto exchange = [&] {
    const std::string prefix = "model.visual.deepstack_merger_list.";
    for (Parameter& a : run.net.parameters())
      for (Parameter& b : run.net.parameters())
        if (a.name.starts_with(prefix + "0.") && b.name == prefix + "1." + a.name.substr(prefix.size() + 2))
          std::swap_ranges(a.value.begin(), a.value.end(), b.value.begin());
  };
  exchange();
  const std::vector<float> after = hidden<Qwen3VL>({sample});
  exchange();
  const std::size_t last = sample.tokens.size() - 1;
  BOOST_TEST(!same_bits(rows(before, last, last + 1), rows(after, last, last + 1)));
  BOOST_TEST(same_bits(hidden<Qwen3VL>({sample}), before));
}

BOOST_AUTO_TEST_CASE(pitfall_09_a_transposed_picture_is_another_picture) {
  const Sample wide = draw_sample(config<Qwen3VL>(), image_only, {{1, 4, 6}}, 9);
  Sample tall = wide;
  tall.images = {{1, 6, 4}};
  const auto features = static_cast<std::size_t>(config<Qwen3VL>().vision.patch_features());
  const auto place = [](std::size_t row, std::size_t column, std::size_t width) {
    return ((row / 2) * (width / 2) + column / 2) * 4 + (row % 2) * 2 + column % 2;
  };
  for (std::size_t row = 0; row < 4; ++row)
    for (std::size_t column = 0; column < 6; ++column)
      std::copy_n(&wide.image_patches[place(row, column, 6) * features], features,
                  &tall.image_patches[place(column, row, 4) * features]);
  const std::size_t last = wide.tokens.size() - 1;
  const std::vector<float> a = hidden<Qwen3VL>({wide}), b = hidden<Qwen3VL>({tall});
  BOOST_TEST(same_bits(rows(a, 0, 4), rows(b, 0, 4)));
  BOOST_TEST(!same_bits(rows(a, last, last + 1), rows(b, last, last + 1)));
}

// The same picture, with one position axis after another put on the counter of the tokens.
BOOST_AUTO_TEST_CASE(pitfall_12_all_three_position_axes_are_read) {
  const Batch batch = pack(config<Qwen3VL>(), {draw_sample(config<Qwen3VL>(), image_only, {{1, 6, 6}}, 10)});
  const std::vector<float> before = hidden_of(batch);
  const std::size_t last = batch.tokens.size() - 1;
  for (int axis = 0; axis < 3; ++axis) {
    Batch flat = batch;
    for (std::size_t i = 0; i < flat.axes[axis].size(); ++i)
      flat.axes[axis][i] = static_cast<std::int32_t>(i);
    const std::vector<float> after = hidden_of(flat);
    BOOST_TEST(!same_bits(rows(before, last, last + 1), rows(after, last, last + 1)));
  }
  Batch swapped = batch;
  std::swap(swapped.axes[1], swapped.axes[2]);
  const std::vector<float> after = hidden_of(swapped);
  BOOST_TEST(!same_bits(rows(before, last, last + 1), rows(after, last, last + 1)));
}

// Two pictures of one size are two pictures: the first one's rows do not know the
// second, whose pixels matter.
BOOST_AUTO_TEST_CASE(pitfall_16_two_pictures_are_not_one) {
  const Sample sample = draw_sample(config<Qwen3VL>(), ".i.i.", {{1, 4, 4}, {1, 4, 4}}, 11);
  Sample darker = sample;
  const std::size_t half = sample.image_patches.size() / 2;
  for (std::size_t i = half; i < 2 * half; ++i) darker.image_patches[i] *= 0.5f;
  Sample exchanged = sample;
  std::swap_ranges(exchanged.image_patches.begin(),
                   exchanged.image_patches.begin() + static_cast<std::ptrdiff_t>(half),
                   exchanged.image_patches.begin() + static_cast<std::ptrdiff_t>(half));
  const std::vector<float> before = hidden<Qwen3VL>({sample}), dark = hidden<Qwen3VL>({darker});
  constexpr std::size_t second = 1 + 6 + 1 + 1;  // where the second picture's tokens begin
  BOOST_TEST(same_bits(rows(before, 0, second), rows(dark, 0, second)));
  const std::size_t last = sample.tokens.size() - 1;
  BOOST_TEST(!same_bits(rows(before, last, last + 1), rows(dark, last, last + 1)));
  const std::vector<float> other = hidden<Qwen3VL>({exchanged});
  BOOST_TEST(!same_bits(rows(before, last, last + 1), rows(other, last, last + 1)));
}

// A serving forward keeps nothing; a training forward does.
BOOST_AUTO_TEST_CASE(pitfall_18_training_forward_equals_serving_forward) {
  const auto check = [](auto spec) {
    using Spec = decltype(spec);
    const Batch batch = pack(config<Spec>(), samples<Spec>());
    const std::vector<float> serving = hidden_rows(model<Spec>().net, batch, false);
    BOOST_TEST(same_bits(hidden_rows(model<Spec>().net, batch, true), serving));
    Runtime<Cpu> runtime(1);
    model<Spec>().forward_and_backward(runtime, batch);
    BOOST_TEST(same_bits(model<Spec>().hidden, serving));
  };
  check(Qwen3VL());
  check(Qwen3VLMoE());
}

BOOST_AUTO_TEST_SUITE_END()
