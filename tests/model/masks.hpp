// Which parts learn: what is frozen costs no gradient and changes no bit, what learns has the gradients of a
// model that learns whole.
#pragma once

#include <boost/test/unit_test.hpp>

#include "model/samples.hpp"
#include "temporary_folder.hpp"

namespace golden {

using namespace vlm;

// A model that learns whole, saved for the others to load, and its gradients of one batch.
template <class Spec>
struct Whole {
  Case test{"dense_04_image_video"};
  Run<Spec> run{test, 99};
  Batch batch;
  TemporaryFolder temporary;
  const std::string& folder = temporary.path;

  Whole() {
    batch = pack(test.config,
                 {draw_sample(test.config, "..i...", {{1, 4, 6}}, 1), draw_sample(test.config, "....", {}, 2),
                  draw_sample(test.config, ".v.i..", {{2, 2, 4}, {1, 4, 4}}, 3)});
    run.net.save(folder);
    Runtime<Cpu> runtime(2);
    run.forward_and_backward(runtime, batch);
  }
};
template <class Spec>
Whole<Spec>& whole() {
  static Whole<Spec> model;
  return model;
}

inline std::vector<std::byte> bytes_of(const Parameter& p) {
  const auto* first = static_cast<const std::byte*>(p.record->data());
  return {first, first + static_cast<std::size_t>(p.count) * size_of(p.record->format())};
}

// `learns` tells by a parameter's name whether its part is trained.
template <class Spec, class Set, class Keep = Everything>
void check_mask(bool (*learns)(std::string_view)) {
  Run<Spec, Set, Keep> run(whole<Spec>().test, 1);
  run.net = decltype(run.net)::load(whole<Spec>().folder);
  std::vector<std::vector<std::byte>> before;
  for (const Parameter& p : run.net.parameters()) before.push_back(bytes_of(p));
  Runtime<Cpu> runtime(1);
  run.forward_and_backward(runtime, whole<Spec>().batch);
  BOOST_TEST(same_bits(run.hidden, whole<Spec>().run.hidden));
  BOOST_TEST(run.loss == whole<Spec>().run.loss);

  std::size_t bytes = 0;
  for (std::size_t i = 0; i < run.net.parameters().size(); ++i) {
    Parameter& p = run.net.parameters()[i];
    BOOST_TEST_CONTEXT(p.name) {
      BOOST_TEST(p.trained == learns(p.name));
      BOOST_TEST(p.gradient.size() == (p.trained ? static_cast<std::size_t>(p.count) : 0u));
      if (p.trained) BOOST_TEST(same_bits(p.gradient, whole<Spec>().run.net.parameters()[i].gradient));
      bytes += (p.gradient.size() + 15) / 16 * 64;
      // One step of descent.
      for (std::size_t k = 0; k < p.value.size(); ++k) p.value[k] -= 0.1f * p.gradient[k];
    }
  }
  BOOST_TEST(run.net.gradient_bytes() == bytes);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const Parameter& p = run.net.parameters()[i];
    const bool same = bytes_of(p) == before[i];
    BOOST_TEST((same || p.trained), p.name);
    changed += !same;
  }
  BOOST_TEST(changed > 0u);
}

inline bool in_merger(std::string_view name) {
  return name.starts_with("model.visual.merger.") || name.starts_with("model.visual.deepstack_merger_list.");
}
inline bool in_encoder(std::string_view name) {
  return name.starts_with("model.visual.") && !in_merger(name);
}
inline bool in_decoder(std::string_view name) { return name.starts_with("model.language_model."); }

}  // namespace golden
