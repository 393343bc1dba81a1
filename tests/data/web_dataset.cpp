#include <boost/test/unit_test.hpp>

#include <vlm/data/web_dataset.hpp>

#include <string>

#include "records.hpp"
#include "tar.hpp"

using vlm::WebDatasetShard;
using vlm::tests::Folder;
using vlm::tests::tar_end;
using vlm::tests::tar_member;
using vlm::tests::written;

BOOST_AUTO_TEST_SUITE(data_web_dataset)

BOOST_AUTO_TEST_CASE(members_with_one_key_are_a_sample) {
  const Folder folder;
  const std::string record = R"({"conversations": [{"from": "human", "value": "<image><image>Which?"},
      {"from": "gpt", "value": "Both."}]})";
  const std::string named = R"({"image": "1.x.png", "conversations": [{"from": "human", "value": "<image>?"},
      {"from": "gpt", "value": "One."}]})";
  const std::string path = folder.write(
      "a.tar", tar_member("d/0.jpg", "") + tar_member("d/0.txt", "A cat.\n") + tar_member("d/1.json", named) +
                   tar_member("d/1.x.png", "") + tar_member("d/1.cls", "7") + tar_member("2.a.png", "") +
                   tar_member("2.b.png", "") + tar_member("2.txt", "-") + tar_member("2.json", record) +
                   tar_member("3.png", "") + tar_member("3.json", R"({"text": "A dog."})") +
                   tar_member("4.png", "") + tar_member("5.json", "{") + tar_end());
  const WebDatasetShard shard(path, "What?");
  BOOST_TEST_REQUIRE(shard.size() == 6);
  BOOST_TEST(written(shard.conversation(0)) == "user: [" + path + "/d/0.jpg]What?\nassistant: A cat.\n");
  BOOST_TEST(written(shard.conversation(1)) == "user: [" + path + "/d/1.x.png]?\nassistant: One.\n");
  BOOST_TEST(written(shard.conversation(2)) ==
             "user: [" + path + "/2.a.png][" + path + "/2.b.png]Which?\nassistant: Both.\n");
  BOOST_TEST(written(shard.conversation(3)) == "user: [" + path + "/3.png]What?\nassistant: A dog.\n");
  BOOST_TEST(message_of([&] { shard.conversation(4); }) ==
             "vlm::DataError [data-line]\n  file      " + path +
                 "/4\n  line      1\n  field     members\n  expected  one member .json or .txt\n"
                 "  got       none of them\n  try       correct this line");
  BOOST_TEST(message_of([&] {
               shard.conversation(5);
             }).starts_with("vlm::DataError [data-line]\n  file      " + path + "/5.json\n  line      1\n"));
  BOOST_TEST(message_of([&] { shard.conversation(6); }).find("expected  a sample from 0 to 5") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
