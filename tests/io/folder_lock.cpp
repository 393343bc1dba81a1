#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>

#include <vlm/io/folder_lock.hpp>

#include "message_of.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

BOOST_AUTO_TEST_SUITE(io_folder_lock)

BOOST_AUTO_TEST_CASE(a_second_owner_is_refused_until_the_first_is_gone) {
  const TemporaryFolder folder;
  std::optional<FolderLock> first(folder.path);
  BOOST_TEST(message_of([&] { FolderLock{folder.path}; }) ==
             "vlm::FileError [folder-in-use]\n"
             "  folder    " +
                 folder.path +
                 "\n"
                 "  expected  a folder that no other run writes\n"
                 "  got       one that another process or object has locked\n"
                 "  try       wait for that run or stop it, or choose another folder");
  first.reset();
  BOOST_CHECK_NO_THROW(FolderLock{folder.path});
}

// A process that dies without a word leaves no lock behind.
BOOST_AUTO_TEST_CASE(the_lock_ends_with_its_process) {
  const TemporaryFolder folder;
  int ready[2];
  BOOST_REQUIRE_EQUAL(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const FolderLock lock(folder.path);
    const bool told = write(ready[1], "x", 1) == 1;
    while (told) pause();
    _exit(1);
  }
  char byte = 0;
  BOOST_REQUIRE_EQUAL(read(ready[0], &byte, 1), 1);
  BOOST_CHECK_THROW(FolderLock{folder.path}, FileError);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  BOOST_CHECK_NO_THROW(FolderLock{folder.path});
  close(ready[0]);
  close(ready[1]);
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_written_is_one_error) {
  BOOST_TEST(message_of([&] { FolderLock{"/nowhere"}; }) ==
             "vlm::FileError [file-write]\n"
             "  file      /nowhere/.lock\n"
             "  expected  a place that can be written\n"
             "  got       No such file or directory\n"
             "  try       check the path and its permissions");
}

BOOST_AUTO_TEST_SUITE_END()
