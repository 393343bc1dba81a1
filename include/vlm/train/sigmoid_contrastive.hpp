// The sigmoid loss between pictures and texts, with its gradients. For the rows x_i of n pictures and y_k of m texts
//   z_ik = exp(t) * cos(x_i, y_k) + b,   loss = -1/n * sum_ik log sigmoid(s_ik * z_ik)
// where s_ik is 1 for the text of picture i and -1 for every other. Pictures with the same text share its row, so no
// pair counts as wrong that is right.   Source: Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <vlm/core/shape.hpp>

namespace vlm {

// One object serves batch after batch, in memory that it keeps. One thread at a time.
class SigmoidContrastive {
 public:
  static constexpr double power = 0;  // every picture weighs the same, however long its text is

  // What is trained beside the rows: t, the logarithm of the scale, and the bias b. The paper begins with a bias of -10
  // for its thousands of texts in a batch; among few it would leave wrong pairs without a gradient.
  struct Temperature {
    float log_scale = 2.3025851f, bias = -2.0f;
  };

  // Row-major pictures [n, features] and texts [m, features]; text_of[i] is the row of picture i's text. Writes the
  // gradients of the rows, adds weight * those of the temperature to `gradient`, and returns weight * loss.
  double operator()(Index features, std::span<const float> pictures, std::span<const float> texts,
                    std::span<const std::int32_t> text_of, const Temperature& temperature, double weight,
                    std::span<float> dpictures, std::span<float> dtexts, Temperature& gradient) {
    const std::size_t width = static_cast<std::size_t>(features), texts_count = texts.size() / width;
    normalise(pictures, width, unit_pictures_, picture_lengths_);
    normalise(texts, width, unit_texts_, text_lengths_);
    std::fill(dpictures.begin(), dpictures.end(), 0.0f);
    std::fill(dtexts.begin(), dtexts.end(), 0.0f);
    const double scale = std::exp(static_cast<double>(temperature.log_scale));
    const double share = weight / static_cast<double>(text_of.size());
    double loss = 0, dlog_scale = 0, dbias = 0;
    for (std::size_t i = 0; i < text_of.size(); ++i)
      for (std::size_t k = 0; k < texts_count; ++k) {
        const float* x = unit_pictures_.data() + i * width;
        const float* y = unit_texts_.data() + k * width;
        const double scaled = scale * dot(x, y, width);
        const double sign = static_cast<std::size_t>(text_of[i]) == k ? 1 : -1;
        const double margin = sign * (scaled + static_cast<double>(temperature.bias));
        const double fall = std::exp(-std::abs(margin));
        loss += share * (std::log1p(fall) + std::max(-margin, 0.0));
        const double dz = -share * sign * (margin > 0 ? fall : 1.0) / (1 + fall);
        dlog_scale += dz * scaled;
        dbias += dz;
        add_scaled(static_cast<float>(dz * scale), y, dpictures.data() + i * width, width);
        add_scaled(static_cast<float>(dz * scale), x, dtexts.data() + k * width, width);
      }
    through_normalisation(unit_pictures_, picture_lengths_, width, dpictures);
    through_normalisation(unit_texts_, text_lengths_, width, dtexts);
    gradient.log_scale += static_cast<float>(dlog_scale);
    gradient.bias += static_cast<float>(dbias);
    return loss;
  }

 private:
  static double dot(const float* a, const float* b, std::size_t width) {
    float sum = 0;
    for (std::size_t j = 0; j < width; ++j) sum += a[j] * b[j];
    return static_cast<double>(sum);
  }
  static void add_scaled(float factor, const float* from, float* to, std::size_t width) {
    for (std::size_t j = 0; j < width; ++j) to[j] += factor * from[j];
  }

  static void normalise(std::span<const float> rows, std::size_t width, std::vector<float>& units,
                        std::vector<float>& lengths) {
    units.resize(rows.size());
    lengths.resize(rows.size() / width);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      const float* row = rows.data() + i * width;
      lengths[i] = std::max(static_cast<float>(std::sqrt(dot(row, row, width))), 1e-12f);
      for (std::size_t j = 0; j < width; ++j) units[i * width + j] = row[j] / lengths[i];
    }
  }
  // d(row) = (d(unit) - unit * (unit . d(unit))) / length
  static void through_normalisation(const std::vector<float>& units, const std::vector<float>& lengths,
                                    std::size_t width, std::span<float> gradient) {
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      const float* unit = units.data() + i * width;
      float* row = gradient.data() + i * width;
      add_scaled(-static_cast<float>(dot(unit, row, width)), unit, row, width);
      for (std::size_t j = 0; j < width; ++j) row[j] /= lengths[i];
    }
  }

  std::vector<float> unit_pictures_, unit_texts_, picture_lengths_, text_lengths_;
};

}  // namespace vlm
