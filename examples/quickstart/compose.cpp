// Composes the quick start's conversations from a folder of IDX files (Fashion-MNIST, unpacked): captions, questions
// about one and two pictures, boxes and counts in collages, times in clips, long documents, answers with thoughts;
// the same in words alone; and held-out questions. A training line is {"messages": [user, assistant]}; images are
// references "FILE#INDEX". The files of the test split are read for the held-out questions only.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <vlm/vlm.hpp>

#include "../command_line.hpp"
#include "clothes.hpp"
#include "pictures.hpp"

namespace {

using namespace clothes;
using namespace pictures;
using vlm::Json;

// A piece of a question: text, or something to see and what it would be in words.
struct Piece {
  Json seen;  // null for text
  std::string words;
};
struct Turn {
  std::vector<Piece> question;
  std::string answer;
};

Json part(const std::string& type, Json value) {
  return Json::object({{"type", type}, {type, std::move(value)}});
}

Piece say(const std::string& words) { return {Json(), words}; }
Piece see(const Picture& picture) {
  return {part("image", picture.reference), "[" + picture.item().name + "]"};
}

std::string box_text(const Collage::Item& item) {
  std::string text;
  for (const Index edge : item.box) text += (text.empty() ? "" : ", ") + std::to_string(edge);
  return "[" + text + "]";
}
Piece see(const Collage& collage, bool with_boxes) {
  std::string words;
  for (const Collage::Item& item : collage.items)
    words += "[" + classes.at(item.label).name + (with_boxes ? " " + box_text(item) : "") + "]";
  return {part("image", collage.reference), words};
}

// A clip of one item after the other, each for two frames.
struct Clip {
  std::vector<Picture> items;
  double frames_per_second = 1;
  double time(std::size_t item) const { return (static_cast<double>(2 * item) + 0.5) / frames_per_second; }
};
Piece see(const Clip& clip) {
  Json frames = Json::array();
  std::string words;
  for (std::size_t i = 0; i < clip.items.size(); ++i) {
    for (int frame = 0; frame < 2; ++frame) frames.push_back(clip.items[i].reference);
    words += "<" + vlm::time_text(clip.time(i)) + ">[" + clip.items[i].item().name + "]";
  }
  Json seen = part("video", std::move(frames));
  seen.set("sample_fps", clip.frames_per_second);
  return {std::move(seen), words};
}

Turn classify(const Picture& picture) {
  return {{see(picture), say(classify_question)}, picture.item().name};
}
Turn think(const Picture& picture) {
  return {{see(picture), say(classify_question + thinking_request)}, thoughts(picture.item())};
}
Turn caption(const Picture& picture, const Caption& wording) {
  return {{see(picture), say(wording.question)}, wording.answer(picture.item().name)};
}
Turn ask_yes_no(const Picture& picture, Dice& dice) {
  const std::size_t other = (picture.label + 1 + dice.below(classes.size() - 1)) % classes.size();
  const std::size_t asked = dice.percent(50) ? picture.label : other;
  return {{see(picture), say(is_this(classes.at(asked)))}, yes_no(asked == picture.label)};
}
Turn ask_group(const Picture& picture) { return {{see(picture), say(group_question)}, picture.item().group}; }

Turn ask_about_two(Deck& deck) {
  const Picture& left = deck.deal();
  const std::size_t kind = deck.dice().below(3);
  const bool same = kind == 0 && deck.dice().percent(50);
  const Picture& right = same ? deck.of_class(left.label) : deck.of_another_class(left.label);
  Turn turn{{see(left), see(right)}, {}};
  if (kind == 0) {
    turn.question.push_back(say(same_question));
    turn.answer = yes_no(same);
  } else if (kind == 1) {
    turn.question.push_back(say(both_question));
    turn.answer = left.item().name + ", " + right.item().name;
  } else {
    const bool ask_left = deck.dice().percent(50);
    turn.question.push_back(say(where_is((ask_left ? left : right).item())));
    turn.answer = ask_left ? "left" : "right";
  }
  return turn;
}

// Where the one item of its kind is.
Turn ground(const std::vector<Collage>& collages, Dice& dice) {
  for (;;) {
    const Collage& collage = dice.one_of(collages);
    const Collage::Item& item = dice.one_of(collage.items);
    if (collage.count(item.label) != 1) continue;
    const Class& kind = classes.at(item.label);
    return {{see(collage, true), say(locate(kind))},
            "[{\"bbox_2d\": " + box_text(item) + ", \"label\": \"" + kind.name + "\"}]"};
  }
}
Turn count(const std::vector<Collage>& collages, Dice& dice) {
  const Collage& collage = dice.one_of(collages);
  if (dice.percent(50))
    return {{see(collage, false), say(count_all_question)}, std::to_string(collage.items.size())};
  const std::size_t label = dice.percent(75) ? dice.one_of(collage.items).label : dice.below(classes.size());
  return {{see(collage, false), say(how_many(classes.at(label)))}, std::to_string(collage.count(label))};
}
Turn ask_time(Deck& deck, std::size_t items) {
  Dice& dice = deck.dice();
  constexpr double rates[] = {0.5, 1, 2};
  const Clip clip{deck.of_different_classes(items), rates[dice.below(3)]};
  const std::size_t asked = dice.below(items);
  return {{see(clip), say(when_is(clip.items[asked].item()))}, vlm::time_text(clip.time(asked))};
}

// Pages of sentences, pictures with numbers, and one sentence with a code: the needle.
Turn read_document(Deck& deck, std::size_t pages) {
  Dice& dice = deck.dice();
  const auto digits = [&dice](std::size_t length) {
    std::string text;
    while (text.size() < length) text += static_cast<char>('0' + dice.below(10));
    return text;
  };
  const std::vector<Picture> shown = deck.of_different_classes(std::min(pages, classes.size()));
  const std::string code = digits(4);
  const std::size_t asked = dice.below(shown.size()), place = dice.below(pages);
  Turn turn;
  std::string number;
  for (std::size_t page = 0; page < pages; ++page) {
    std::string text = "Page " + std::to_string(page + 1) + ".";
    for (int i = 0; i < 2; ++i) {
      const Class& item = dice.one_of(classes);
      text += " A " + item.name + " is " + item.definition + ".";
    }
    if (page == place) text += " The code is " + code + ".";
    turn.question.push_back(say(text + "\n"));
    if (page >= shown.size()) continue;
    const std::string written = digits(2);
    if (page == asked) number = written;
    turn.question.push_back(see(shown[page]));
    turn.question.push_back(say(" " + written + "\n"));
  }
  const bool needle = dice.percent(50);
  turn.question.push_back(say(needle ? code_question : number_of(shown[asked].item())));
  turn.answer = needle ? code : number;
  return turn;
}

struct Split {
  Deck deck;
  std::vector<Collage> collages;

  Split(const std::string& idx, const std::string& out, const std::string& split, std::uint64_t seed,
        std::size_t variants, std::size_t collage_count)
      : deck(idx, out, split, seed) {
    deck.add_variants(variants);
    collages = Collages(deck, split + "-collages-idx3-ubyte", collage_count).all();
  }
};

Turn mixed(Split& split) {
  Deck& deck = split.deck;
  const std::size_t kind = deck.dice().below(100);
  if (kind < 10) return caption(deck.deal(), deck.dice().one_of(captions));
  if (kind < 40) return classify(deck.deal());
  if (kind < 45) return ask_yes_no(deck.deal(), deck.dice());
  if (kind < 48) return ask_group(deck.deal());
  if (kind < 58) return ask_about_two(deck);
  if (kind < 72) return ground(split.collages, deck.dice());
  if (kind < 86) return count(split.collages, deck.dice());
  return ask_time(deck, 4);
}

Turn long_mixed(Split& split, std::size_t pages) {
  Deck& deck = split.deck;
  const std::size_t kind = deck.dice().below(100);
  if (kind < 25) return read_document(deck, pages / 2 + deck.dice().below(pages / 2 + 1));
  if (kind < 40) return ask_time(deck, 4 + deck.dice().below(5));
  return mixed(split);
}

Turn instruction(Split& split) {
  const std::size_t kind = split.deck.dice().below(100);
  if (kind < 40) return classify(split.deck.deal());
  if (kind < 45) return think(split.deck.deal());
  if (kind < 50) return read_document(split.deck, 4);
  return mixed(split);
}

Turn in_words(Turn turn) {
  std::string words;
  for (const Piece& piece : turn.question) words += (piece.seen.is_null() ? "" : " ") + piece.words;
  return {{say(words)}, std::move(turn.answer)};
}
Turn text(Split& split) {
  Dice& dice = split.deck.dice();
  const std::size_t kind = dice.below(100);
  if (kind < 70) return in_words(mixed(split));
  if (kind < 85) return in_words(instruction(split));
  if (kind < 90) return in_words(read_document(split.deck, 3));
  const Class& item = dice.one_of(classes);
  if (kind < 94)
    return {{say("What is a " + item.name + "?")}, "A " + item.name + " is " + item.definition + "."};
  if (kind < 97) return {{say("What do you call this: " + item.definition + "?")}, item.name};
  return {{say("Which group does a " + item.name + " belong to?")}, item.group};
}

// One JSON Lines file; evaluation lines get an id.
class Lines {
 public:
  explicit Lines(std::string path, std::string id_prefix = {})
      : path_(std::move(path)), id_prefix_(std::move(id_prefix)) {}

  void add(const Turn& turn) {
    Json content = Json::array();
    for (const Piece& piece : turn.question)
      content.push_back(piece.seen.is_null() ? part("text", piece.words) : piece.seen);
    const Json answer = Json::array({part("text", turn.answer)});
    const Json user = Json::object({{"role", "user"}, {"content", content}});
    const Json assistant = Json::object({{"role", "assistant"}, {"content", answer}});
    Json line = Json::object();
    if (!id_prefix_.empty()) line.set("id", id_prefix_ + "-" + std::to_string(count_));
    line.set("messages", Json::array({user, assistant}));
    text_ += vlm::write_json(line) + "\n";
    ++count_;
  }
  void close() const {
    vlm::write_file_atomically(path_, text_);
    std::printf("%s: %zu lines\n", path_.c_str(), count_);
  }

 private:
  std::string path_, id_prefix_, text_;
  std::size_t count_ = 0;
};

// Training lines; the words in them are collected for the tokenizer.
void compose_training(Split& split, const std::string& out, std::size_t scale) {
  std::set<std::string> corpus;
  const auto write = [&](const char* name, std::size_t count, auto next_turn) {
    Lines lines(out + "/" + name);
    for (std::size_t i = 0; i < count; ++i) {
      const Turn turn = next_turn();
      for (const Piece& piece : turn.question) corpus.insert(piece.words + "\n");
      corpus.insert(turn.answer + "\n");
      lines.add(turn);
    }
    lines.close();
  };
  Deck& deck = split.deck;
  write("text.jsonl", 24000 * scale, [&] { return text(split); });
  write("names.jsonl", deck.pictures().size(), [&] { return classify(deck.deal()); });
  write("captions.jsonl", 20000, [&] { return caption(deck.deal(), deck.dice().one_of(captions)); });
  write("mixed.jsonl", 60000 * scale, [&] { return mixed(split); });
  write("long.jsonl", 6000 * scale, [&] { return long_mixed(split, 12); });
  write("longest.jsonl", 2000 * scale, [&] { return long_mixed(split, 48); });
  write("sft.jsonl", 60000 * scale, [&] { return instruction(split); });
  std::string words;
  for (const std::string& entry : corpus) words += entry;
  vlm::write_file_atomically(out + "/corpus.txt", words);
}

void compose_held_out(Split& split, const std::string& out) {
  const auto write = [&](const std::string& task, std::size_t count, auto next_turn) {
    Lines lines(out + "/test_" + task + ".jsonl", task);
    for (std::size_t i = 0; i < count; ++i) lines.add(next_turn(i));
    lines.close();
  };
  Deck& deck = split.deck;
  const std::size_t few = 500;
  write("classify", deck.pictures().size(), [&](std::size_t i) { return classify(deck.pictures()[i]); });
  write("captions", few,
        [&](std::size_t i) { return caption(deck.deal(), captions.at(i % captions.size())); });
  write("pairs", few, [&](std::size_t) { return ask_about_two(deck); });
  write("grounding", few, [&](std::size_t) { return ground(split.collages, deck.dice()); });
  write("counting", few, [&](std::size_t) { return count(split.collages, deck.dice()); });
  write("time", few, [&](std::size_t) { return ask_time(deck, 4); });
  write("documents", few / 2, [&](std::size_t) { return read_document(deck, 6); });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Composes conversations about clothes from the IDX files of Fashion-MNIST.");
  std::string idx_folder, out_folder;
  std::uint64_t seed = 1;
  std::size_t scale = 1;
  app.add_option("IDX_FOLDER", idx_folder, "holds {train,t10k}-{images-idx3,labels-idx1}-ubyte")->required();
  app.add_option("OUT_FOLDER", out_folder, "receives the .jsonl files, collages and corpus.txt")->required();
  app.add_option("--seed", seed, "another seed, another order");
  app.add_option("--scale", scale, "times as many training lines")->check(CLI::Range(1, 100));
  return example::run(app, argc, argv, [&] {
    std::filesystem::create_directories(out_folder);
    Split train(idx_folder, out_folder, "train", seed, 1, 20000 * scale);
    Split held_out(idx_folder, out_folder, "t10k", seed, 0, 2000);
    compose_training(train, out_folder, scale);
    compose_held_out(held_out, out_folder);
    return 0;
  });
}
