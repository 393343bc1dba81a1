#include <boost/test/unit_test.hpp>

#include <vlm/data/captions.hpp>

#include <string>

#include "records.hpp"

using vlm::CaptionFolder;
using vlm::tests::Folder;
using vlm::tests::written;

BOOST_AUTO_TEST_SUITE(data_captions)

BOOST_AUTO_TEST_CASE(texts_beside_images_in_the_order_of_names) {
  const Folder folder;
  for (const char* name : {"b.PPM", "a.x.jpg", "notes.md", "c.png"}) folder.write(name, "");
  folder.write("a.x.txt", " A cat.\n");
  folder.write("b.txt", "A dog.");
  const CaptionFolder captions(folder.path, "What is it?");
  BOOST_TEST(captions.size() == 3);
  BOOST_TEST(written(captions.conversation(0)) ==
             "user: [" + folder / "a.x.jpg" + "]What is it?\nassistant: A cat.\n");
  BOOST_TEST(captions.conversation(1).place.file == folder / "b.txt");
  BOOST_TEST(message_of([&] { captions.conversation(2); }) ==
             "vlm::DataError [data-line]\n  file      " + folder / "c.txt" +
                 "\n  line      1\n  field     caption\n  expected  the caption of c.png\n"
                 "  got       no such file\n  try       write one, or take the image away");
  folder.write("c.txt", " \n");
  BOOST_TEST(message_of([&] { captions.conversation(2); }).find("expected  a caption\n  got       none") !=
             std::string::npos);
  BOOST_TEST(message_of([&] { captions.conversation(3); }).find("expected  an image from 0 to 2") !=
             std::string::npos);
  BOOST_CHECK_THROW(CaptionFolder(folder / "none"), vlm::FileError);
}

BOOST_AUTO_TEST_CASE(a_list_of_captions) {
  const Folder folder;
  folder.write("metadata.jsonl",
               "{\"file_name\": \"in/cat.png\", \"text\": \"A cat.\"}\n\n"
               "{\"file_name\": \"dog.png\", \"caption\": \"A dog.\"}\n{\"file_name\": \"x\"}\n"
               "{\"text\": \"A dog.\"}\n[]\n");
  const CaptionFolder captions(folder.path);
  BOOST_TEST(captions.size() == 5);
  BOOST_TEST(written(captions.conversation(0)) ==
             "user: [" + folder / "in/cat.png" + "]\nassistant: A cat.\n");
  BOOST_TEST(captions.conversation(1).place.line == 3);
  BOOST_TEST(message_of([&] {
               captions.conversation(2);
             }).find("line      4\n  field     text\n  expected  a caption, under \"text\" or \"caption\"") !=
             std::string::npos);
  for (const int i : {3, 4})
    BOOST_TEST(message_of([&] { captions.conversation(i); })
                   .find("field     file_name\n  expected  the name of an image in this folder\n"
                         "  got       no member of this name") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
