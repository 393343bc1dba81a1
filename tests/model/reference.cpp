#include <vlm/model/reference.hpp>

#include <boost/test/unit_test.hpp>

#include "model/reference_files.hpp"
#include "temporary_folder.hpp"

using namespace vlm;
using golden::ReferenceTensors, golden::tensor_of;

namespace {

struct Files {
  TemporaryFolder folder;
  std::string path = folder.path + "/reference.safetensors";
  golden::Case test{"dense_13_packed_videos"};
  ReferenceTensors tensors = golden::inputs_of(test);

  Reference read() {
    golden::write_tensors(path, tensors);
    return Reference(path, test.config);
  }
  std::string refusal() {
    try {
      read();
    } catch (const DataError& error) {
      return error.what();
    }
    return "no error";
  }
  std::string expected(const std::string& tensor, const std::string& wanted, const std::string& got) const {
    return "vlm::DataError [reference]\n  file      " + path + "\n  tensor    " + tensor + "\n  expected  " +
           wanted + "\n  got       " + got +
           "\n  try       make the file for this model, as tests/golden/make_reference.py does";
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model_reference)

// The batch is what the samples of the case give; where labels stand, rows and targets follow from them.
BOOST_FIXTURE_TEST_CASE(packed_samples_become_a_batch, Files) {
  const Reference reference = read();
  Batch batch;
  for (const Sample& sample : test.samples()) batch.append(sample, test.config);
  const Batch& ours = reference.batch();
  BOOST_TEST(ours.sample_count() == 2);
  BOOST_TEST(ours.tokens == batch.tokens, boost::test_tools::per_element());
  BOOST_TEST(ours.offsets == batch.offsets, boost::test_tools::per_element());
  for (int axis = 0; axis < 3; ++axis)
    BOOST_TEST(ours.axes[axis] == batch.axes[axis], boost::test_tools::per_element());
  BOOST_TEST(ours.patches == batch.patches, boost::test_tools::per_element());
  BOOST_TEST(ours.visual_places == batch.visual_places, boost::test_tools::per_element());
  BOOST_TEST(ours.rows == batch.rows, boost::test_tools::per_element());
  BOOST_TEST(ours.targets == batch.targets, boost::test_tools::per_element());
  for (const float weight : ours.weights) BOOST_TEST(weight == 1.0f / static_cast<float>(batch.rows.size()));
}

// The pass goes sample by sample, images before videos; the file has all images, then all videos.
BOOST_FIXTURE_TEST_CASE(rows_know_their_place_in_the_file, Files) {
  const Reference reference = read();
  std::vector<Index> patches, visual;
  const auto count = [](std::vector<Index>& list, Index from, Index size) {
    for (Index i = from; i < from + size; ++i) list.push_back(i);
  };
  // Images 4 x 2 and 2 x 6, videos of 2 x 2 x 4 and 1 x 4 x 6 patches.
  count(patches, 0, 8), count(patches, 20, 16), count(patches, 8, 12), count(patches, 36, 24);
  count(visual, 0, 2), count(visual, 5, 4), count(visual, 2, 3), count(visual, 9, 6);
  BOOST_TEST(reference.patch_rows() == patches, boost::test_tools::per_element());
  BOOST_TEST(reference.visual_rows() == visual, boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(without_positions_each_row_of_tokens_is_a_sample, Files) {
  tensors = {{"input_ids", tensor_of(std::vector<std::int32_t>{1, 2, 3, 4, 5, 6}, {2, 3})},
             {"labels", tensor_of(std::vector<std::int64_t>{9, 8, -100, 7, -100, 6})},
             {"attention_mask", tensor_of(std::vector<std::int64_t>(6, 1))}};
  const Reference reference = read();
  BOOST_TEST(reference.batch().offsets == (std::vector<std::int32_t>{0, 3, 6}),
             boost::test_tools::per_element());
  // The labels of first tokens predict nothing.
  BOOST_TEST(reference.batch().rows == (std::vector<std::int32_t>{0, 4}), boost::test_tools::per_element());
  BOOST_TEST(reference.batch().targets == (std::vector<std::int32_t>{8, 6}),
             boost::test_tools::per_element());
  BOOST_TEST(!reference.has_gradients());
}

BOOST_FIXTURE_TEST_CASE(numbers_may_be_narrow, Files) {
  tensors["logits"] = tensor_of(std::vector<bf16>{bf16(1.5f), bf16(-2.0f)});
  tensors["grad.x"] = tensor_of(std::vector<float>{1});
  const Reference reference = read();
  BOOST_TEST(reference.numbers("logits") == (std::vector<float>{1.5f, -2.0f}),
             boost::test_tools::per_element());
  BOOST_TEST(reference.has_gradients());
  BOOST_CHECK_THROW(reference.numbers("input_ids"), DataError);
  BOOST_CHECK_THROW(reference.integers("logits"), DataError);
}

BOOST_FIXTURE_TEST_CASE(wrong_inputs_are_refused, Files) {
  const ReferenceTensors right = tensors;
  const auto refused_with = [&](const std::string& name, golden::FileTensor tensor) {
    tensors = right;
    tensors[name] = std::move(tensor);
    return refusal();
  };
  tensors.erase("input_ids");
  BOOST_TEST(refusal() == expected("input_ids", "this tensor", "none"));
  tensors = right;
  tensors.erase("pixel_values");
  BOOST_TEST(refusal() == expected("pixel_values", "this tensor", "none"));

  const Index tokens = static_cast<Index>(test.samples()[0].tokens.size() + test.samples()[1].tokens.size());
  const std::string vocabulary = std::to_string(test.config.text.vocabulary);
  BOOST_TEST(refused_with("input_ids", tensor_of(std::vector<std::int64_t>{1, std::int64_t{1} << 40})) ==
             expected("input_ids", "tokens below " + vocabulary, "1099511627776"));
  BOOST_TEST(refused_with("input_ids", tensor_of(std::vector<float>{1})) ==
             expected("input_ids", "I64 or I32", "F32"));
  BOOST_TEST(refused_with("position_ids", tensor_of(std::vector<std::int64_t>{0, 0, 0})) ==
             expected("position_ids", "3 axes of " + std::to_string(tokens) + " tokens", "3"));
  BOOST_TEST(refused_with("position_ids",
                          tensor_of(std::vector<std::int64_t>(static_cast<std::size_t>(3 * tokens), 1))) ==
             expected("position_ids", "at least one token, and the position 0 for the first", "another"));
  BOOST_TEST(refused_with("labels", tensor_of(std::vector<std::int64_t>{-100})) ==
             expected("labels", std::to_string(tokens) + " as in input_ids", "1"));
  BOOST_TEST(
      refused_with("labels", tensor_of(std::vector<std::int64_t>(static_cast<std::size_t>(tokens), -3))) ==
      expected("labels", "tokens below " + vocabulary, "-3"));
  BOOST_TEST(refused_with("image_grid_thw", tensor_of(std::vector<std::int64_t>{1, 4})) ==
             expected("image_grid_thw", "three sizes for each picture", "2"));
  BOOST_TEST(
      refused_with("image_grid_thw", tensor_of(std::vector<std::int64_t>{1, 4, std::int64_t{1} << 40})) ==
      expected("image_grid_thw", "sizes from 1 to 65535", "1099511627776"));
  BOOST_TEST(refused_with("image_grid_thw", tensor_of(std::vector<std::int64_t>{1, 65535, 65535})) ==
             expected("image_grid_thw", "at most 2147483647 patches in all", "4294836225"));
  BOOST_TEST(refused_with("pixel_values", tensor_of(std::vector<float>{1, 2})) ==
             expected("pixel_values",
                      std::to_string(20 * test.config.vision.patch_features()) + " values of patch rows",
                      "2"));
  BOOST_TEST(refused_with("attention_mask", tensor_of(std::vector<std::int64_t>{1, 0})) ==
             expected("attention_mask", "ones: samples without padding", "0"));

  tensors = right;  // a picture more than the tokens stand for
  std::vector<std::int64_t> grids = golden::values_of<std::int64_t>(test.file, "image_grid_thw");
  grids.insert(grids.end(), {1, 2, 2});
  tensors["image_grid_thw"] = tensor_of(grids);
  tensors["pixel_values"] =
      tensor_of(std::vector<float>(static_cast<std::size_t>(24 * test.config.vision.patch_features())));
  BOOST_TEST(refusal() == expected("image_grid_thw", "2 grids, as the tokens of input_ids stand for", "3"));
}

BOOST_AUTO_TEST_SUITE_END()
