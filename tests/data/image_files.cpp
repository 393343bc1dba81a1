#include <boost/test/unit_test.hpp>

#include <vlm/data/image_files.hpp>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tar.hpp"
#include "tiny.hpp"

using vlm::ImageFiles;
using vlm::tests::Folder;

BOOST_AUTO_TEST_SUITE(data_image_files)

BOOST_AUTO_TEST_CASE(images_equal_those_of_load_image) {
  const Folder folder;
  const std::string idx = folder.write("many.idx", vlm::tests::idx_of_images(5));
  vlm::tests::write_picture(folder, "cat.ppm", 3, 5, 40);
  vlm::tests::write_picture(folder, "many.idx#4", 2, 2, 90);  // a file of this very name comes first
  ImageFiles files;
  for (const std::string& reference : {idx + "#0", idx + "#3", idx + "#4", folder / "cat.ppm"})
    BOOST_TEST((files.load(reference) == vlm::load_image(reference)));
  BOOST_TEST(files.load(idx + "#3").pixels[0] == 3);
  BOOST_TEST(files.load(idx + "#4").pixels[0] == 90);
}

BOOST_AUTO_TEST_CASE(idx_files_stay_open_up_to_the_capacity) {
  const Folder folder;
  for (const char* name : {"a", "b", "c"}) folder.write(name, vlm::tests::idx_of_images(2));
  ImageFiles files(2);
  files.load(folder / "a#0");
  files.load(folder / "a#1");
  BOOST_TEST(files.open_files() == 1u);
  files.load(folder / "b#0");
  files.load(folder / "a#0");
  files.load(folder / "c#0");  // b was used longest ago
  BOOST_TEST(files.open_files() == 2u);
  std::filesystem::remove(folder / "a");
  std::filesystem::remove(folder / "b");
  BOOST_TEST(files.load(folder / "a#1").pixels[0] == 1);
  BOOST_CHECK_THROW(files.load(folder / "b#1"), vlm::FileError);
}

BOOST_AUTO_TEST_CASE(errors_equal_those_of_load_image) {
  const Folder folder;
  const std::string idx = folder.write("many.idx", vlm::tests::idx_of_images(2));
  folder.write("notes.txt", "hello");
  ImageFiles files;
  for (const std::string& reference :
       {idx + "#2", idx + "#x", idx, folder / "none.ppm", folder / "none.idx#0", folder / "notes.txt"}) {
    const std::string message = message_of([&] { files.load(reference); });
    BOOST_TEST(message != "no error");
    BOOST_TEST(message == message_of([&] { vlm::load_image(reference); }));
  }
}

BOOST_AUTO_TEST_CASE(many_threads_share_one_object) {
  const Folder folder;
  for (const char* name : {"a", "b", "c"}) folder.write(name, vlm::tests::idx_of_images(9));
  ImageFiles files(2);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        const std::string reference = folder / (std::string(1, "abc"[i % 3]) + "#" + std::to_string(i % 9));
        wrong[t] += files.load(reference).pixels[0] != i % 9;
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) BOOST_TEST(count == 0);
}

BOOST_AUTO_TEST_CASE(images_inside_archives_and_urls) {
  const Folder folder;
  const std::string bytes = "P6\n1 1\n255\nabc";
  const std::string archive =
      folder.write("s.tar", vlm::tests::tar_member("in/cat.ppm", bytes) +
                                vlm::tests::tar_member("dog.ppm", bytes.substr(4)) + vlm::tests::tar_end());
  const std::string url = "data:image/x-portable-pixmap;base64,UDYKMSAxCjI1NQphYmM=";
  ImageFiles files;
  BOOST_TEST((files.load(archive + "/in/cat.ppm") == vlm::decode_image(bytes, "cat.ppm")));
  BOOST_TEST((files.load(url) == vlm::decode_image(bytes, "cat.ppm")));
  BOOST_TEST(files.open_files() == 1u);
  BOOST_TEST(message_of([&] { files.load(archive + "/cat.ppm"); }) ==
             "vlm::DataError [tar-member]\n  file      " + archive +
                 "\n  expected  a member cat.ppm\n  got       none of this name"
                 "\n  try       the name as tar --list prints it");
  BOOST_TEST(message_of([&] { files.load(archive + "/dog.ppm"); }).find(archive + "/dog.ppm") !=
             std::string::npos);
  BOOST_TEST(message_of([&] { files.load("data:image/png;base64,*"); }) ==
             "vlm::DataError [data-url]\n  file      data:image/png;base64,...\n"
             "  expected  data:TYPE;base64, and base64\n  got       other characters, or an impossible length"
             "\n  try       data:image/png;base64, and the bytes of a file in base64");
  BOOST_TEST(message_of([&] { files.load("data:text,Hi"); }).find("got       another form") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(videos_inside_archives_and_urls) {
  // Clips of black frames, as many as the file has bytes.
  const auto kept = vlm::detail::video_opener.load();
  static std::string opened;
  vlm::register_video_opener([](const vlm::VideoSource& source, const vlm::VideoFileOptions& options) {
    opened = source.name + (source.bytes ? " in memory, " : ", ") + std::to_string(options.decoding_threads);
    const vlm::Index frames = source.bytes ? static_cast<vlm::Index>(source.bytes->size()) : 2;
    return vlm::Video(frames, {32, 64}, vlm::FrameClock::rate(2),
                      [](vlm::Index) { return vlm::Image(32, 64); });
  });
  const Folder folder;
  const std::string archive =
      folder.write("s.tar", vlm::tests::tar_member("a.mp4", "12345678") + vlm::tests::tar_end());
  const vlm::VideoSettings settings = vlm::VideoSettings::for_images(vlm::tests::tiny_images());
  ImageFiles files;
  const auto steps = [&](const std::string& reference) {
    return files.patches(reference, settings).grid.frames;
  };
  BOOST_TEST(steps(archive + "/a.mp4") == 4);
  BOOST_TEST(opened == archive + "/a.mp4 in memory, 1");
  BOOST_TEST(steps("data:video/mp4;base64,YWJjZGVm") == 3);
  BOOST_TEST(opened == "data:video/mp4;base64,... in memory, 1");
  BOOST_TEST(steps("clip.mp4") == 1);
  BOOST_TEST(opened == "clip.mp4, 1");
  vlm::register_video_opener(kept);
}

BOOST_AUTO_TEST_SUITE_END()
