#include <boost/test/unit_test.hpp>

#include <vlm/data/source.hpp>

#include <string>
#include <vector>

#include "records.hpp"
#include "tar.hpp"

using vlm::SourceFiles;
using vlm::tests::Folder;
using vlm::tests::tar_member;
using vlm::tests::written;

BOOST_AUTO_TEST_SUITE(data_source)

BOOST_AUTO_TEST_CASE(paths_with_numbers) {
  const auto expanded = [](const std::string& path) { return vlm::expand_path(path); };
  BOOST_TEST(expanded("a.tar") == std::vector<std::string>{"a.tar"}, boost::test_tools::per_element());
  BOOST_TEST(expanded("a{b}c..") == std::vector<std::string>{"a{b}c.."}, boost::test_tools::per_element());
  BOOST_TEST(expanded("a-{08..11}.x") == (std::vector<std::string>{"a-08.x", "a-09.x", "a-10.x", "a-11.x"}),
             boost::test_tools::per_element());
  BOOST_TEST(expanded("{1..2}/{3..4}") == (std::vector<std::string>{"1/3", "1/4", "2/3", "2/4"}),
             boost::test_tools::per_element());
  for (const char* wrong : {"{2..1}", "{a..b}", "{..3}", "{0..99999999}"})
    BOOST_TEST(message_of([&] { vlm::expand_path(wrong); }) ==
               "vlm::ConfigError [data-path]\n  file      " + std::string(wrong) +
                   "\n  expected  two rising numbers in {000..127}, at most 1048576 files\n  got       " +
                   wrong + "\n  try       set-{000..127}.tar for 128 files, or a path without braces");
}

BOOST_AUTO_TEST_CASE(every_kind_of_file_is_recognised) {
  const Folder folder;
  const std::string line = R"({"messages": [{"role": "user", "content": "One"}]})";
  folder.write("a.jsonl", line + "\n" + line);
  folder.write("a.json", "\n[" + line + ",\n" + line + ", " + line + "]\n");
  for (const char* name : {"s-0.tar", "s-1.tar"})
    folder.write(name, tar_member("0.png", "") + tar_member("0.txt", name));
  folder.write("a.png", "");
  folder.write("a.txt", "A cat.");
  BOOST_TEST(SourceFiles({folder / "a.jsonl"}).size() == 2);
  const SourceFiles array({folder / "a.json"});
  BOOST_TEST(array.size() == 3);
  BOOST_TEST(array.place(1).line == 3);
  BOOST_TEST(written(array.conversation(2)) == "user: One\n");
  vlm::Source source{folder / "s-{0..1}.tar"};
  source.question = "Which?";
  const SourceFiles shards(source);
  BOOST_TEST(shards.size() == 2);
  BOOST_TEST(written(shards.conversation(1)) ==
             "user: [" + folder / "s-1.tar/0.png" + "]Which?\nassistant: s-1.tar\n");
  BOOST_TEST(shards.place(1).file == folder / "s-1.tar/0.txt");
  BOOST_TEST(written(SourceFiles({folder.path}).conversation(0)) ==
             "user: [" + folder / "a.png" + "]\nassistant: A cat.\n");
}

BOOST_AUTO_TEST_SUITE_END()
