// The words of the quick start: ten classes of clothes, and the questions asked about their pictures.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace clothes {

struct Class {
  std::string name, plural, group, definition;
};

// In the order of the data set's labels.
inline const std::array<Class, 10> classes = {{
    {"t-shirt", "t-shirts", "top", "a light top with short sleeves"},
    {"trouser", "trousers", "bottom", "worn on the legs"},
    {"pullover", "pullovers", "top", "a warm top pulled over the head"},
    {"dress", "dresses", "one-piece", "a top and a skirt in one piece"},
    {"coat", "coats", "top", "worn outside over other clothes"},
    {"sandal", "sandals", "footwear", "an open shoe with straps"},
    {"shirt", "shirts", "top", "a top with a collar and buttons"},
    {"sneaker", "sneakers", "footwear", "a low shoe for sport"},
    {"bag", "bags", "accessory", "used to carry things"},
    {"boot", "boots", "footwear", "a shoe that covers the ankle"},
}};

inline const std::string classify_question = "What is this? Answer with its name.";
inline const std::string thinking_request = " Think first.";
inline const std::string group_question = "Is this a top, bottom, one-piece, footwear or accessory?";
inline const std::string same_question = "Do both pictures show the same kind of item?";
inline const std::string both_question = "Name the items from left to right.";
inline const std::string count_all_question = "How many items are there?";
inline const std::string read_question = "Read it out.";
inline const std::string name_all_question = "Name the items row by row.";
inline const std::string locate_all_question = "Locate every item.";
inline const std::string code_question = "What is the code?";

// Each way to ask for a caption has one wording of the answer, so that answers can be compared exactly.
struct Caption {
  std::string question, before, after;
  std::string answer(const std::string& name) const { return before + name + after; }
};
inline const std::array<Caption, 4> captions = {{
    {"Describe the picture.", "The picture shows a ", "."},
    {"Write a caption.", "A photo of a ", "."},
    {"What do you see?", "I see a ", "."},
    {"Say what this is in one sentence.", "This is a ", "."},
}};

inline std::string is_this(const Class& item) { return "Is this a " + item.name + "?"; }
inline std::string where_is(const Class& item) {
  return "Which picture shows a " + item.name + ", left or right?";
}
inline std::string locate(const Class& item) { return "Locate the " + item.name + "."; }
inline std::string how_many(const Class& item) { return "How many " + item.plural + " are there?"; }
inline std::string when_is(const Class& item) { return "When does the " + item.name + " appear?"; }
inline std::string number_of(const Class& item) {
  return "Which number stands beside the " + item.name + "?";
}
inline std::string sentence_about(const Class& item) {
  return "It is " + item.definition + ", one of the kind " + item.group + ".";
}
// An answer after thoughts, one in a line.
inline std::string thoughts(const std::vector<std::string>& lines, const std::string& answer) {
  std::string text = "<think>\n";
  for (const std::string& line : lines) text += line + "\n";
  return text + "</think>\n\n" + answer;
}
inline std::string yes_no(bool yes) { return yes ? "yes" : "no"; }

}  // namespace clothes
