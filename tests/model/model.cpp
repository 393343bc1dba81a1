#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "model/golden.hpp"

using namespace vlm;

namespace {

using One = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;
using OneMoE = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, MoE>, Rope<InterleavedM>>;

double relative_error(const std::vector<double>& ours, const std::vector<double>& theirs, std::size_t from) {
  double difference = 0, size = 0;
  for (std::size_t i = from; i < ours.size(); ++i) {
    difference += (ours[i] - theirs[i]) * (ours[i] - theirs[i]);
    size += theirs[i] * theirs[i];
  }
  return std::sqrt(difference / size);
}

// A tensor against its stored norm and projections. What is nothing in the reference is nothing here.
void check_summary(const golden::Case& test, const std::string& stored_name, const std::string& name,
                   std::span<const float> values) {
  BOOST_TEST_CONTEXT(stored_name) {
    const auto stored = golden::values_of<float>(test.file, stored_name);
    BOOST_REQUIRE_EQUAL(stored.size(), 33u);
    const std::vector<double> theirs(stored.begin(), stored.end());
    const std::vector<double> ours = golden::summary(values, name, test.seed);
    if (theirs[0] < 1e-8) {
      BOOST_TEST(ours[0] <= 1e-8);
    } else {
      BOOST_TEST(std::abs(ours[0] - theirs[0]) <= 1e-4 * theirs[0]);
      BOOST_TEST(relative_error(ours, theirs, 1) <= 1e-4);
    }
  }
}

// Compares the rows of every stage as a pass comes to them.
class StageCheck : public Observer<Cpu> {
 public:
  explicit StageCheck(const golden::Case& test) : test_(&test) {}
  std::size_t compared() const { return compared_; }

  void see(std::string_view stage, Index index, View<const float, 2, Cpu> rows) override {
    std::string name(stage);
    if (index >= 0) name += "." + std::to_string(index);
    BOOST_REQUIRE(rows.dense());
    std::vector<float> values(rows.data, rows.data + rows.count());
    if (stage == "visual.patch_embed") patch_embedding_ = values;
    if (stage == "visual.embeddings") {
      name = "visual.positions";
      for (std::size_t i = 0; i < values.size(); ++i) values[i] -= patch_embedding_[i];
    }
    check_summary(*test_, name, name, values);
    ++compared_;
  }

 private:
  const golden::Case* test_;
  std::vector<float> patch_embedding_;
  std::size_t compared_ = 0;
};

std::size_t count_of(const golden::Case& test, std::initializer_list<std::string_view> beginnings) {
  std::size_t count = 0;
  for (const StoredTensor& tensor : test.file.tensors())
    for (const std::string_view beginning : beginnings) count += tensor.name.starts_with(beginning);
  return count;
}

template <class Spec>
void check_case(const golden::Case& test) {
  golden::Run<Spec> run(test, test.seed);
  Batch batch;
  for (const Sample& sample : test.samples()) batch.append(sample, test.config);
  std::vector<std::int64_t> positions;
  for (const auto& axis : batch.axes) positions.insert(positions.end(), axis.begin(), axis.end());
  BOOST_TEST(positions == golden::values_of<std::int64_t>(test.file, "position_ids"),
             boost::test_tools::per_element());

  Runtime<Cpu> runtime(2);
  StageCheck stages(test);
  runtime.set_observer(&stages);
  run.forward_and_backward(runtime, batch);
  BOOST_TEST(stages.compared() == count_of(test, {"visual.", "text."}));
  const auto logits = golden::values_of<float>(test.file, "logits");
  BOOST_REQUIRE_EQUAL(run.logits.size(), logits.size());
  BOOST_TEST(golden::largest_difference(run.logits, logits) <= 1e-4f);
  BOOST_TEST(std::abs(run.loss - golden::values_of<float>(test.file, "loss").at(0)) <= 1e-5);

  for (const Parameter& p : run.net.parameters()) check_summary(test, "grad." + p.name, p.name, p.gradient);
  BOOST_TEST(run.net.parameters().size() == count_of(test, {"grad."}));
}

// Every stored case of a kind, fifteen of each.
template <class Three, class Single>
void check_cases(const std::string& kind) {
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden/cases")) {
    const std::string folder = entry.path().filename();
    if (!folder.starts_with(kind)) continue;
    BOOST_TEST_CONTEXT(folder) {
      const golden::Case test(folder);
      if (test.config.vision.taps.size() == 3)
        check_case<Three>(test);
      else
        check_case<Single>(test);
    }
    ++cases;
  }
  BOOST_TEST(cases == 15);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_model)

// Positions, every stage, the logits, the loss and every parameter's gradient equal the reference's: texts, images from
// 2 x 2 to 40 x 26 patches, several of them, videos, and packed samples.
BOOST_AUTO_TEST_CASE(dense_goldens) { check_cases<Qwen3VL, One>("dense_"); }

BOOST_AUTO_TEST_CASE(sparse_goldens) { check_cases<Qwen3VLMoE, OneMoE>("moe_"); }

BOOST_AUTO_TEST_SUITE_END()
