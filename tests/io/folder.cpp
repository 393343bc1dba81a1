#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <vlm/io/file.hpp>
#include <vlm/io/folder.hpp>

#include "temporary_folder.hpp"

BOOST_AUTO_TEST_SUITE(io_folder)

BOOST_AUTO_TEST_CASE(a_folder_is_replaced_whole) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/model";
  vlm::write_folder_atomically(path,
                               [](const std::string& to) { vlm::write_file_atomically(to + "/old", "1"); });
  vlm::write_folder_atomically(path,
                               [](const std::string& to) { vlm::write_file_atomically(to + "/new", "2"); });
  BOOST_TEST(!vlm::file_exists(path + "/old"));
  BOOST_TEST(vlm::read_file(path + "/new") == "2");
  BOOST_TEST(!vlm::file_exists(path + ".partial"));
  BOOST_TEST(!vlm::file_exists(path + ".old"));
}

BOOST_AUTO_TEST_CASE(a_slash_at_the_end_of_a_path_says_nothing) {
  const TemporaryFolder folder;
  for (const char* text : {"1", "2"}) {
    vlm::write_folder_atomically(folder / "model//",
                                 [&](const std::string& to) { vlm::write_file_atomically(to + "/a", text); });
    BOOST_TEST(vlm::read_file(folder / "model/a") == text);
  }
  BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_CASE(names_that_lead_elsewhere_are_told) {
  for (const char* name : {"model.safetensors", "...", ".lock", "a b"}) BOOST_TEST(vlm::is_plain_name(name));
  for (const std::string_view name : {"", ".", "..", "a/b", "/a", "../a"})
    BOOST_TEST(!vlm::is_plain_name(name));
  BOOST_TEST(!vlm::is_plain_name(std::string_view("a\0b", 3)));
}

BOOST_AUTO_TEST_CASE(a_write_that_throws_leaves_the_old_folder) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/model";
  vlm::write_folder_atomically(path,
                               [](const std::string& to) { vlm::write_file_atomically(to + "/a", "old"); });
  BOOST_CHECK_THROW(
      vlm::write_folder_atomically(path, [](const std::string&) { throw vlm::DataError("x", {}); }),
      vlm::DataError);
  BOOST_TEST(vlm::read_file(path + "/a") == "old");
}

// Here the new folder is gone when it is to take its place.
BOOST_AUTO_TEST_CASE(a_renaming_that_fails_leaves_the_old_folder) {
  const TemporaryFolder folder;
  const std::string path = folder / "model";
  vlm::write_folder_atomically(path,
                               [](const std::string& to) { vlm::write_file_atomically(to + "/a", "old"); });
  BOOST_CHECK_THROW(vlm::write_folder_atomically(path, [](const std::string& to) { vlm::remove_folder(to); }),
                    vlm::FileError);
  BOOST_TEST(vlm::read_file(path + "/a") == "old");
  BOOST_TEST(folder.entries() == 1u);
}

// Killed between its two renames, a call leaves the old folder under another name; the next one takes it back first.
BOOST_AUTO_TEST_CASE(a_call_killed_between_its_renames_loses_nothing) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/model";
  vlm::make_folder(path + ".old");
  vlm::write_file_atomically(path + ".old/a", "old");
  BOOST_CHECK_THROW(
      vlm::write_folder_atomically(path, [](const std::string&) { throw vlm::DataError("x", {}); }),
      vlm::DataError);
  BOOST_TEST(vlm::read_file(path + "/a") == "old");
  BOOST_TEST(!vlm::file_exists(path + ".partial"));
}

BOOST_AUTO_TEST_CASE(names_and_errors) {
  const TemporaryFolder folder;
  vlm::make_folder(folder.path + "/a/b");
  vlm::write_file_atomically(folder.path + "/c", "");
  std::vector<std::string> names = vlm::folder_names(folder.path);
  std::sort(names.begin(), names.end());
  BOOST_TEST(names == (std::vector<std::string>{"a", "c"}), boost::test_tools::per_element());
  BOOST_CHECK_EXCEPTION(
      vlm::make_folder(folder.path + "/c/d"), vlm::FileError, [](const vlm::FileError& error) {
        return error.id() == "folder-write" && std::string(error.what()).find("/c/d") != std::string::npos;
      });
  BOOST_CHECK_THROW(vlm::folder_names(folder.path + "/nothing"), vlm::FileError);
}

BOOST_AUTO_TEST_CASE(folders_are_told_from_files) {
  BOOST_TEST(vlm::is_folder("tests/toy/start"));
  BOOST_TEST(!vlm::is_folder("tests/toy/start/config.json"));
  BOOST_TEST(!vlm::is_folder("tests/toy/no_such_folder"));
}

BOOST_AUTO_TEST_SUITE_END()
