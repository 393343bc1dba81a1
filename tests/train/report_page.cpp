#include <vlm/train/report_page.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>

#include <vlm/core/config.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif

#include "message_of.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

std::string log_line(int step, const std::string& loss) {
  return "{\"step\":" + std::to_string(step) + ",\"loss\":" + loss +
         ",\"gradient_norm\":1,\"learning_rate\":0.1,\"tokens\":100,\"seconds\":30}\n";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(train_report_page)

BOOST_AUTO_TEST_CASE(a_run_is_one_page) {
  const TemporaryFolder folder;
  const std::string run = folder.path + "/r<1>";
  make_folder(run + "/B");
  make_folder(run + "/A");
  make_folder(run + "/samples");
  write_file_atomically(run + "/B/log.jsonl",
                        log_line(1, "3") + log_line(2, "null") + log_line(3, "1.5") + "{\"st");
  write_file_atomically(run + "/A/log.jsonl", log_line(1, "3"));
  write_file_atomically(run + "/scores.json",
                        R"({"stages": [{"stage": "B", "seconds": 61, "scores": {"x": 0.5}},
    {"stage": "A", "seconds": 5, "scores": {"x": 0.25, "y&": 1}}], "total_seconds": 66})");
  Image image(8, 8);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{255});
  write_file_atomically(run + "/samples/0.ppm",
                        "P6\n8 8\n255\n" + std::string(image.pixels.begin(), image.pixels.end()));
  write_file_atomically(run + "/samples/samples.json", R"([
    {"image": "0.ppm", "question": "Where <b>?", "answer": "[{\"bbox_2d\": [0, 0, 500, 1000], \"label\": \"cat\"}]",
     "expected": "[{\"bbox_2d\": [0, 0, 1000, 1000], \"label\": \"cat\"}]"},
    {"question": "What?", "answer": "</p><script>", "expected": "cat"},
    {"question": "What?", "answer": " cat ", "expected": "cat"}])");
  const std::string page = report_page(run + "/");
  BOOST_TEST(page.starts_with("<!doctype html>"));
  BOOST_TEST(has(page, "<h1>r&lt;1&gt;</h1>"));
  // Scores, a column for each name.
  BOOST_TEST(has(page, "<th>stage</th><th>x</th><th>y&amp;</th><th>time</th>"));
  BOOST_TEST(has(page, "<tr><td>B</td><td>0.500</td><td></td><td>1:01</td></tr>"));
  BOOST_TEST(has(page, "<tr><td>A</td><td>0.250</td><td>1.000</td><td>0:05</td></tr>"));
  // Logs in the order of the scores.
  BOOST_TEST(has(page, "3 steps, 300 tokens, 1:30, loss at the end 1.5000"));
  BOOST_TEST(page.find("<h2>B</h2>") < page.find("<h2>A</h2>"));
  BOOST_TEST(has(page, "<polyline points="));
  // Samples: nothing that an answer holds becomes markup.
  BOOST_TEST(has(page, "Where &lt;b&gt;?"));
  BOOST_TEST(has(page, "&lt;/p&gt;&lt;script&gt;"));
  BOOST_TEST(!has(page, "<script"));
  BOOST_TEST(has(page, "overlap 0.50"));
  BOOST_TEST(has(page, ">wrong</span>"));
  BOOST_TEST(has(page, ">right</span>"));
  BOOST_TEST(has(
      page, VLM_HAS_IMAGE ? "src=\"data:image/png;base64,iVBORw0KGgo" : "src=\"data:image/bmp;base64,Qk"));
}

BOOST_AUTO_TEST_CASE(places_are_drawn_on_an_enlarged_picture) {
  Image image(2, 3);
  image.at(1, 2)[0] = 200;
  const Image large = detail::enlarged(image);
  BOOST_TEST(large.height == 160);
  BOOST_TEST(large.width == 240);
  BOOST_TEST(large.at(80, 160)[0] == 200);
  BOOST_TEST(large.at(79, 160)[0] == 0);
  BOOST_TEST(detail::enlarged(large).width == 240);
}

BOOST_AUTO_TEST_CASE(a_folder_without_a_run_is_an_error) {
  const TemporaryFolder folder;
  BOOST_TEST(message_of([&] { report_page(folder.path); }) ==
             "vlm::ConfigError [report]\n  folder    " + folder.path +
                 "\n  expected  log.jsonl, scores.json or samples.json\n"
                 "  got       none of them\n"
                 "  try       the folder `out` of a run");
}

BOOST_AUTO_TEST_SUITE_END()
