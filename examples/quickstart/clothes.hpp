// The words of the quick start: ten classes of clothes, and the questions asked about their pictures.
#pragma once

#include <array>
#include <string>

namespace clothes {

struct Class {
  std::string name, group, definition;
};

// In the order of the data set's labels.
inline const std::array<Class, 10> classes = {{
    {"t-shirt", "top", "a light top with short sleeves"},
    {"trouser", "bottom", "worn on the legs"},
    {"pullover", "top", "a warm top pulled over the head"},
    {"dress", "one-piece", "a top and a skirt in one piece"},
    {"coat", "top", "worn outside over other clothes"},
    {"sandal", "footwear", "an open shoe with straps"},
    {"shirt", "top", "a top with a collar and buttons"},
    {"sneaker", "footwear", "a low shoe for sport"},
    {"bag", "accessory", "used to carry things"},
    {"boot", "footwear", "a shoe that covers the ankle"},
}};

inline const std::string classify_question =
    "What is the item in this picture? Answer with one word or name.";
inline const std::string name_question = "What is this?";
inline const std::string group_question = "Is this a top, bottom, one-piece, footwear or accessory?";
inline const std::string same_question = "Do both pictures show the same kind of item?";
inline const std::string both_question = "Name the items from left to right.";

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

inline std::string is_this(const std::string& name) { return "Is this a " + name + "?"; }
inline std::string where_is(const std::string& name) {
  return "Which picture shows a " + name + ", left or right?";
}
inline std::string yes_no(bool yes) { return yes ? "yes" : "no"; }

}  // namespace clothes
