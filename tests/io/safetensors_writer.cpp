#include <boost/test/unit_test.hpp>

#include <vlm/io/file.hpp>
#include <vlm/io/json_definitions.hpp>
#include <vlm/io/safetensors_file.hpp>
#include <vlm/io/safetensors_writer.hpp>

#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "message_of.hpp"
#include "temporary_folder.hpp"

using Folder = TemporaryFolder;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// As the reference library writes: metadata first, tensors in the order of their bytes, spaces up to a
// multiple of 8.
const std::string reference_file = std::string("\xd8\0\0\0\0\0\0\0", 8) +
                                   R"({"__metadata__":{"format":"pt"},)"
                                   R"("weights":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                                   R"("none":{"dtype":"BF16","shape":[0,3],"data_offsets":[8,8]},)"
                                   R"("größe":{"dtype":"U8","shape":[],"data_offsets":[8,9]}})" +
                                   std::string(7, ' ') + "12345678" + "9";

// What is said of a tensor of the file at `path`.
struct Refusal {
  std::string path;
  std::string operator()(const std::string& tensor, const std::string& expected,
                         const std::string& got) const {
    return "vlm::FileError [safetensors-tensor]\n  file      " + path + "\n  tensor    " + tensor +
           "\n  expected  " + expected + "\n  got       " + got +
           "\n  try       fetch or write the file again";
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(io_safetensors_writer)

BOOST_AUTO_TEST_CASE(an_untouched_file_is_written_byte_for_byte) {
  const Folder folder;
  vlm::write_file_atomically(folder / "x", reference_file);
  const vlm::SafetensorsFile file(folder / "x");
  vlm::SafetensorsWriter writer(folder / "y", file.metadata());
  for (const vlm::StoredTensor& tensor : file.tensors())
    writer.declare(tensor.name, tensor.dtype, tensor.shape);
  for (const vlm::StoredTensor& tensor : file.tensors()) writer.write(tensor.name, tensor.bytes);
  writer.commit();
  BOOST_TEST(vlm::read_file(folder / "y") == reference_file);
}

BOOST_AUTO_TEST_CASE(bytes_come_in_pieces_and_empty_tensors_need_none) {
  const Folder folder;
  vlm::SafetensorsWriter writer(folder / "y", {{"format", "pt"}});
  writer.declare("weights", vlm::DType::F32, {1, 2});
  writer.declare("none", vlm::DType::BF16, {0, 3});
  writer.declare("größe", vlm::DType::U8, {});
  writer.write("weights", bytes_of("123"));
  writer.write("weights", bytes_of("45678"));
  writer.write("größe", bytes_of("9"));
  writer.commit();
  BOOST_TEST(vlm::read_file(folder / "y") == reference_file);
}

BOOST_AUTO_TEST_CASE(a_file_without_tensors_is_written) {
  const Folder folder;
  vlm::SafetensorsWriter(folder / "y").commit();
  BOOST_TEST(vlm::read_file(folder / "y") == std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
}

BOOST_AUTO_TEST_CASE(the_first_tensor_begins_at_a_multiple) {
  const Folder folder;
  vlm::SafetensorsWriter writer(folder / "y", {}, 64);
  writer.declare("a", vlm::DType::U8, {1});
  writer.write("a", bytes_of("1"));
  writer.commit();
  BOOST_TEST(vlm::read_file(folder / "y") == std::string("\x38\0\0\0\0\0\0\0", 8) +
                                                 R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})" +
                                                 std::string(3, ' ') + "1");
}

BOOST_AUTO_TEST_CASE(nothing_remains_without_commit) {
  const Folder folder;
  {
    vlm::SafetensorsWriter writer(folder / "y");
    writer.declare("a", vlm::DType::U8, {1});
    writer.write("a", bytes_of("1"));
  }
  BOOST_TEST(folder.entries() == 0u);
}

BOOST_AUTO_TEST_CASE(a_file_may_be_replaced_while_it_is_read) {
  const Folder folder;
  vlm::write_file_atomically(folder / "x", reference_file);
  const vlm::SafetensorsFile file(folder / "x");
  vlm::SafetensorsWriter writer(folder / "x");
  writer.declare("weights", vlm::DType::F32, {1, 2});
  writer.write("weights", file.find("weights")->bytes);
  writer.commit();
  BOOST_TEST(vlm::SafetensorsFile(folder / "x").tensors().size() == 1u);
  BOOST_TEST(static_cast<char>(file.find("größe")->bytes[0]) == '9');
}

BOOST_AUTO_TEST_CASE(tensors_that_cannot_be_declared_are_refused) {
  const Folder folder;
  vlm::SafetensorsWriter writer(folder / "y");
  const Refusal refusal{folder / "y"};
  constexpr vlm::Index huge = std::numeric_limits<vlm::Index>::max();
  writer.declare("a", vlm::DType::U8, {1});
  BOOST_TEST(message_of([&] { writer.declare("a", vlm::DType::U8, {1}); }) ==
             refusal("a", "a new name", "one that is taken"));
  BOOST_TEST(message_of([&] { writer.declare("__metadata__", vlm::DType::U8, {1}); }) ==
             refusal("__metadata__", "a new name", "one that is taken"));
  BOOST_TEST(message_of([&] { writer.declare("b", vlm::DType::U8, {-1}); }) ==
             refusal("b", "extents from 0 whose product fits 64 bits", "[-1]"));
  BOOST_TEST(message_of([&] { writer.declare("b", vlm::DType::F64, {huge}); }) ==
             refusal("b", "extents from 0 whose product fits 64 bits", "[9223372036854775807]"));
  BOOST_TEST(message_of([&] { writer.declare("b", vlm::DType::I8Blocks, {16, 32}); }) ==
             refusal("b", "a dtype of single numbers, or U8 for bytes", "I8_BLOCKS"));
  writer.declare("b", vlm::DType::U8, {huge});
  BOOST_TEST(message_of([&] { writer.write("a", bytes_of("1")); }) ==
             refusal("b", "a file whose size fits 64 bits", "[9223372036854775807]"));
}

BOOST_AUTO_TEST_CASE(tensors_begin_at_multiples_of_8) {
  const Folder folder;
  for (const std::size_t unit : {std::size_t{0}, std::size_t{4}, std::size_t{12}})
    BOOST_TEST(message_of([&] { vlm::SafetensorsWriter(folder / "y", {}, unit); }) ==
               "vlm::ConfigError [safetensors-unit]\n  file      " + (folder / "y") +
                   "\n  expected  a multiple of 8 bytes\n  got       " + std::to_string(unit) +
                   "\n  try       8, or the alignment that readers want");
  BOOST_TEST(folder.entries() == 0u);
}

// A header that cannot be written is refused again: no file appears without one.
BOOST_AUTO_TEST_CASE(a_refused_header_leaves_no_file) {
  const Folder folder;
  {
    vlm::SafetensorsWriter writer(folder / "y", {{"key", "\xff"}});
    for (int attempt = 0; attempt < 2; ++attempt)
      BOOST_TEST(message_of([&] { writer.commit(); }).find("text in UTF-8") != std::string::npos);
  }
  BOOST_TEST(folder.entries() == 0u);
}

BOOST_AUTO_TEST_CASE(bytes_in_wrong_order_or_number_are_refused) {
  const Folder folder;
  vlm::SafetensorsWriter writer(folder / "y");
  const Refusal refusal{folder / "y"};
  writer.declare("a", vlm::DType::U8, {2});
  writer.declare("b", vlm::DType::U8, {1});
  BOOST_TEST(message_of([&] { writer.write("b", bytes_of("1")); }) ==
             refusal("a", "all of its 2 bytes next", "0 of them, then b"));
  writer.write("a", bytes_of("1"));
  BOOST_TEST(message_of([&] { writer.declare("c", vlm::DType::U8, {1}); }) ==
             refusal("c", "declarations before the first write", "a declaration after it"));
  BOOST_TEST(message_of([&] { writer.write("a", bytes_of("23")); }) == refusal("a", "2 bytes", "at least 3"));
  BOOST_TEST(message_of([&] { writer.commit(); }) ==
             "vlm::FileError [safetensors-missing]\n  file      " + (folder / "y") +
                 "\n  tensor    a\n  expected  2 bytes\n  got       1 bytes"
                 "\n  try       fetch config, index and weights from one place");
  writer.write("a", bytes_of("2"));
  writer.write("b", bytes_of("3"));
  BOOST_TEST(message_of([&] { writer.write("a", bytes_of("1")); }) ==
             refusal("a", "no further tensor", "this one"));
  writer.commit();
  BOOST_TEST(vlm::SafetensorsFile(folder / "y").tensors().size() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
