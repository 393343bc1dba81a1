// What is saved: tensors that nothing has trained go back byte for byte, in the format and shape in which they were
// read.
#include <boost/test/unit_test.hpp>

#include "model/reference_files.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

using OneMoE = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, MoE>, Rope<InterleavedM>>;

// A checkpoint with a case's weights, rounded to bf16 as the released ones are, and its tensors.
template <class Spec>
golden::ReferenceTensors write_bf16(const std::string& folder, const golden::Case& test) {
  const golden::Run<Spec> run(test, test.seed);
  golden::ReferenceTensors tensors;
  for (const Parameter& p : run.net.parameters())
    tensors[p.name] =
        golden::tensor_of(std::vector<bf16>(p.value.begin(), p.value.end()), p.record->stored_shape());
  golden::write_tensors(folder + "/model.safetensors", tensors);
  write_file_atomically(folder + "/config.json", test.config.text_of_file);
  return tensors;
}

// Loads the checkpoint as a model that trains `Set`, changes what trains, and saves it: only that is another.
template <class Spec, class Set>
void check_saved(const std::string& name, const std::string& trained_prefix) {
  const golden::Case test(name);
  const TemporaryFolder first, second;
  const golden::ReferenceTensors tensors = write_bf16<Spec>(first.path, test);
  auto net = Model<Spec, Cpu, F32, Set>::load(first.path);
  for (Parameter& p : net.parameters())
    for (float& value : p.value) value += 0.5f;
  net.save(second.path);
  BOOST_TEST(read_file(second.path + "/config.json") == test.config.text_of_file);
  const SafetensorsFile saved(second.path + "/model.safetensors");
  BOOST_TEST(saved.tensors().size() == tensors.size());
  std::size_t changed = 0;
  for (const StoredTensor& tensor : saved.tensors()) {
    BOOST_TEST_CONTEXT(tensor.name) {
      const golden::FileTensor& before = tensors.at(tensor.name);
      BOOST_TEST(tensor.shape == before.shape, boost::test_tools::per_element());
      const bool trained = !trained_prefix.empty() && tensor.name.starts_with(trained_prefix);
      changed += trained;
      BOOST_TEST((tensor.dtype == (trained ? DType::F32 : DType::BF16)));
      if (!trained)
        BOOST_TEST(
            std::equal(tensor.bytes.begin(), tensor.bytes.end(), before.bytes.begin(), before.bytes.end()));
    }
  }
  BOOST_TEST((changed > 0) == !trained_prefix.empty());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_saving)

BOOST_AUTO_TEST_CASE(an_untrained_model_goes_back_byte_for_byte) {
  check_saved<Qwen3VL, Trainable<>>("dense_02_two_images", "");
  check_saved<OneMoE, Trainable<>>("moe_02_two_images", "");
}

// Norms and the position table are read in f32, and still go back as they were.
BOOST_AUTO_TEST_CASE(untouched_tensors_go_back_byte_for_byte) {
  check_saved<Qwen3VL, Trainable<part::Decoder>>("dense_04_image_video", "model.language_model.");
  check_saved<Qwen3VL, Trainable<part::Head>>("dense_04_image_video", "lm_head.");
}

BOOST_AUTO_TEST_SUITE_END()
