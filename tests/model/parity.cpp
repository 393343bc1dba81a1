#include <vlm/model/parity.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "model/reference_files.hpp"
#include "temporary_folder.hpp"

using namespace vlm;
using golden::ReferenceTensors, golden::tensor_of;

namespace {

// Writes down what a pass computes, as the reference file of it: visual rows go to their place in the file.
class Writing : public Observer<Cpu> {
 public:
  Writing(const Reference& inputs, ReferenceTensors& tensors) : inputs_(&inputs), tensors_(&tensors) {}

  void see(std::string_view stage, Index index, View<const float, 2, Cpu> rows) override {
    std::string name(stage);
    if (index >= 0) name += "." + std::to_string(index);
    std::vector<float> values(rows.data, rows.data + rows.count());
    if (stage == "visual.patch_embed") patch_embedding_ = values;
    if (stage == "visual.embeddings") {
      name = "visual.positions";
      for (std::size_t i = 0; i < values.size(); ++i) values[i] -= patch_embedding_[i];
    }
    if (stage.starts_with("visual.")) {
      const bool merged = stage == "visual.merger" || stage == "visual.deepstack";
      const std::vector<Index>& order = merged ? inputs_->visual_rows() : inputs_->patch_rows();
      const std::vector<float> ours = values;
      const auto width = static_cast<std::size_t>(rows.extent[1]);
      for (std::size_t i = 0; i < ours.size(); ++i)
        values[static_cast<std::size_t>(order[i / width]) * width + i % width] = ours[i];
    }
    (*tensors_)[name] = tensor_of(values, {rows.rows(), rows.extent[1]});
  }

 private:
  const Reference* inputs_;
  ReferenceTensors* tensors_;
  std::vector<float> patch_embedding_;
};

// A model with a stored case's weights, and the reference file that it agrees with.
template <class Spec>
struct Compared {
  golden::Case test;
  golden::Run<Spec> run;
  TemporaryFolder folder;
  std::string path = folder.path + "/reference.safetensors";
  ReferenceTensors tensors;

  explicit Compared(const std::string& name)
      : test(name), run(test, test.seed), tensors(golden::inputs_of(test)) {
    golden::write_tensors(path, tensors);
    const Reference inputs(path, test.config);
    Runtime<Cpu> runtime(2);
    Writing writing(inputs, tensors);
    runtime.set_observer(&writing);
    run.forward_and_backward(runtime, inputs.batch());
    tensors["logits"] = tensor_of(run.logits);
    tensors["loss"] = tensor_of(std::vector<float>{static_cast<float>(run.loss)});
    for (const Parameter& p : run.net.parameters())
      tensors["grad." + p.name] =
          tensor_of(std::vector<float>(p.gradient.begin(), p.gradient.end()), p.record->stored_shape());
  }

  template <class Net>
  ParityReport compare_with(Net& net) {
    golden::write_tensors(path, tensors);
    return compare_with_reference(net, Reference(path, test.config), 2);
  }
  ParityReport compare() { return compare_with(run.net); }

  // The first number of a tensor of the file, to be changed.
  float& first_value(const std::string& name) {
    return *reinterpret_cast<float*>(tensors.at(name).bytes.data());
  }
  std::string first_over(double tolerance) {
    const ParityReport report = compare();
    const StageDifference* stage = report.first_over(tolerance);
    return stage ? stage->stage : "none";
  }
};

using Dense3 = Qwen3VL;
using Sparse1 = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, MoE>, Rope<InterleavedM>>;

Compared<Dense3>& dense() {
  static Compared<Dense3> compared("dense_13_packed_videos");
  return compared;
}

std::string message_of(Compared<Dense3>& c) {
  try {
    c.compare();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_parity)

// Packed samples with images and videos, whose rows stand in another order in the file.
BOOST_AUTO_TEST_CASE(a_model_agrees_with_itself) {
  const ParityReport report = dense().compare();
  BOOST_TEST(report.not_compared.empty());
  for (const StageDifference& stage : report.stages) BOOST_TEST(stage.largest == 0, stage.stage);
  std::vector<std::string> names;
  for (const StageDifference& stage : report.stages)
    if (!stage.stage.starts_with("grad.") && stage.stage.find(".blocks.") == std::string::npos)
      names.push_back(stage.stage);
  const std::vector<std::string> expected = {"position_ids",
                                             "visual.patch_embed",
                                             "visual.positions",
                                             "visual.deepstack.0",
                                             "visual.deepstack.1",
                                             "visual.deepstack.2",
                                             "visual.merger",
                                             "text.embeddings",
                                             "text.layers.0",
                                             "text.layers.1",
                                             "text.layers.2",
                                             "text.layers.3",
                                             "text.norm",
                                             "logits",
                                             "loss"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  // Everything in the file that is no input was compared, and the positions.
  std::size_t results = 1;
  for (const auto& [name, tensor] : dense().tensors) results += !Reference::is_input(name);
  BOOST_TEST(report.stages.size() == results);
}

// Each stage in turn is wrong in one number, and found.
BOOST_AUTO_TEST_CASE(the_first_stage_that_differs_is_named) {
  Compared<Dense3>& c = dense();
  std::vector<std::string> names;
  for (const StageDifference& stage : c.compare().stages)
    if (stage.stage != "position_ids") names.push_back(stage.stage);
  for (const std::string& name : names) {
    // A block before a tap, the first parameters and the last: enough of the many that are alike.
    if (name.starts_with("grad.") && !name.ends_with("norm.weight")) continue;
    float& value = c.first_value(name);
    const float right = value;
    value += 10;
    BOOST_TEST(c.first_over(1e-4) == name);
    value = std::numeric_limits<float>::quiet_NaN();
    BOOST_TEST(c.first_over(1e300) == name);
    value = right;
  }
  BOOST_TEST(c.first_over(0) == "none");
}

BOOST_AUTO_TEST_CASE(differences_are_measured_as_stated) {
  Compared<Dense3>& c = dense();
  const auto measured = [&](const std::string& name) {
    const ParityReport report = c.compare();
    return *std::find_if(report.stages.begin(), report.stages.end(),
                         [&](const StageDifference& stage) { return stage.stage == name; });
  };
  const auto theirs = [&](const std::string& name) {
    const auto& bytes = c.tensors.at(name).bytes;
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  };
  const auto near = boost::test_tools::tolerance(1e-5);
  for (const std::string name : {"logits", "grad.model.language_model.norm.weight"}) {
    float& value = c.first_value(name);
    const float right = value;
    value = 7;
    double largest = 0, squares = 0;
    for (const float number : theirs(name)) {
      largest = std::max(largest, std::abs(static_cast<double>(number)));
      squares += static_cast<double>(number) * number;
    }
    const double difference = std::abs(7.0 - static_cast<double>(right));
    const StageDifference stage = measured(name);
    BOOST_TEST(stage.largest == difference, near);
    BOOST_TEST(stage.relative == difference / (name == "logits" ? largest : std::sqrt(squares)), near);
    value = right;
  }
  // Position ids are equal or they are not.
  const golden::FileTensor right = c.tensors.at("position_ids");
  auto ids = golden::values_of<std::int64_t>(c.test.file, "position_ids");
  ids[5] += 2;
  c.tensors["position_ids"] = tensor_of(ids);
  const StageDifference positions = measured("position_ids");
  BOOST_TEST(positions.largest == 2);
  BOOST_TEST(std::isinf(positions.relative));
  c.tensors["position_ids"] = right;
}

// A gradient that the file does not have is one of zeros.
BOOST_AUTO_TEST_CASE(an_absent_gradient_must_be_absent) {
  Compared<Dense3>& c = dense();
  const std::string name = "grad.model.language_model.norm.weight";
  const golden::FileTensor right = c.tensors.at(name);
  c.tensors.erase(name);
  const ParityReport report = c.compare();
  const StageDifference* stage = report.first_over(1e-4);
  BOOST_REQUIRE(stage);
  BOOST_TEST(stage->stage == name);
  BOOST_TEST(std::isinf(stage->relative));
  c.tensors[name] = right;

  Compared<Dense3> text("dense_00_text");
  std::erase_if(text.tensors,
                [](const auto& tensor) { return tensor.first.starts_with("grad.model.visual."); });
  BOOST_TEST(text.first_over(0) == "none");
}

// A hook on a layer sees its rows without DeepStack's.
BOOST_AUTO_TEST_CASE(layers_may_stand_without_deepstack_rows) {
  Compared<Dense3>& c = dense();
  const Reference reference(c.path, c.test.config);
  const std::vector<std::int32_t>& places = reference.batch().visual_places;
  const auto features = static_cast<std::size_t>(c.run.net.features());
  const ReferenceTensors right = c.tensors;
  for (int j = 0; j < 3; ++j) {
    float* layer = &c.first_value("text.layers." + std::to_string(j));
    const float* tap = &c.first_value("visual.deepstack." + std::to_string(j));
    for (std::size_t i = 0; i < places.size() * features; ++i) {
      const auto row = static_cast<std::size_t>(reference.visual_rows()[i / features]);
      layer[static_cast<std::size_t>(places[i / features]) * features + i % features] -=
          tap[row * features + i % features];
    }
  }
  BOOST_TEST(c.first_over(1e-6) == "none");
  c.first_value("text.layers.1") += 1;
  BOOST_TEST(c.first_over(1e-4) == "text.layers.1");
  c.tensors = right;
}

// transformers holds fused experts with their dimensions exchanged.
BOOST_AUTO_TEST_CASE(expert_gradients_may_be_output_major) {
  Compared<Sparse1> c("moe_12_packed_images");
  for (auto& [name, tensor] : c.tensors) {
    if (name.find(".experts.") == std::string::npos) continue;
    const std::vector<Index> shape = tensor.shape;
    const auto count = [&](std::size_t axis) { return static_cast<std::size_t>(shape[axis]); };
    std::vector<float> values(tensor.bytes.size() / sizeof(float)), exchanged = values;
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    for (std::size_t e = 0; e < count(0); ++e)
      for (std::size_t i = 0; i < count(1); ++i)
        for (std::size_t o = 0; o < count(2); ++o)
          exchanged[(e * count(2) + o) * count(1) + i] = values[(e * count(1) + i) * count(2) + o];
    tensor = tensor_of(exchanged, {shape[0], shape[2], shape[1]});
  }
  BOOST_TEST(c.first_over(0) == "none");
}

// A model that does not train compares what it comes to, and says what it leaves.
BOOST_AUTO_TEST_CASE(a_frozen_model_compares_the_forward) {
  Compared<Dense3>& c = dense();
  c.run.net.save(c.folder.path);
  auto frozen = Model<Dense3, Cpu>::load(c.folder.path);
  c.tensors["text.layers.77"] = tensor_of(std::vector<float>{1});
  const ParityReport report = c.compare_with(frozen);
  c.tensors.erase("text.layers.77");
  BOOST_TEST(!report.first_over(0));
  BOOST_TEST(report.not_compared.size() == c.run.net.parameters().size() + 1);
  BOOST_TEST(std::count(report.not_compared.begin(), report.not_compared.end(), "text.layers.77") == 1);
}

BOOST_AUTO_TEST_CASE(results_of_another_model_are_refused) {
  Compared<Dense3>& c = dense();
  const ReferenceTensors right = c.tensors;
  const auto message = [&](const std::string& tensor, const std::string& expected, const std::string& got) {
    return "vlm::DataError [reference]\n  file      " + c.path + "\n  tensor    " + tensor +
           "\n  expected  " + expected + "\n  got       " + got +
           "\n  try       make the file for this model, as tests/golden/make_reference.py does";
  };
  for (const std::string name : {"visual.merger", "grad.model.language_model.norm.weight"}) {
    const std::size_t size = c.tensors.at(name).bytes.size() / sizeof(float);
    c.tensors[name] = tensor_of(std::vector<float>(3));
    BOOST_TEST(message_of(c) == message(name, std::to_string(size) + " values", "3"));
    c.tensors = right;
  }
  std::erase_if(c.tensors, [](const auto& tensor) { return !Reference::is_input(tensor.first); });
  BOOST_TEST(message_of(c) == message("logits", "results to compare with", "inputs alone"));
  c.tensors = right;
}

BOOST_AUTO_TEST_SUITE_END()
