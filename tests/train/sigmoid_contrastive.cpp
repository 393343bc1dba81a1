#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

#include <vlm/core/config.hpp>
#include <vlm/core/random.hpp>
#include <vlm/train/sigmoid_contrastive.hpp>

using vlm::SigmoidContrastive;

namespace {

struct Gradients {
  double loss = 0;
  std::vector<float> pictures, texts;
  SigmoidContrastive::Temperature temperature{0, 0};
};

Gradients run(vlm::Index features, const std::vector<float>& pictures, const std::vector<float>& texts,
              const std::vector<std::int32_t>& text_of, SigmoidContrastive::Temperature temperature,
              double weight = 1) {
  Gradients result{0, std::vector<float>(pictures.size(), 7), std::vector<float>(texts.size(), 7), {0, 0}};
  SigmoidContrastive loss;
  result.loss = loss(features, pictures, texts, text_of, temperature, weight, result.pictures, result.texts,
                     result.temperature);
  return result;
}

std::vector<float> drawn(std::size_t count, const char* name) {
  const vlm::Random random(3, name);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = random.normal(i);
  return values;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_sigmoid_contrastive)

// One picture along its text, across from the other: cosines 1 and 0, scale 2, bias -1, so the logits are 1 and -1 and
// both pairs cost log(1 + 1/e).
BOOST_AUTO_TEST_CASE(worked_numbers) {
  const SigmoidContrastive::Temperature temperature{std::log(2.0f), -1};
  const Gradients one = run(2, {3, 0}, {5, 0, 0, 7}, {0}, temperature);
  const double pair = std::log1p(std::exp(-1.0)), slope = 1 / (1 + std::exp(1.0));
  BOOST_TEST(std::abs(one.loss - 2 * pair) < 1e-7);
  // Bias: -slope for the right pair, +slope for the wrong one. Scale: only the right pair's cosine is not 0.
  BOOST_TEST(std::abs(one.temperature.bias) < 1e-7f);
  BOOST_TEST(std::abs(one.temperature.log_scale + 2 * static_cast<float>(slope)) < 1e-6f);
  // The right pair cannot come closer; the wrong text turns the picture away from it: 2 * slope / 3.
  BOOST_TEST(std::abs(one.pictures[0]) < 1e-7f);
  BOOST_TEST(std::abs(one.pictures[1] - static_cast<float>(2 * slope / 3)) < 1e-6f);
  // Two pictures of one text share its row; the mean is over pictures.
  const Gradients two = run(2, {3, 0, 9, 0}, {5, 0, 0, 7}, {0, 0}, temperature, 0.5);
  BOOST_TEST(std::abs(two.loss - pair) < 1e-7);
}

BOOST_AUTO_TEST_CASE(gradients_are_those_of_finite_differences) {
  constexpr vlm::Index features = 5;
  std::vector<float> pictures = drawn(4 * 5, "pictures"), texts = drawn(3 * 5, "texts");
  const std::vector<std::int32_t> text_of = {0, 2, 2, 1};
  SigmoidContrastive::Temperature temperature{0.7f, -0.4f};
  const Gradients exact = run(features, pictures, texts, text_of, temperature, 3);
  constexpr float step = 1e-2f;
  const auto check = [&](float& value, float gradient) {
    const float before = value;
    value = before + step;
    const double above = run(features, pictures, texts, text_of, temperature, 3).loss;
    value = before - step;
    const double below = run(features, pictures, texts, text_of, temperature, 3).loss;
    value = before;
    const double difference = (above - below) / (2 * static_cast<double>(step));
    BOOST_TEST(std::abs(difference - static_cast<double>(gradient)) < 2e-4);
  };
  for (std::size_t i = 0; i < pictures.size(); ++i) check(pictures[i], exact.pictures[i]);
  for (std::size_t i = 0; i < texts.size(); ++i) check(texts[i], exact.texts[i]);
  check(temperature.log_scale, exact.temperature.log_scale);
  check(temperature.bias, exact.temperature.bias);
}

// Far from the border neither the loss nor its gradient overflows.
BOOST_AUTO_TEST_CASE(extreme_logits_stay_finite) {
  const Gradients far = run(2, {1, 0}, {-1, 0, 1, 0}, {0}, {6, 0});
  BOOST_TEST(std::abs(far.loss / (2 * std::exp(6.0)) - 1) < 1e-6);
  for (float value : far.pictures) BOOST_TEST(std::isfinite(value));
  const Gradients zero = run(2, {0, 0}, {1, 0, 0, 1}, {0}, {0, 0});
  BOOST_TEST(std::isfinite(zero.loss));
  for (float value : zero.pictures) BOOST_TEST(std::isfinite(value));
}

BOOST_AUTO_TEST_SUITE_END()
