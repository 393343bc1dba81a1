#include <boost/test/unit_test.hpp>

#include <vlm/io/file.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "message_of.hpp"
#include "temporary_folder.hpp"

using Folder = TemporaryFolder;

BOOST_AUTO_TEST_SUITE(io_file)

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
  const Folder folder;
  const std::string text("a\0b\n\xff", 5);
  vlm::write_file_atomically(folder / "x", text);
  BOOST_TEST(vlm::read_file(folder / "x") == text);
  BOOST_TEST(vlm::file_exists(folder / "x"));
  BOOST_TEST(!vlm::file_exists(folder / "y"));
  BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_CASE(an_empty_file_maps_to_no_bytes) {
  const Folder folder;
  vlm::write_file_atomically(folder / "empty", "");
  const vlm::MappedFile file(folder / "empty");
  BOOST_TEST(file.bytes().empty());
  BOOST_TEST(file.text() == "");
}

BOOST_AUTO_TEST_CASE(a_map_survives_moving_and_replacing_the_file) {
  const Folder folder;
  vlm::write_file_atomically(folder / "x", "old");
  vlm::MappedFile first(folder / "x");
  vlm::write_file_atomically(folder / "x", "newer");
  vlm::MappedFile second(std::move(first));
  BOOST_TEST(second.text() == "old");
  second = vlm::MappedFile(folder / "x");
  BOOST_TEST(second.text() == "newer");
  BOOST_TEST(second.path() == folder / "x");
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_named) {
  const Folder folder;
  BOOST_TEST(message_of([&] { vlm::MappedFile(folder / "none"); }) ==
             "vlm::FileError [file-open]\n  file      " + (folder / "none") +
                 "\n  expected  a readable file\n  got       No such file or directory"
                 "\n  try       check the path and its permissions");
}

BOOST_AUTO_TEST_CASE(only_regular_files_are_mapped) {
  const Folder folder;
  BOOST_REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  for (const std::string& path : {folder.path, folder / "pipe"}) {
    BOOST_TEST(message_of([&] { vlm::MappedFile{path}; }) ==
               "vlm::FileError [file-open]\n  file      " + path +
                   "\n  expected  a regular file\n  got       something else\n  try       the path of the "
                   "file itself");
  }
}

BOOST_AUTO_TEST_CASE(without_commit_the_old_content_stays) {
  const Folder folder;
  vlm::write_file_atomically(folder / "x", "old");
  {
    vlm::AtomicFile file(folder / "x");
    file.write("half of the new");
    BOOST_TEST(vlm::file_exists(folder / "x.partial"));
  }
  BOOST_TEST(vlm::read_file(folder / "x") == "old");
  BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_CASE(writers_of_one_file_leave_each_other_alone) {
  const Folder folder;
  {
    vlm::AtomicFile first(folder / "x"), second(folder / "x"), third(folder / "x");
    BOOST_TEST(folder.entries() == 3u);
    first.write("the first, ");
    second.write("second");
    first.write("whole");
    third.write("never committed");
    first.commit();
    BOOST_TEST(vlm::read_file(folder / "x") == "the first, whole");
    vlm::write_file_atomically(folder / "x", "in between");
    second.commit();
  }
  BOOST_TEST(vlm::read_file(folder / "x") == "second");
  BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_CASE(the_next_writer_takes_over_from_one_that_was_killed) {
  const Folder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    vlm::AtomicFile file(folder / "x");
    file.write("longer than what comes next");
    ::_exit(0);  // without a destructor, as a kill
  }
  BOOST_REQUIRE(::waitpid(child, nullptr, 0) == child);
  BOOST_TEST(folder.entries() == 1u);
  vlm::write_file_atomically(folder / "x", "next");
  BOOST_TEST(vlm::read_file(folder / "x") == "next");
  BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_CASE(an_exception_between_write_and_commit_leaves_no_partial_file) {
  const Folder folder;
  vlm::write_file_atomically(folder / "x", "old");
  const auto fail = [&] {
    vlm::AtomicFile file(folder / "x");
    file.write("new");
    throw std::runtime_error("interrupted");
  };
  BOOST_CHECK_THROW(fail(), std::runtime_error);
  BOOST_TEST(vlm::read_file(folder / "x") == "old");
  BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_CASE(a_failed_rename_is_an_error_and_cleans_up) {
  const Folder folder;
  std::filesystem::create_directory(folder / "x");
  BOOST_TEST(message_of([&] { vlm::write_file_atomically(folder / "x", "new"); }) ==
             "vlm::FileError [file-write]\n  file      " + (folder / "x") +
                 "\n  expected  a file that can be renamed into place\n  got       Is a directory"
                 "\n  try       check the path and its permissions");
  BOOST_TEST(std::filesystem::is_directory(folder / "x"));
  BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_CASE(a_place_that_cannot_be_written_is_an_error) {
  const Folder folder;
  const std::string path = folder / "none/x";
  BOOST_TEST(message_of([&] { vlm::AtomicFile file(path); }) ==
             "vlm::FileError [file-write]\n  file      " + path + ".partial" +
                 "\n  expected  a place that can be written\n  got       No such file or directory"
                 "\n  try       check the path and its permissions");
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_an_error) {
  if (::access("/dev/full", W_OK) != 0) return;
  const Folder folder;
  std::filesystem::create_symlink("/dev/full", folder / "x.partial");
  vlm::write_file_atomically(folder / "y", "old");
  BOOST_TEST(message_of([&] {
               vlm::AtomicFile file(folder / "x");
               file.write("new");
             }) == "vlm::FileError [file-write]\n  file      " + (folder / "x") +
                       "\n  expected  room for the whole file\n  got       No space left on device"
                       "\n  try       free space on this disk");
  BOOST_TEST(!vlm::file_exists(folder / "x"));
  BOOST_TEST(folder.entries() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
