// Video files: golden clips against the reference, seeking against decoding on, times, turns, and files that are none.
#include "vision/clips.hpp"

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/io/file.hpp>
#include <vlm/vision/video_file.hpp>

#include "temporary_folder.hpp"

namespace {

std::string message_of(auto&& open) {
  try {
    const vlm::Video video = open();
    vlm::Image storage;
    for (vlm::Index i = 0; i < video.frames(); ++i) video.frame(i, storage);
  } catch (const vlm::Error& error) {
    return error.what();
  }
  return "no error";
}
std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// The message of the error that a file gives, and its bytes in memory too. Of damaged frames, threads may see more or
// less.
std::string message_of_file(const std::string& path) {
  const vlm::VideoFileOptions options{.decoding_threads = 1};
  const std::string message = message_of([&] { return vlm::open_video(path, options); });
  if (std::filesystem::is_regular_file(path)) {
    const std::string text = vlm::read_file(path);
    BOOST_TEST(message_of([&] { return vlm::open_video(bytes_of(text), path, options); }) == message);
  }
  return message;
}

#if VLM_HAS_VIDEO

vlm::Image frame_of(const vlm::Video& video, vlm::Index index) {
  vlm::Image storage;
  return video.frame(index, storage);
}

const struct Quiet {
  Quiet() { av_log_set_level(AV_LOG_QUIET); }
} quiet;

#endif

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_video_file)

#if VLM_HAS_VIDEO

BOOST_AUTO_TEST_CASE(clips_of_test_sources_equal_the_reference) {
  int count = 0;
  for (const clips::Clip& clip : clips::read()) {
    if (clip.file.empty()) continue;
    const vlm::Video video = vlm::open_video(clips::folder + clip.file);
    BOOST_TEST_CONTEXT(clip.name) {
      BOOST_TEST(video.frames() == clip.frames);
      BOOST_TEST((video.size() == vlm::ImageSize{clip.height, clip.width}));
      BOOST_TEST(video.clock().is_constant());
      BOOST_TEST(video.clock().mean_rate(clip.frames) == clip.rate);
    }
    clips::check(clip, video);
    ++count;
  }
  BOOST_TEST(count == 10);
}

BOOST_AUTO_TEST_CASE(seeking_gives_the_frames_of_decoding_on) {
  for (const char* name : {"long.mp4", "long.ts", "long.avi", "testsrc.mkv"}) {
    BOOST_TEST_CONTEXT(name) {
      const std::string path = clips::folder + name;
      const vlm::Video on = vlm::open_video(path, {.decoding_threads = 1});
      std::vector<vlm::Image> frames;
      for (vlm::Index i = 0; i < on.frames(); ++i) frames.push_back(frame_of(on, i));
      BOOST_REQUIRE(frames.size() >= 45u);
      BOOST_TEST((frames[0] != frames[40]));
      const vlm::Video jumping = vlm::open_video(path, {.decoding_threads = 2});
      for (const vlm::Index i : {3, 39, 40, 44, 5, 41, 0, 17})
        BOOST_TEST((frame_of(jumping, i) == frames[static_cast<std::size_t>(i)]), "frame " << i);
      const auto last = static_cast<vlm::Index>(frames.size()) - 1;
      BOOST_TEST((frame_of(vlm::open_video(path), last) == frames.back()));
    }
  }
}

BOOST_AUTO_TEST_CASE(times_of_frames) {
  const vlm::Video variable = vlm::open_video(clips::folder + "variable.mkv");
  BOOST_TEST(!variable.clock().is_constant());
  BOOST_TEST(variable.frames() == 20);
  for (vlm::Index i = 0; i < 20; ++i)
    BOOST_TEST(variable.time(i) == (i < 10 ? 0.1 * static_cast<double>(i) : 0.3 * static_cast<double>(i) - 2),
               boost::test_tools::tolerance(1e-9));
  for (const char* name : {"long.mp4", "long.ts", "long.avi"}) {
    const vlm::Video constant = vlm::open_video(clips::folder + name);
    BOOST_TEST(constant.clock().is_constant(), name);
    BOOST_TEST(constant.time(25) == 1.0, name);
  }
}

BOOST_AUTO_TEST_CASE(turned_by_a_quarter) {
  const vlm::Video upright = vlm::open_video(clips::folder + "long.mp4");
  const vlm::Video turned = vlm::open_video(clips::folder + "turned.mp4");
  BOOST_TEST((upright.size() == vlm::ImageSize{48, 64}));
  BOOST_TEST((turned.size() == vlm::ImageSize{64, 48}));
  const vlm::Image from = frame_of(upright, 30), to = frame_of(turned, 30);
  for (vlm::Index y = 0; y < 48; ++y)
    for (vlm::Index x = 0; x < 64; ++x)
      for (vlm::Index c = 0; c < 3; ++c) BOOST_REQUIRE(to.at(63 - x, y)[c] == from.at(y, x)[c]);
}

BOOST_AUTO_TEST_CASE(frames_before_the_start_are_none) {
  const vlm::Video whole = vlm::open_video(clips::folder + "long.mp4");
  const vlm::Video later = vlm::open_video(clips::folder + "later.mp4");
  BOOST_TEST(later.frames() == 88);
  BOOST_TEST(later.clock().is_constant());
  for (const vlm::Index i : {0, 1, 27, 28, 87})
    BOOST_TEST((frame_of(later, i) == frame_of(whole, i + 12)), i);
}

BOOST_AUTO_TEST_CASE(files_without_a_clip) {
  const TemporaryFolder folder;
  const auto written = [&](const char* name, std::string_view bytes) {
    vlm::write_file_atomically(folder.path + "/" + name, bytes);
    return folder.path + "/" + name;
  };
  const std::string absent = folder.path + "/absent.mp4";
  BOOST_TEST(message_of_file(absent) ==
             "vlm::FileError [video-file]\n  file      " + absent +
                 "\n  expected  a video file\n  got       No such file or directory"
                 "\n  try       check the path, or encode the video again");
  const std::string sound = clips::folder + "sound.wav";
  BOOST_TEST(message_of_file(sound) ==
             "vlm::FileError [video-format]\n  file      " + sound +
                 "\n  expected  a video file\n  got       another kind of file, or a damaged one"
                 "\n  try       check the path, or encode the video again, as MP4 for example");
  BOOST_TEST(message_of_file(written("empty.mp4", "")).find("[video-format]") != std::string::npos);
  BOOST_TEST(message_of_file(written("text.mp4", "Once upon a time")).find("[video-format]") !=
             std::string::npos);
  BOOST_TEST(message_of_file(folder.path).find("[video-file]") != std::string::npos);
  BOOST_TEST(message_of_file("http://127.0.0.1/x.mp4").find("[video-file]") != std::string::npos);
  // No list of other files.
  const std::string other = std::filesystem::absolute(clips::folder + "long.ts").string();
  BOOST_TEST(
      message_of_file(written("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n" + other + "\n"))
          .find("[video-format]") != std::string::npos);
  BOOST_TEST(message_of_file(written("list.ffconcat", "ffconcat version 1.0\nfile '" + other + "'\n"))
                 .find("[video-format]") != std::string::npos);
  // A picture of 900 million pixels.
  const std::string bomb = message_of_file(written("bomb.y4m", "YUV4MPEG2 W30000 H30000 F25:1\nFRAME\n"));
  BOOST_TEST(bomb.find("vlm::") == 0u, bomb);
  // The wrong name does not matter.
  BOOST_TEST(message_of_file(written("clip.txt", vlm::read_file(clips::folder + "long.mp4"))) == "no error");
}

BOOST_AUTO_TEST_CASE(damaged_files) {
  const TemporaryFolder folder;
  int refused = 0, tried = 0;
  for (const char* name : {"long.mp4", "long.avi", "variable.mkv", "testsrc2.mkv"}) {
    const std::string whole = vlm::read_file(clips::folder + name);
    for (const std::size_t share : {1u, 3u, 5u, 7u, 9u}) {
      const std::string path = folder.path + "/cut-" + std::to_string(share) + "-" + name;
      vlm::write_file_atomically(path, whole.substr(0, whole.size() * share / 10));
      refused += message_of_file(path) != "no error";
      ++tried;
    }
    for (std::size_t at = 0; at < whole.size(); at += whole.size() / 10) {
      std::string broken = whole;
      for (std::size_t i = at; i < std::min(at + 40, broken.size()); ++i)
        broken[i] = static_cast<char>(i * 37);
      const std::string path = folder.path + "/broken-" + std::to_string(at) + "-" + name;
      vlm::write_file_atomically(path, broken);
      const std::string message = message_of_file(path);
      BOOST_TEST((message == "no error" || message.starts_with("vlm::")));
    }
  }
  BOOST_TEST(refused == tried);
}

BOOST_AUTO_TEST_CASE(bytes_in_memory_give_the_clip_of_the_file) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(clips::folder)) {
    const std::string path = entry.path().string(), kind = entry.path().extension().string();
    if (kind == ".json" || kind == ".safetensors" || kind == ".wav") continue;
    const std::string text = vlm::read_file(path);
    const vlm::Video file = vlm::open_video(path), memory = vlm::open_video(bytes_of(text), "memory");
    BOOST_TEST_CONTEXT(path) {
      BOOST_REQUIRE(memory.frames() == file.frames());
      BOOST_TEST((memory.size() == file.size()));
      BOOST_TEST(memory.clock().is_constant() == file.clock().is_constant());
      // From the last frame backwards, so that seeking is tried too.
      const vlm::Index step = 1 + file.frames() / 7;
      for (vlm::Index i = file.frames() - 1; i >= 0; i -= step) {
        BOOST_TEST(memory.time(i) == file.time(i));
        BOOST_TEST((frame_of(memory, i) == frame_of(file, i)), "frame " << i);
      }
    }
    ++count;
  }
  BOOST_TEST(count >= 15);
}

BOOST_AUTO_TEST_CASE(copies_share_the_bytes) {
  const std::string text = vlm::read_file(clips::folder + "long.ts");
  const vlm::Video video = vlm::open_video(bytes_of(text), "memory");
  const vlm::Video copy = video;
  const vlm::Image frame = frame_of(video, 30);
  BOOST_TEST((frame_of(copy, 30) == frame));
  BOOST_TEST(
      message_of([] {
        return vlm::open_video({}, "nothing");
      }).starts_with("vlm::FileError [video-format]\n  file      nothing\n  expected  a video file\n"));
}

BOOST_AUTO_TEST_CASE(wrong_options) {
  try {
    vlm::open_video(clips::folder + "long.mp4", {.decoding_threads = -1});
    BOOST_ERROR("no error");
  } catch (const vlm::ConfigError& error) {
    BOOST_TEST(std::string(error.what()) ==
               "vlm::ConfigError [video-options]\n  field     decoding_threads\n  expected  0 to 1024\n"
               "  got       -1"
               "\n  try       0, which takes one thread per processor");
  }
}

#else

BOOST_AUTO_TEST_CASE(a_program_without_decoders) {
  const std::string expected =
      "vlm::FileError [video-support]\n  file      clip.mp4\n  expected  a program with vlm::video\n"
      "  got       one without\n  try       link vlm::video, or make a Video from the file's frames";
  BOOST_TEST(message_of_file("clip.mp4") == expected);
  BOOST_TEST(message_of([] { return vlm::open_video(bytes_of("bytes"), "clip.mp4"); }) == expected);
}

#endif

BOOST_AUTO_TEST_SUITE_END()
