#include <boost/test/unit_test.hpp>

#include <vlm/io/file.hpp>
#include <vlm/io/json_definitions.hpp>
#include <vlm/io/safetensors_file.hpp>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "temporary_folder.hpp"

using Folder = TemporaryFolder;

namespace {

std::string file_of(std::string_view header, std::string_view data, std::uint64_t length) {
  std::string text;
  for (unsigned shift = 0; shift < 64; shift += 8) text += static_cast<char>(length >> shift & 0xffu);
  return text.append(header).append(data);
}
std::string file_of(std::string_view header, std::string_view data) {
  return file_of(header, data, header.size());
}

// The message of opening a file of this content, without the first line of fields (the path of the file).
std::string message_of(const std::string& content) {
  const Folder folder;
  vlm::write_file_atomically(folder / "x.safetensors", content);
  try {
    vlm::SafetensorsFile file(folder / "x.safetensors");
  } catch (const vlm::FileError& error) {
    std::string text = error.what();
    const std::string line = "\n  file      " + (folder / "x.safetensors");
    BOOST_TEST_REQUIRE(text.find(line) != text.npos);
    return text.replace(text.find(line), line.size(), "");
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(io_safetensors_file)

BOOST_AUTO_TEST_CASE(tensors_are_read_in_the_order_of_their_bytes) {
  const Folder folder;
  vlm::write_file_atomically(folder / "x.safetensors",
                             file_of(R"({"late":{"dtype":"U8","shape":[2,1],"data_offsets":[8,10]},)"
                                     R"("__metadata__":{"format":"pt","a":"é"},)"
                                     R"("empty":{"dtype":"F32","shape":[0,5],"data_offsets":[8,8]},)"
                                     R"("scalar":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})",
                                     std::string_view("\x05\0\0\0\0\0\0\0AB", 10)));
  const vlm::SafetensorsFile opened(folder / "x.safetensors");
  vlm::SafetensorsFile file = vlm::SafetensorsFile(folder / "x.safetensors");
  file = vlm::SafetensorsFile(folder / "x.safetensors");
  BOOST_TEST_REQUIRE(file.tensors().size() == 3u);
  BOOST_TEST(file.tensors()[0].name == "scalar");
  BOOST_TEST(file.tensors()[1].name == "empty");
  BOOST_TEST(file.tensors()[2].name == "late");
  BOOST_TEST((file.metadata() == vlm::SafetensorsMetadata{{"format", "pt"}, {"a", "é"}}));

  const vlm::StoredTensor* scalar = file.find("scalar");
  BOOST_TEST_REQUIRE(scalar != nullptr);
  BOOST_TEST((scalar->dtype == vlm::DType::I64));
  BOOST_TEST(scalar->shape.empty());
  std::int64_t value = 0;
  std::memcpy(&value, scalar->bytes.data(), scalar->bytes.size());
  BOOST_TEST(value == 5);
  BOOST_TEST(*scalar->file == folder / "x.safetensors");
  BOOST_TEST(vlm::shape_text(file.find("late")->shape) == "[2, 1]");
  BOOST_TEST(file.find("empty")->bytes.empty());
  BOOST_TEST(file.find("none") == nullptr);
}

BOOST_AUTO_TEST_CASE(every_dtype_is_known_by_its_name) {
  using vlm::DType;
  for (DType dtype : {DType::F64, DType::F32, DType::F16, DType::BF16, DType::I64, DType::I32, DType::I16,
                      DType::I8, DType::U8, DType::Bool}) {
    const Folder folder;
    const std::string size = std::to_string(vlm::size_of(dtype));
    vlm::write_file_atomically(folder / "x",
                               file_of("{\"t\":{\"dtype\":\"" + std::string(vlm::name_of(dtype)) +
                                           "\",\"shape\":[1],\"data_offsets\":[0," + size + "]}}",
                                       std::string(vlm::size_of(dtype), 'x')));
    const vlm::SafetensorsFile file(folder / "x");
    BOOST_TEST((file.find("t")->dtype == dtype));
  }
}

BOOST_AUTO_TEST_CASE(unpadded_files_say_that_their_values_are_not_aligned) {
  const Folder folder;
  const std::string header = R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const std::size_t pad = (8 - header.size() % 8) % 8;
  vlm::write_file_atomically(folder / "padded", file_of(header + std::string(pad, ' '), "abcd"));
  vlm::write_file_atomically(folder / "odd", file_of(header + std::string(pad + 1, ' '), "abcd"));
  const vlm::SafetensorsFile padded(folder / "padded"), odd(folder / "odd");
  BOOST_TEST(padded.find("t")->aligned());
  BOOST_TEST(!odd.find("t")->aligned());
}

BOOST_AUTO_TEST_CASE(a_file_without_tensors_is_fine) {
  BOOST_TEST(message_of(file_of("{}", "")) == "no error");
}

BOOST_AUTO_TEST_CASE(hostile_headers_are_refused) {
  struct Case {
    std::string content, expected, got;
  };
  const Case cases[] = {
      {"", "8 bytes of header length", "0 bytes"},
      {"1234567", "8 bytes of header length", "7 bytes"},
      {file_of("{}", "", 3), "a header of at most 2 bytes", "3 bytes"},
      {file_of("{}", "", ~0ull), "a header of at most 2 bytes", "18446744073709551615 bytes"},
      {file_of("", "", 0), "a JSON object", "something else"},
      {file_of("[]", ""), "a JSON object", "something else"},
      {file_of("{}", "abc"), "tensors for all 3 bytes of data", "tensors for 0 bytes"},
      {file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "abc"),
       "tensors for all 3 bytes of data", "tensors for 2 bytes"},
      {file_of(R"({"__metadata__":[]})", ""), "__metadata__ as an object", "an array"},
      {file_of(R"({"__metadata__":{"k":1}})", ""), "a string for k in __metadata__", "an integer"},
  };
  for (const Case& wrong : cases) {
    BOOST_TEST(message_of(wrong.content) ==
               "vlm::FileError [safetensors-header]\n  expected  " + wrong.expected + "\n  got       " +
                   wrong.got +
                   "\n  try       fetch the file again; it is damaged, cut short, or another format");
  }
}

BOOST_AUTO_TEST_CASE(the_header_has_a_largest_size) {
  const Folder folder;
  vlm::write_file_atomically(folder / "x", file_of("{", "", 100'000'001));
  std::filesystem::resize_file(folder / "x", 200'000'000);  // sparse
  try {
    vlm::SafetensorsFile file(folder / "x");
    BOOST_ERROR("not refused");
  } catch (const vlm::FileError& error) {
    BOOST_TEST(std::string(error.what()).find("expected  a header of at most 100000000 bytes") !=
               std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(broken_json_is_reported_with_its_place) {
  const std::string twice = R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  for (const std::string& header :
       {"{" + twice + "," + twice + "}", std::string("{\"a\":"), std::string("{} x")}) {
    const std::string text = message_of(file_of(header, ""));
    BOOST_TEST(text.starts_with("vlm::FileError [json-syntax] (header)\n  at        line 1, column "), text);
  }
}

BOOST_AUTO_TEST_CASE(hostile_tensors_are_refused) {
  struct Case {
    std::string entry, expected, got;
  };
  const std::string fields = "an object of dtype, shape and data_offsets";
  const std::string dtypes = "a dtype of F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL";
  const std::string extents = "extents from 0 whose product fits 64 bits";
  const std::string rising = "data_offsets that rise within [0, 8]";
  const Case cases[] = {
      {R"(1)", fields, "1"},
      {R"({"dtype":"U8","shape":[8]})", fields, R"({"dtype":"U8","shape":[8]})"},
      {R"({"dtype":"U8","shape":[8],"data_offsets":[0,8],"x":0})", fields,
       R"({"dtype":"U8","shape":[8],"data_offsets":[0,8],"x":0})"},
      {R"({"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]})", dtypes, "\"F8_E4M3\""},
      {R"({"dtype":8,"shape":[8],"data_offsets":[0,8]})", dtypes, "8"},
      {R"({"dtype":"U8","shape":8,"data_offsets":[0,8]})", "a shape of integers", "8"},
      {R"({"dtype":"U8","shape":[8.0],"data_offsets":[0,8]})", "a shape of integers", "[8.0]"},
      {R"({"dtype":"U8","shape":[18446744073709551617],"data_offsets":[0,8]})", "a shape of integers",
       "[1.8446744073709552e+19]"},
      {R"({"dtype":"U8","shape":[8],"data_offsets":[0,8,8]})", "data_offsets of two integers", "[0,8,8]"},
      {R"({"dtype":"U8","shape":[8],"data_offsets":["0",8]})", "data_offsets of two integers", "[\"0\",8]"},
      {R"({"dtype":"U8","shape":[-1,-8],"data_offsets":[0,8]})", extents, "[-1, -8]"},
      {R"({"dtype":"U8","shape":[4294967296,4294967296,8],"data_offsets":[0,8]})", extents,
       "[4294967296, 4294967296, 8]"},
      {R"({"dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8]})", extents,
       "[2305843009213693953]"},
      {R"({"dtype":"U8","shape":[9],"data_offsets":[0,9]})", rising, "[0,9]"},
      {R"({"dtype":"U8","shape":[8],"data_offsets":[8,0]})", rising, "[8,0]"},
      {R"({"dtype":"U8","shape":[8],"data_offsets":[-8,0]})", rising, "[-8,0]"},
      {R"({"dtype":"U8","shape":[8],"data_offsets":[9223372036854775799,9223372036854775807]})", rising,
       "[9223372036854775799,9223372036854775807]"},
      {R"({"dtype":"F32","shape":[1],"data_offsets":[0,8]})", "4 bytes for F32 [1]", "8 bytes"},
      {R"({"dtype":"U8","shape":[7],"data_offsets":[1,8]})",
       "data_offsets beginning at 0, without gap or overlap", "[1, 8]"},
  };
  for (const Case& wrong : cases) {
    BOOST_TEST(message_of(file_of("{\"t\":" + wrong.entry + "}", "12345678")) ==
               "vlm::FileError [safetensors-tensor]\n  tensor    t\n  expected  " + wrong.expected +
                   "\n  got       " + wrong.got + "\n  try       fetch or write the file again");
  }
}

BOOST_AUTO_TEST_CASE(gaps_and_overlaps_name_the_second_tensor) {
  const auto pair = [](int begin, int size) {
    return file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[)" +
                       std::to_string(size) + R"(],"data_offsets":[)" + std::to_string(begin) + ",8]}}",
                   "12345678");
  };
  const auto message = [](const std::string& got) {
    return "vlm::FileError [safetensors-tensor]\n  tensor    b\n  expected  data_offsets beginning at 4, "
           "without gap or "
           "overlap\n  got       " +
           got + "\n  try       fetch or write the file again";
  };
  BOOST_TEST(message_of(pair(4, 4)) == "no error");
  BOOST_TEST(message_of(pair(5, 3)) == message("[5, 8]"));
  BOOST_TEST(message_of(pair(3, 5)) == message("[3, 8]"));
  BOOST_TEST(message_of(pair(0, 8)) == message("[0, 8]"));
}

BOOST_AUTO_TEST_CASE(every_shortening_of_a_file_is_refused) {
  const std::string whole = file_of(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "abcd");
  BOOST_TEST(message_of(whole) == "no error");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BOOST_TEST(message_of(whole.substr(0, size)) != "no error", size);
  }
}

BOOST_AUTO_TEST_SUITE_END()
