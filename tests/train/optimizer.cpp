#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <vlm/core/config.hpp>
#include <vlm/train/optimizer.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif

#include "message_of.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

using E = Env<Cpu, F32, Trained>;

// Three parameters: a matrix, a vector, and one that does not train.
struct ThreeParameters {
  Param<E, 2> matrix{Shape<2>{{1, 2}}};
  Param<E, 1> vector{Shape<1>{{1}}};
  Param<Env<Cpu, F32, Inert>, 1> frozen{Shape<1>{{3}}};
  std::vector<float> values{1, 1, 1}, gradients{3, 4, 12};
  std::vector<Parameter> parameters;

  ThreeParameters() {
    parameters.push_back({.name = "matrix",
                          .record = &matrix,
                          .trained = true,
                          .count = 2,
                          .value = {values.data(), 2},
                          .gradient = {gradients.data(), 2}});
    parameters.push_back(
        {.name = "frozen", .record = &frozen, .trained = false, .count = 3, .value = {}, .gradient = {}});
    parameters.push_back({.name = "vector",
                          .record = &vector,
                          .trained = true,
                          .count = 1,
                          .value = {values.data() + 2, 1},
                          .gradient = {gradients.data() + 2, 1}});
  }
};

template <class F>
void planned(Runtime<Cpu>& runtime, F&& work) {
  runtime.plan(work);
  work();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_optimizer)

// Gradient (3, 4, 12) has norm 13; clipped to 1 it is scaled by 1 / (13 + 1e-6).
BOOST_AUTO_TEST_CASE(global_norm_counts_trained_parameters_once) {
  ThreeParameters net;
  AdamWOptimizer optimizer(net.parameters, {});
  Runtime<Cpu> runtime(1);
  double norm = 0;
  planned(runtime, [&] { norm = optimizer.gradient_norm(runtime); });
  BOOST_TEST(norm == 13.0);
  BOOST_TEST(optimizer.moment_bytes() == 2 * 3 * sizeof(float));
}

// p = 1, g = 0.5, rate 1e-2, decay 0.1, betas 0.9 and 0.999: 0.9890000002; then g = -0.3: 0.98609602.
BOOST_AUTO_TEST_CASE(worked_update_and_no_decay_for_vectors) {
  ThreeParameters net;
  AdamWOptimizer optimizer(net.parameters,
                           {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.1, .clip = 0});
  Runtime<Cpu> runtime(1);
  std::fill(net.gradients.begin(), net.gradients.end(), 0.5f);
  planned(runtime, [&] { optimizer.update(runtime, 1, 1e-2, 100); });
  BOOST_TEST(std::abs(net.values[0] - 0.9890000002) < 1e-7);
  BOOST_TEST(std::abs(net.values[2] - 0.99) < 1e-7);
  std::fill(net.gradients.begin(), net.gradients.end(), -0.3f);
  optimizer.update(runtime, 2, 1e-2, 100);
  BOOST_TEST(std::abs(net.values[1] - 0.98609602) < 2e-7);
}

BOOST_AUTO_TEST_CASE(clipping_scales_the_gradient) {
  ThreeParameters clipped, scaled;
  AdamWOptimizer first(clipped.parameters, {.clip = 1}), second(scaled.parameters, {.clip = 0});
  for (float& g : scaled.gradients) g *= static_cast<float>(1 / (13 + 1e-6));
  Runtime<Cpu> runtime(1);
  planned(runtime, [&] {
    first.update(runtime, 1, 1e-2, 13);
    second.update(runtime, 1, 1e-2, 1);
  });
  for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(std::abs(clipped.values[i] - scaled.values[i]) < 1e-6);
}

// One step without momentum and variance moves by the rate alone, whatever the gradient's size.
BOOST_AUTO_TEST_CASE(parts_have_rates_and_decay_of_their_own) {
  ThreeParameters net;
  net.parameters[0].name = "model.visual.merger.linear_fc1.weight";
  net.parameters[2].name = "lm_head.bias";
  PartsSettings parts;
  parts.merger = {.learning_rate = 1e-3, .decay = 0.5};
  AdamWOptimizer optimizer(net.parameters, {.decay = 0.1, .decay_vectors = true, .clip = 0}, parts, 1e-2);
  Runtime<Cpu> runtime(1);
  planned(runtime, [&] { optimizer.update(runtime, 1, 1e-2, 13); });
  BOOST_TEST(std::abs(net.values[0] - (1 - 1e-3 * 0.5 - 1e-3)) < 1e-7);
  BOOST_TEST(std::abs(net.values[2] - (1 - 1e-2 * 0.1 - 1e-2)) < 1e-7);
}

BOOST_AUTO_TEST_CASE(tables_may_be_spared_from_decay) {
  ThreeParameters net;
  net.parameters[0].name = "model.language_model.embed_tokens.weight";
  AdamWOptimizer optimizer(net.parameters, {.decay = 0.1, .decay_tables = false, .clip = 0});
  Runtime<Cpu> runtime(1);
  planned(runtime, [&] { optimizer.update(runtime, 1, 1e-2, 13); });
  BOOST_TEST(std::abs(net.values[0] - (1 - 1e-2)) < 1e-7);
}

BOOST_AUTO_TEST_CASE(settings_of_a_part_that_does_not_train_are_refused) {
  ThreeParameters net;
  PartsSettings parts;
  parts.encoder.decay = 0.1;
  BOOST_TEST(message_of([&] { AdamWOptimizer(net.parameters, {}, parts); }) ==
             "vlm::ConfigError [recipe]\n"
             "  setting   parts.encoder\n"
             "  expected  settings of parts that train in this stage\n"
             "  got       a part of which nothing trains\n"
             "  try       a stage that trains it, or no settings for it");
}

BOOST_AUTO_TEST_CASE(state_survives_a_round_trip_and_refuses_another_model) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/optimizer.safetensors";
  ThreeParameters net, same;
  Runtime<Cpu> runtime(1);
  AdamWOptimizer optimizer(net.parameters, {}), other(same.parameters, {});
  planned(runtime, [&] { optimizer.update(runtime, 1, 1e-2, 13); });
  optimizer.write(path);
  other.read(path);
  same.values = net.values;
  optimizer.update(runtime, 2, 1e-2, 13);
  other.update(runtime, 2, 1e-2, 13);
  BOOST_TEST(same.values == net.values, boost::test_tools::per_element());

  same.parameters[2].name = "elsewhere";
  BOOST_CHECK_EXCEPTION(other.read(path), FileError, [](const FileError& error) {
    return std::string(error.what()).find("elsewhere.first_moment") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()
