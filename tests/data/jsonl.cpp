#include <boost/test/unit_test.hpp>

#include <vlm/data/jsonl.hpp>

#include <string>

#include "tiny.hpp"

using vlm::JsonlFile;
using vlm::tests::Folder;

namespace {

std::string line(const std::string& text) {
  return R"({"messages": [{"role": "user", "content": ")" + text + R"("}]})";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_jsonl)

BOOST_AUTO_TEST_CASE(blank_lines_do_not_count_and_lines_keep_their_numbers) {
  const Folder folder;
  const JsonlFile file(
      folder.write("a.jsonl", "\n" + line("one") + "\r\n \t\r\n" + line("two") + "\n\n" + line("three")));
  BOOST_TEST(file.size() == 3);
  const char* texts[] = {"one", "two", "three"};
  const vlm::Index numbers[] = {2, 4, 6};
  for (vlm::Index i = 0; i < 3; ++i) {
    const vlm::Conversation read = file.conversation(i);
    BOOST_TEST(read.messages[0].content[0].text == texts[i]);
    BOOST_TEST(read.place.line == numbers[i]);
    BOOST_TEST(read.place.file == folder / "a.jsonl");
  }
}

BOOST_AUTO_TEST_CASE(files_without_conversations) {
  const Folder folder;
  BOOST_TEST(JsonlFile(folder.write("empty", "")).size() == 0);
  BOOST_TEST(JsonlFile(folder.write("blank", "\n \n\n")).size() == 0);
  BOOST_TEST(message_of([&] { JsonlFile(folder / "none"); }) ==
             "vlm::FileError [file-open]\n  file      " + folder / "none" +
                 "\n  expected  a readable file\n  got       No such file or directory\n"
                 "  try       check the path and its permissions");
}

BOOST_AUTO_TEST_CASE(bad_json_is_told_with_its_line_and_column) {
  const Folder folder;
  const JsonlFile file(folder.write("a.jsonl", line("fine") + "\n{\"messages\": [}\n"));
  BOOST_TEST(file.conversation(0).messages.size() == 1u);
  const std::string message = message_of([&] { file.conversation(1); });
  BOOST_TEST(message.starts_with("vlm::DataError [data-line]\n  file      " + folder / "a.jsonl" +
                                 "\n  line      2\n  field     column 15\n  expected  "),
             message);
}

BOOST_AUTO_TEST_CASE(an_array_of_records) {
  const Folder folder;
  const JsonlFile file(folder.write(
      "a.json", " [\n" + line("o]n,e") + " ,\n" + line(R"(\"[tw\\)") + ",\n{\"messages\": [}], 7\n]\n"));
  BOOST_TEST(file.size() == 4);
  BOOST_TEST(file.line(0) == line("o]n,e"));
  BOOST_TEST(file.conversation(1).messages[0].content[0].text == "\"[tw\\");
  BOOST_TEST(file.place(1).line == 3);
  BOOST_TEST(message_of([&] { file.conversation(2); }).find("line      4\n  field     column 15") !=
             std::string::npos);
  BOOST_TEST(message_of([&] { file.conversation(3); }).find("got       an integer: 7") != std::string::npos);
  BOOST_TEST(JsonlFile(folder.write("empty.json", "[ ]")).size() == 0);
}

BOOST_AUTO_TEST_CASE(broken_arrays) {
  const Folder folder;
  const struct {
    const char *text, *line, *expected, *got;
  } cases[] = {
      {"[\n{}", "2", "the \"]\" of the array of records", "the end of the file"},
      {"[{\"a", "1", "the \"]\" of the array of records", "the end of the file"},
      {"[{},\n\n]", "3", "a record", "\"]\""},
      {"[,{}]", "1", "a record", "\",\""},
      {"[{}]\n{}", "1", "nothing after the array", "more text"},
  };
  for (const auto& wrong : cases) {
    const std::string path = folder.write("a.json", wrong.text);
    BOOST_TEST(message_of([&] { const JsonlFile file(path); }) ==
               "vlm::DataError [data-line]\n  file      " + path + "\n  line      " + wrong.line +
                   "\n  field     top level\n  expected  " + wrong.expected + "\n  got       " + wrong.got +
                   "\n  try       correct this line");
  }
}

BOOST_AUTO_TEST_CASE(indexes_have_limits) {
  const Folder folder;
  const JsonlFile file(folder.write("a.jsonl", line("one")));
  for (const vlm::Index index : {-1, 1})
    BOOST_TEST(message_of([&] { file.line(index); }) ==
               "vlm::DataError [data-index]\n  file      " + folder / "a.jsonl" +
                   "\n  expected  a conversation from 0 to 0\n  got       " + std::to_string(index) +
                   "\n  try       an index below size()");
}

BOOST_AUTO_TEST_SUITE_END()
