// Answers as models write them, and answers that are broken.
#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>
#include <vector>

#include <vlm/io/json_definitions.hpp>
#include <vlm/vision/grounding_parser.hpp>

namespace {

using Boxes = std::vector<vlm::Box>;
using Points = std::vector<vlm::Point>;
using Spans = std::vector<vlm::Span>;

// Of a picture 640 wide and 400 high.
vlm::Grounding read(const std::string& answer) { return vlm::parse_grounding(answer, {400, 640}); }

std::vector<std::string> problems(const std::string& answer) { return read(answer).problems; }

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_grounding_parser)

BOOST_AUTO_TEST_CASE(boxes_and_points_in_pixels_of_the_source) {
  const vlm::Grounding found = read(
      R"([{"bbox_2d": [100, 250, 500, 1000], "label": "cat"}, {"point_2d": [0, 12.5], "label": "ear"}])");
  BOOST_TEST((found.boxes == Boxes{{64, 100, 320, 400, "cat"}}));
  BOOST_TEST((found.points == Points{{0, 5, "ear"}}));
  BOOST_TEST(found.spans.empty());
  BOOST_TEST(found.problems.empty());
}

BOOST_AUTO_TEST_CASE(fences_and_text_around) {
  const Boxes cat = {{64, 100, 320, 200, "cat"}};
  const std::string box = R"({"bbox_2d": [100, 250, 500, 500], "label": "cat"})";
  for (const std::string& answer : std::vector<std::string>{
           box, "[" + box + "]", "```json\n[\n\t" + box + "\n]\n```",
           "Here it is:\n```json\n" + box + "\n```\nIt's a \"cat\".", "It's {here}: " + box,
           "{\"objects\": [" + box + "], \"count\": 1}", "a } brace { and " + box + " }",
           "<think>\nmaybe {\"bbox_2d\": [1, 2, 3, 4]}\n</think>\n\n" + box}) {
    BOOST_TEST_CONTEXT(answer) {
      BOOST_TEST((read(answer).boxes == cat));
      BOOST_TEST(read(answer).problems.empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(lists_of_places_and_other_labels) {
  const vlm::Grounding found = read(
      R"({"bbox_2d": [[0, 0, 500, 500], [500, 500, 1000, 1000]], "text_content": "a { brace"} {"point_2d": [[0, 0], [1000, 1000]]})");
  BOOST_TEST((found.boxes == Boxes{{0, 0, 320, 200, "a { brace"}, {320, 200, 640, 400, "a { brace"}}));
  BOOST_TEST((found.points == Points{{0, 0}, {640, 400}}));
}

BOOST_AUTO_TEST_CASE(spans_of_time) {
  BOOST_TEST((
      read(
          R"([{"start": "00:03.50", "end": "01:02:03", "caption": "runs"}, {"start_time": 3, "end_time": 4.5}])")
          .spans == Spans{{3.5, 3723, "runs"}, {3, 4.5}}));
  BOOST_TEST((read(R"({"times": [1, "2.5 seconds"], "label": "jump"})").spans == Spans{{1, 2.5, "jump"}}));
  BOOST_TEST((read(R"({"timestamps": [[1, 2], ["3s", "0:05"]]})").spans == Spans{{1, 2}, {3, 5}}));
}

BOOST_AUTO_TEST_CASE(spans_in_words) {
  BOOST_TEST((read("The query happens in 24.3 - 30.4 seconds.").spans == Spans{{24.3, 30.4}}));
  BOOST_TEST((read("from 3.0 seconds to 12.4 seconds, and from 00:20 to 01:00:05").spans ==
              Spans{{3, 12.4}, {20, 3605}}));
  BOOST_TEST((read("00:03\xe2\x80\x93"
                   "00:12")
                  .spans == Spans{{3, 12}}));
  // No times: a count, a year, a score, a date.
  for (const char* answer :
       {"2 to 3 cats", "in 2024-2025", "he won 3:2", "1 - 2", "2024-01-02 to 3 seconds", "A1 to 2 s"})
    BOOST_TEST(read(answer).spans.empty(), answer);
}

BOOST_AUTO_TEST_CASE(times) {
  BOOST_TEST(*vlm::parse_time(" 12.5 ") == 12.5);
  BOOST_TEST(*vlm::parse_time("12.5 seconds") == 12.5);
  BOOST_TEST(*vlm::parse_time("90s") == 90.0);
  BOOST_TEST(*vlm::parse_time("02:03.25") == 123.25);
  BOOST_TEST(*vlm::parse_time("01:02:03") == 3723.0);
  for (const char* text : {"", "a", "1:60", "1:2:3:4", "1.5:20", "1:", ":1", "-1", "1e9", "1e999", "12 s t",
                           "nan", "inf", "99999999999999999999"})
    BOOST_TEST(!vlm::parse_time(text), text);
}

BOOST_AUTO_TEST_CASE(answers_that_are_cut_off) {
  const vlm::Grounding found = read(R"([{"bbox_2d": [0, 0, 500, 500], "label": "a"}, {"bbox_2d": [10, 20)");
  BOOST_TEST((found.boxes == Boxes{{0, 0, 320, 200, "a"}}));
  BOOST_TEST((found.problems == std::vector<std::string>{"\"bbox_2d\" in an object that is cut off"}));
  BOOST_TEST((problems(R"({"point_2d": [1, 2,]})") ==
              std::vector<std::string>{"\"point_2d\" in an object that is no JSON"}));
  BOOST_TEST(problems("a {brace} and {another").empty());
}

BOOST_AUTO_TEST_CASE(malformed_places) {
  const auto only = [](const std::string& answer) {
    const std::vector<std::string> all = problems(answer);
    return all.size() == 1 ? all[0] : std::to_string(all.size()) + " problems";
  };
  BOOST_TEST(only(R"({"bbox_2d": [1, 2, 3]})") ==
             "bbox_2d: expected four numbers from 0 to 1000, got 3 values");
  BOOST_TEST(only(R"({"a": {"bbox_2d": "none"}})") ==
             "a.bbox_2d: expected four numbers from 0 to 1000, got a string: \"none\"");
  BOOST_TEST(only(R"({"bbox_2d": [1, 2, 3, 1001]})") ==
             "bbox_2d[3]: expected a number from 0 to 1000, got an integer: 1001");
  BOOST_TEST(only(R"({"point_2d": [-0.5, 2]})") ==
             "point_2d[0]: expected a number from 0 to 1000, got a number: -0.5");
  BOOST_TEST(only(R"({"start": "soon", "end": 3})") == "start: expected a time, got a string: \"soon\"");
  BOOST_TEST(only(R"({"times": [1, 2, 3]})") == "times: expected two times, got 3 values");
  BOOST_TEST(only(R"({"times": [[1, 2], 3]})") == "times[1]: expected two times, got an integer: 3");
  BOOST_TEST(read(R"({"bbox_2d": [1, 2, 3, 1001]})").empty());
}

BOOST_AUTO_TEST_CASE(wrong_order_is_given_and_noted) {
  const vlm::Grounding found = read(R"({"bbox_2d": [500, 500, 0, 0]} {"start": 5, "end": 3})");
  BOOST_TEST((found.boxes == Boxes{{0, 0, 320, 200}}));
  BOOST_TEST((found.spans == Spans{{3, 5}}));
  BOOST_TEST((found.problems ==
              std::vector<std::string>{
                  "bbox_2d: expected the upper left corner first, got the corners in another order",
                  "start: expected the start first, got the end before it"}));
}

BOOST_AUTO_TEST_CASE(hostile_answers) {
  for (const std::string& answer :
       {std::string(100000, '{'), std::string(100000, '['), std::string(50000, '{') + std::string(50000, '}'),
        std::string(100000, '"'), "{\"bbox_2d\": " + std::string(300, '[') + std::string(300, ']') + "}",
        std::string("{\"bbox_2d\": [1e400, 0, 0, 0]}\0\xff\xfe", 32), std::string(100000, '1')})
    BOOST_TEST(read(answer).empty());
  BOOST_CHECK_THROW(vlm::parse_grounding("", {0, 4}), vlm::DataError);
}

BOOST_AUTO_TEST_SUITE_END()
