// IDX files: labels and images by index, and one clear error for each kind of damage.
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/io/file.hpp>
#include <vlm/vision/idx.hpp>
#include <vlm/vision/load_image.hpp>

namespace {

using namespace std::string_view_literals;

// Two images of 2 x 3, and three labels.
constexpr std::string_view images_text =
    "\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03"
    "abcdefghijkl"sv;
constexpr std::string_view labels_text = "\0\0\x08\x01\0\0\0\x03\x05\0\x09"sv;

struct Folder {
  std::filesystem::path root = std::filesystem::temp_directory_path() / "vlm_test_idx";
  Folder() { std::filesystem::create_directories(root); }
  ~Folder() { std::filesystem::remove_all(root); }
  std::string write(const char* name, std::string_view bytes) const {
    vlm::write_file_atomically(root / name, bytes);
    return root / name;
  }
};

template <class Error, class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(vision_idx, Folder)

BOOST_AUTO_TEST_CASE(labels_are_single_bytes) {
  const vlm::IdxFile labels(write("labels", labels_text));
  BOOST_TEST(labels.count() == 3);
  BOOST_TEST(labels.item(0)[0] == 5);
  BOOST_TEST(labels.item(2)[0] == 9);
  BOOST_TEST(labels.item(2).size() == 1u);
}

BOOST_AUTO_TEST_CASE(grey_images_become_rgb) {
  const vlm::IdxFile images(write("images", images_text));
  BOOST_TEST(images.extents() == (std::vector<vlm::Index>{2, 2, 3}), boost::test_tools::per_element());
  const vlm::Image image = vlm::idx_image(images, 1);
  BOOST_TEST(image.height == 2);
  BOOST_TEST(image.width == 3);
  for (int c = 0; c < 3; ++c) {
    BOOST_TEST(image.at(0, 0)[c] == 'g');
    BOOST_TEST(image.at(1, 2)[c] == 'l');
  }
  BOOST_TEST((vlm::load_image(images.path() + "#1") == image));
}

BOOST_AUTO_TEST_CASE(index_out_of_range) {
  const std::string path = write("images", images_text);
  const std::string expected = "vlm::DataError [idx-index]\n  file      " + path +
                               "\n  expected  an item from 0 to 1\n  got       2"
                               "\n  try       a number that the file has";
  BOOST_TEST(message_of<vlm::DataError>([&] { vlm::load_image(path + "#2"); }) == expected);
  BOOST_CHECK_THROW(vlm::IdxFile(path).item(-1), vlm::DataError);
}

BOOST_AUTO_TEST_CASE(labels_are_no_images) {
  const std::string path = write("labels", labels_text);
  BOOST_TEST(message_of<vlm::DataError>([&] { vlm::load_image(path + "#0"); }) ==
             "vlm::DataError [idx-rank]\n  file      " + path +
                 "\n  expected  an IDX file of images [count, height, width]\n"
                 "  got       an IDX file of labels [3]"
                 "\n  try       the file of images that belongs to these labels");
}

BOOST_AUTO_TEST_CASE(truncated_or_too_long) {
  for (std::size_t size = 8; size < images_text.size(); ++size) {
    const std::string path = write("images", images_text.substr(0, size));
    BOOST_TEST_CONTEXT("size " << size) BOOST_CHECK_THROW(vlm::IdxFile{path}, vlm::FileError);
  }
  const std::string path = write("images", std::string(images_text) + "m");
  BOOST_TEST(message_of<vlm::FileError>([&] { vlm::IdxFile{path}; }) ==
             "vlm::FileError [idx-size]\n  file      " + path +
                 "\n  expected  [2, 2, 3] bytes after the header\n  got       13 bytes\n"
                 "  try       fetch or unpack the file again");
}

BOOST_AUTO_TEST_CASE(huge_extents_do_not_overflow) {
  const auto header = "\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"sv;
  BOOST_CHECK_THROW(vlm::IdxFile{write("images", header)}, vlm::FileError);
  const auto empty_images = "\0\0\x08\x03\0\0\0\x05\0\0\0\0\0\0\0\x03"sv;
  BOOST_CHECK_THROW(vlm::IdxFile{write("images", empty_images)}, vlm::FileError);
}

BOOST_AUTO_TEST_CASE(other_files) {
  for (std::string_view bytes :
       {""sv, "\0\0\x08"sv, "\0\0\x0d\x03\0\0\0\0"sv, "\0\0\x08\x02\0\0\0\0"sv, "P6 1 1"sv})
    BOOST_CHECK_THROW(vlm::IdxFile{write("other", bytes)}, vlm::FileError);
  const std::string path = write("images.gz", "\x1f\x8b\x08");
  BOOST_TEST(message_of<vlm::FileError>([&] { vlm::IdxFile{path}; }) ==
             "vlm::FileError [idx-magic]\n  file      " + path +
                 "\n  expected  an IDX file of unsigned bytes with rank 1 or 3\n  got       a gzip file\n"
                 "  try       unpack it first: gunzip --keep FILE");
}

BOOST_AUTO_TEST_SUITE_END()
