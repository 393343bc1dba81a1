#include <boost/test/unit_test.hpp>

#include <vlm/io/file.hpp>
#include <vlm/io/json_definitions.hpp>
#include <vlm/io/safetensors_folder.hpp>
#include <vlm/io/safetensors_writer.hpp>

#include <span>
#include <string>
#include <vector>

#include "temporary_folder.hpp"

namespace {

struct Folder : TemporaryFolder {
  // A file whose tensors are one byte each: the first letter of the file.
  void write_shard(const std::string& name, const std::vector<std::string>& tensors) const {
    vlm::SafetensorsWriter writer(*this / name);
    for (const std::string& tensor : tensors) writer.declare(tensor, vlm::DType::U8, {1});
    for (const std::string& tensor : tensors) writer.write(tensor, std::as_bytes(std::span(name.data(), 1)));
    writer.commit();
  }
  void write_index(const std::string& weight_map) const {
    vlm::write_file_atomically(*this / "model.safetensors.index.json",
                               "{\"metadata\":{\"total_size\":3},\"weight_map\":" + weight_map + "}");
  }
};

std::string message_of(const Folder& folder) {
  try {
    vlm::SafetensorsFolder weights(folder.path);
  } catch (const vlm::Error& error) {
    return error.what();
  }
  return "no error";
}

std::string names_of(const vlm::SafetensorsFolder& weights) {
  std::string names;
  for (const vlm::StoredTensor* tensor : weights.tensors()) {
    names += tensor->name + "=" + static_cast<char>(tensor->bytes[0]) + " ";
  }
  return names;
}

const std::string together = "\n  try       fetch config, index and weights from one place";

}  // namespace

BOOST_AUTO_TEST_SUITE(io_safetensors_folder)

BOOST_AUTO_TEST_CASE(one_file_is_read) {
  const Folder folder;
  folder.write_shard("model.safetensors", {"x", "w"});
  const vlm::SafetensorsFolder weights(folder.path);
  BOOST_TEST(names_of(weights) == "x=m w=m ");
  BOOST_TEST(weights.files().size() == 1u);
  BOOST_TEST(*weights.find("w")->file == folder / "model.safetensors");
  BOOST_TEST(weights.find("y") == nullptr);
}

BOOST_AUTO_TEST_CASE(the_weight_map_is_followed_whatever_the_shards_are_called) {
  const Folder folder;
  folder.write_shard("a-of-2", {"x", "y"});
  folder.write_shard("b", {"y", "z", "surplus"});
  folder.write_index(R"({"z":"b","y":"b","x":"a-of-2"})");
  const vlm::SafetensorsFolder weights(folder.path);
  BOOST_TEST(names_of(weights) == "y=b z=b surplus=b x=a ");
  BOOST_TEST(*weights.find("x")->file == folder / "a-of-2");
}

BOOST_AUTO_TEST_CASE(shards_may_be_links_as_in_a_download_cache) {
  const Folder folder, cache;
  cache.write_shard("blob", {"x"});
  std::filesystem::create_symlink(cache / "blob", folder / "model.safetensors");
  BOOST_TEST(names_of(vlm::SafetensorsFolder(folder.path)) == "x=b ");
}

BOOST_AUTO_TEST_CASE(a_folder_without_weights_is_an_error) {
  const Folder folder;
  BOOST_TEST(message_of(folder) == "vlm::FileError [safetensors-missing]\n  file      " + folder.path +
                                       "\n  expected  model.safetensors or model.safetensors.index.json"
                                       "\n  got       neither" +
                                       together);
}

BOOST_AUTO_TEST_CASE(a_missing_shard_is_named) {
  const Folder folder;
  folder.write_shard("a", {"x"});
  folder.write_index(R"({"x":"a","y":"b"})");
  BOOST_TEST(message_of(folder) == "vlm::FileError [safetensors-missing]\n  file      " + (folder / "b") +
                                       "\n  expected  a shard named by " +
                                       (folder / "model.safetensors.index.json") +
                                       "\n  got       no such file" + together);
}

BOOST_AUTO_TEST_CASE(a_missing_tensor_is_named) {
  const Folder folder;
  folder.write_shard("a", {"x"});
  folder.write_shard("b", {"z"});
  folder.write_index(R"({"x":"a","z":"a"})");
  BOOST_TEST(message_of(folder) == "vlm::FileError [safetensors-missing]\n  file      " + (folder / "a") +
                                       "\n  tensor    z\n  expected  a tensor that weight_map names"
                                       "\n  got       no such tensor" +
                                       together);
}

BOOST_AUTO_TEST_CASE(a_tensor_in_two_shards_needs_the_weight_map_to_decide) {
  const Folder folder;
  folder.write_shard("a", {"x", "twice"});
  folder.write_shard("b", {"y", "twice"});
  folder.write_index(R"({"x":"a","y":"b"})");
  BOOST_TEST(message_of(folder) == "vlm::FileError [safetensors-tensor]\n  file      " + (folder / "b") +
                                       "\n  tensor    twice\n  expected  each tensor in one shard"
                                       "\n  got       a tensor that is also in " +
                                       (folder / "a") + "\n  try       fetch or write the file again");
}

BOOST_AUTO_TEST_CASE(names_cannot_leave_the_folder) {
  for (const std::string name : {"../a", "/etc/passwd", "..", ".", "", "sub/a", "a\\u0000b"}) {
    const Folder folder;
    folder.write_index("{\"x\":\"" + name + "\"}");
    const std::string text = message_of(folder);
    BOOST_TEST(text.starts_with("vlm::FileError [safetensors-tensor]\n  file      " +
                                (folder / "model.safetensors.index.json") +
                                "\n  tensor    x\n  expected  the name of a file in this folder"),
               name << ": " << text);
  }
}

BOOST_AUTO_TEST_CASE(an_index_of_the_wrong_form_is_an_error) {
  const Folder folder;
  folder.write_index(R"({"x":1})");
  BOOST_TEST(message_of(folder) ==
             "vlm::ConfigError [json-type]\n  file      " + (folder / "model.safetensors.index.json") +
                 "\n  at        weight_map.x\n  expected  a string\n  got       an integer: 1"
                 "\n  try       correct this value");
  vlm::write_file_atomically(folder / "model.safetensors.index.json", "{}");
  BOOST_TEST(message_of(folder).starts_with("vlm::ConfigError [json-missing]"));
}

BOOST_AUTO_TEST_SUITE_END()
