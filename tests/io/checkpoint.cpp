#include <vlm/io/checkpoint.hpp>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <string>
#include <vector>

#include <vlm/core/config.hpp>
#include <vlm/io/safetensors_writer.hpp>
#if !VLM_COMPILED
#include <vlm/io/json_definitions.hpp>
#endif

#include "temporary_folder.hpp"

using namespace vlm;

namespace {

// A sealed checkpoint of two files.
struct Sealed {
  TemporaryFolder folder;
  std::string tensors = folder.path + "/optimizer.safetensors", text = folder.path + "/trainer.json",
              manifest = folder.path + "/checksums.json";

  Sealed() {
    const std::vector<float> first = {1, 2, 3}, second = {4, 5};
    SafetensorsWriter writer(tensors);
    writer.declare("first", DType::F32, {3});
    writer.declare("none", DType::F32, {0});
    writer.declare("second", DType::F32, {2});
    writer.write("first", std::as_bytes(std::span(first)));
    writer.write("second", std::as_bytes(std::span(second)));
    writer.commit();
    write_file_atomically(text, "{\"step\": 7}");
    seal_checkpoint(folder.path);
  }
  // What verifying says; empty where all is well.
  std::string message() const {
    try {
      verify_checkpoint(folder.path);
    } catch (const FileError& error) {
      BOOST_TEST(error.id() == "checkpoint");
      return error.what();
    }
    return "";
  }
};

// In place, as a disk would change it.
void overwrite(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

bool names(const std::string& message, const std::string& path, const std::string& section) {
  return message.find("file      " + path + "\n") != std::string::npos &&
         message.find("section   " + section + "\n") != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(io_checkpoint)

BOOST_AUTO_TEST_CASE(what_was_sealed_is_accepted) {
  const Sealed sealed;
  BOOST_TEST(sealed.message() == "");
  seal_checkpoint(sealed.folder.path);  // again: the seal is no part of itself
  BOOST_TEST(sealed.message() == "");
  write_file_atomically(sealed.folder.path + "/notes.txt", "a file that came later");
  BOOST_TEST(sealed.message() == "");
}

// The seal is JSON whose checksums anyone can check.
BOOST_AUTO_TEST_CASE(the_seal_is_plain_json) {
  const Sealed sealed;
  const Json manifest = parse_json(read_file(sealed.manifest), "checksums.json");
  BOOST_TEST(manifest.at("version").integer() == 1);
  const Json& sections = manifest.at("files").at("optimizer.safetensors");
  BOOST_REQUIRE_EQUAL(sections.items().size(), 4u);
  const char* const expected[] = {"header", "first", "none", "second"};
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(sections.at(i).at(0).string() == expected[i]);
  BOOST_TEST(sections.at(1).at(1).integer() == 12);
  BOOST_TEST(sections.at(2).at(2).string() == "00000000");
  BOOST_TEST(manifest.at("files").at("trainer.json").items().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_changed_byte_is_named) {
  const Sealed sealed;
  overwrite(sealed.text, "{\"step\": 8}");
  BOOST_TEST(sealed.message() ==
             "vlm::FileError [checkpoint]\n"
             "  file      " +
                 sealed.text +
                 "\n"
                 "  section   content\n"
                 "  expected  CRC-32C " +
                 detail::checksum_text("{\"step\": 7}") +
                 " of 11 bytes\n"
                 "  got       CRC-32C " +
                 detail::checksum_text("{\"step\": 8}") +
                 " of 11 bytes\n"
                 "  try       remove this checkpoint, which is damaged; a run resumes from the newest left");
}

// Every bit of every file counts, those of the seal too, and the section where it stands is named.
BOOST_AUTO_TEST_CASE(any_flipped_bit_is_found) {
  const Sealed sealed;
  for (const std::string& path : {sealed.tensors, sealed.text, sealed.manifest}) {
    const std::string whole = read_file(path);
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (int bit = 0; bit < 8; ++bit) {
        std::string damaged = whole;
        damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
        overwrite(path, damaged);
        std::string section = path == sealed.text ? "content" : "header";
        if (path == sealed.tensors && i + 20 >= whole.size())
          section = i + 8 >= whole.size() ? "second" : "first";
        const std::string message = sealed.message();
        BOOST_REQUIRE_MESSAGE(names(message, path, section),
                              "byte " << i << " bit " << bit << ": " << message);
      }
    overwrite(path, whole);
  }
  BOOST_TEST(sealed.message() == "");
}

BOOST_AUTO_TEST_CASE(any_truncation_is_found) {
  const Sealed sealed;
  for (const std::string& path : {sealed.tensors, sealed.text, sealed.manifest}) {
    const std::string whole = read_file(path);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      overwrite(path, whole.substr(0, size));
      BOOST_REQUIRE(sealed.message().find("file      " + path + "\n") != std::string::npos);
    }
    overwrite(path, whole + "\n");
    BOOST_TEST(sealed.message().find("file      " + path + "\n") != std::string::npos);
    overwrite(path, whole);
  }
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_named) {
  for (const std::string Sealed::* which : {&Sealed::tensors, &Sealed::text, &Sealed::manifest}) {
    const Sealed sealed;
    std::filesystem::remove(sealed.*which);
    const std::string message = sealed.message();
    BOOST_TEST(message.find("file      " + sealed.*which + "\n") != std::string::npos);
    BOOST_TEST(message.find("got       no such file\n") != std::string::npos);
  }
}

// A seal that was made by hand, with a checksum that holds.
BOOST_AUTO_TEST_CASE(a_hostile_seal_is_refused) {
  const Sealed sealed;
  const auto message = [&](const std::string& rest) {
    overwrite(sealed.manifest, "{\"checksum\":\"" + detail::checksum_text(rest) + "\"," + rest);
    return sealed.message();
  };
  BOOST_TEST(names(message(R"("version":2,"files":{}})"), sealed.manifest, "header"));
  for (const char* name : {"../trainer.json", "", "..", "/etc/passwd"})
    BOOST_TEST(names(message("\"version\":1,\"files\":{\"" + std::string(name) + "\":[]}}"), sealed.manifest,
                     "files"));
  BOOST_TEST(names(message(R"("version":1,"files":{"trainer.json":[["content",-1,"00000000"]]}})"),
                   sealed.text, "content"));
  BOOST_TEST(
      names(message(R"("version":1,"files":{"trainer.json":[["content",9223372036854775807,"00000000"]]}})"),
            sealed.text, "content"));
  BOOST_TEST(names(message(R"("version":1,"files":{"trainer.json":[]}})"), sealed.text, "end"));
  overwrite(sealed.manifest,
            "{\"checksum\":\"" + detail::checksum_text("\"files\":{}}") + "\",\"files\":{}}");
  BOOST_CHECK_THROW(verify_checkpoint(sealed.folder.path), ConfigError);  // no version
}

BOOST_AUTO_TEST_SUITE_END()
