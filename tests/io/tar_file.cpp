#include <boost/test/unit_test.hpp>

#include <vlm/io/tar_file.hpp>

#include <string>
#include <utility>

#include "message_of.hpp"
#include "tar.hpp"
#include "temporary_folder.hpp"

using vlm::TarFile;
using vlm::tests::tar_end;
using vlm::tests::tar_link;
using vlm::tests::tar_member;

namespace {

// An archive that goes away with the test.
struct Archive {
  explicit Archive(const std::string& bytes) { vlm::write_file_atomically(path, bytes); }
  TemporaryFolder folder;
  std::string path = folder / "archive.tar";
};

// Without the folder of the archive.
std::string refusal(const std::string& bytes) {
  const Archive archive(bytes);
  std::string text = message_of([&] { const TarFile file(archive.path); });
  if (const std::size_t at = text.find(archive.path); at != text.npos)
    text.erase(at, archive.folder.path.size() + 1);
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(io_tar_file)

BOOST_AUTO_TEST_CASE(members_in_their_order) {
  const std::string name(120, 'n');
  const Archive archive(tar_member("folder", "", '5') + tar_member("b.txt", "second") +
                        tar_member("a.txt", "first") +
                        tar_member("c.txt", std::string(700, 'c'), '0', "deep/er") +
                        tar_member("././@LongLink", name + '\0', 'L') + tar_member("nnn", "long") +
                        tar_member("PaxHeaders/x", "18 path=given.txt\n10 size=3\n", 'x') +
                        tar_member("g", "pax") + tar_member("a.txt", "newer") + tar_end());
  const TarFile file(archive.path);
  BOOST_TEST_REQUIRE(file.members().size() == 6u);
  const char* names[] = {"b.txt", "a.txt", "deep/er/c.txt", name.c_str(), "given.txt", "a.txt"};
  for (std::size_t i = 0; i < 6; ++i) BOOST_TEST(file.members()[i].name == names[i]);
  BOOST_TEST(file.bytes(*file.find("b.txt")) == "second");
  BOOST_TEST(file.bytes(*file.find("a.txt")) == "newer");
  BOOST_TEST(file.bytes(*file.find("deep/er/c.txt")) == std::string(700, 'c'));
  BOOST_TEST(file.bytes(*file.find(name)) == "long");
  BOOST_TEST(file.bytes(*file.find("given.txt")) == "pax");
  for (const char* absent : {"", "a", "folder", "z.txt"}) BOOST_TEST(!file.find(absent), absent);
}

BOOST_AUTO_TEST_CASE(links_are_the_files_that_they_lead_to) {
  const std::string name(120, 'n');
  const Archive archive(
      tar_member("a.txt", "first") + tar_link("hard", "a.txt") + tar_link("soft", "a.txt", '2') +
      tar_member("a.txt", "newer") + tar_link("chain", "hard") + tar_link("d/up", "../early", '2') +
      tar_link("early", "b.txt", '2') + tar_member("b.txt", "") + tar_link("./dot", "c.txt", '2') +
      tar_member("./c.txt", "dotted") + tar_member("././@LongLink", name + '\0', 'L') +
      tar_member("nnn", "long") + tar_member("././@LongLink", name + '\0', 'K') + tar_link("gnu", "nnn") +
      tar_member("PaxHeaders/x", "20 linkpath=./c.txt\n", 'x') + tar_link("pax", "") +
      tar_member("again", "own bytes", '1', "", "a.txt") + tar_end());
  const TarFile file(archive.path);
  BOOST_TEST(file.members().size() == 14u);
  const std::pair<const char*, const char*> contents[] = {
      {"hard", "first"},   {"soft", "newer"}, {"chain", "first"}, {"d/up", ""},          {"early", ""},
      {"./dot", "dotted"}, {"gnu", "long"},   {"pax", "dotted"},  {"again", "own bytes"}};
  for (const auto& [link, content] : contents) {
    BOOST_TEST_REQUIRE(file.find(link), link);
    BOOST_TEST(file.bytes(*file.find(link)) == content, link);
  }
}

BOOST_AUTO_TEST_CASE(members_that_are_no_files_are_refused) {
  const auto message = [](const char* byte, const std::string& got, const char* advice) {
    return std::string("vlm::FileError [tar-header]\n  file      archive.tar\n  at        byte ") + byte +
           "\n  expected  files, folders and links to files of the archive\n  got       " + got +
           "\n  try       " + advice;
  };
  const std::string first = tar_member("a.txt", "hello");
  BOOST_TEST(refusal(first + tar_link("pipe", "", '6')) ==
             message("1024", "pipe, of type 6", "an archive without it"));
  BOOST_TEST(refusal(tar_link("early", "a.txt") + first) ==
             message("0", "early, a link to a.txt", "an archive written with tar --dereference"));
  for (const char* target : {"gone", "/etc/passwd", "../a.txt", "loop"})
    BOOST_TEST(refusal(first + tar_link("loop", target, '2')) ==
               message("1024", "loop, a link to " + std::string(target),
                       "an archive written with tar --dereference"));
}

BOOST_AUTO_TEST_CASE(archives_without_members) {
  for (const std::string& bytes : {std::string(), tar_end(), std::string(512, '\0')}) {
    const Archive archive(bytes);
    BOOST_TEST(TarFile(archive.path).members().empty());
  }
}

BOOST_AUTO_TEST_CASE(damaged_archives) {
  const std::string good = tar_member("a.txt", "hello");
  BOOST_TEST(refusal(good.substr(0, 514)) ==
             "vlm::FileError [tar-header]\n  file      archive.tar\n  at        byte 0\n"
             "  expected  5 bytes of a member\n  got       2\n"
             "  try       an uncompressed tar archive, written whole");
  BOOST_TEST(refusal(good + good.substr(0, 300)) ==
             "vlm::FileError [tar-header]\n  file      archive.tar\n  at        byte 1024\n"
             "  expected  a header of 512 bytes\n  got       300\n"
             "  try       an uncompressed tar archive, written whole");
  std::string bad = good;
  bad[0] = 'b';
  BOOST_TEST(refusal(good + bad).find("at        byte 1024\n  expected  a header whose bytes sum to") !=
             std::string::npos);
  bad = good;
  bad[126] = 'x';
  BOOST_TEST(refusal(bad).starts_with("vlm::FileError [tar-header]"));
  BOOST_TEST(refusal("hello").find("expected  a header of 512 bytes") != std::string::npos);
  BOOST_TEST(refusal(std::string(600, 'x')).find("expected  octal digits") != std::string::npos);
  BOOST_TEST(refusal(tar_member("x", "99 path=a\n", 'x')).find("records of a pax header") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
