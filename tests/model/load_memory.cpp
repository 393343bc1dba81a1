// What loading takes: the weights, and at most one tensor beside them.
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include <vlm/vlm.hpp>

#include "temporary_folder.hpp"

using namespace vlm;

namespace {

// Resident memory of this process in bytes: a field of /proc/self/status. Nothing where there is none.
std::size_t resident(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field)) return std::stoull(line.substr(field.size() + 1)) * 1024;
  return 0;
}

bool forget_peak() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return static_cast<bool>(file);
}

// A model of some megabytes, all zeros in bf16.
Description write_model(const std::string& folder) {
  Json json = parse_json(read_file("tests/toy/start/config.json"), "config.json");
  Json text = json.at("text_config");
  text.set("vocab_size", 20000);
  text.set("hidden_size", 512);
  text.set("intermediate_size", 2048);
  Json vision = json.at("vision_config");
  vision.set("out_hidden_size", 512);
  json.set("text_config", text);
  json.set("vision_config", vision);
  write_file_atomically(folder + "/config.json", write_json(json));
  Description description = describe(folder);
  SafetensorsWriter writer(folder + "/model.safetensors");
  for (const TensorDescription& t : description.tensors) writer.declare(t.name, DType::BF16, t.shape);
  for (const TensorDescription& t : description.tensors)
    writer.write(t.name, std::vector<std::byte>(static_cast<std::size_t>(t.count) * 2));
  writer.commit();
  return description;
}

template <class Load>
std::size_t peak_of(Load&& load) {
  const std::size_t before = resident("VmRSS:");
  forget_peak();
  const auto model = load();
  return resident("VmHWM:") - before;
}

bool can_measure() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return resident("VmHWM:") > 0 && forget_peak();
#endif
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_load_memory)

BOOST_AUTO_TEST_CASE(loading_takes_the_weights_and_one_tensor) {
  if (!can_measure()) {
    BOOST_TEST_MESSAGE("skipped: this system does not tell, or a sanitizer takes memory of its own");
    return;
  }
  const TemporaryFolder folder;
  const Description description = write_model(folder.path);
  const std::size_t numbers = static_cast<std::size_t>(description.parameters());
  std::size_t largest = 0;
  for (const TensorDescription& t : description.tensors)
    largest = std::max(largest, static_cast<std::size_t>(t.count));
  constexpr std::size_t margin = std::size_t{4} << 20;  // whole pages and the lists of tensors
  BOOST_TEST(numbers > 4 * margin);
  using Serving = Model<Qwen3VL, Cpu>;
  using Learning = Model<Qwen3VL, Cpu, F32, Trainable<part::All>>;
  BOOST_TEST(peak_of([&] { return Serving::load(folder.path); }) < margin);
  BOOST_TEST(peak_of([&] { return Serving::load(folder.path, FrozenWeights::F32); }) <
             4 * numbers + 2 * largest + margin);
  BOOST_TEST(peak_of([&] { return Learning::load(folder.path); }) < 8 * numbers + 2 * largest + margin);
}

BOOST_AUTO_TEST_SUITE_END()
