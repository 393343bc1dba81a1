// Composes the quick start's conversations from a folder of IDX files (Fashion-MNIST, unpacked): captions, questions
// about one and two pictures, boxes and counts in collages, times in clips, long documents, answers with thoughts;
// the same in words alone; and held-out questions. A training line is {"messages": [user, assistant]}; images are
// references "FILE#INDEX". The files of the test split are read for the held-out questions only.
#include <CLI/CLI.hpp>
#include <algorithm>
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

// A piece of what a conversation is about: text, or something to see and what it would be in words.
struct Piece {
  Json seen;  // null for text
  std::string words;
};
struct Round {
  std::string question, answer;
};
// Everything that is asked about the same pieces, which stand before the first question.
struct Talk {
  std::vector<Piece> about;
  std::vector<Round> rounds;
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

Round classify(const Class& item) { return {classify_question, item.name}; }
Round caption(const Class& item, const Caption& wording) {
  return {wording.question, wording.answer(item.name)};
}
Round yes_or_no(const Class& item, Dice& dice) {
  const Class& asked = dice.percent(50) ? item : dice.one_of(classes);
  return {is_this(asked), yes_no(&asked == &item)};
}

// Rounds about one picture.
Talk describe(Deck& deck) {
  const Picture& picture = deck.deal();
  const Class& item = picture.item();
  std::vector<Round> rounds = {caption(item, deck.dice().one_of(captions)),
                               yes_or_no(item, deck.dice()),
                               {group_question, item.group}};
  deck.dice().shuffle(rounds);
  return {{see(picture)}, rounds};
}
Talk name(const Picture& picture) { return {{see(picture)}, {classify(picture.item())}}; }
Talk think(const Picture& picture) {
  return {{see(picture)},
          {{classify_question + thinking_request,
            thoughts({sentence_about(picture.item())}, picture.item().name)}}};
}

Talk compare(Deck& deck) {
  const Picture& left = deck.deal();
  const bool same = deck.dice().percent(30);
  const Picture& right = same ? deck.of_class(left.label) : deck.of_another_class(left.label);
  std::vector<Round> rounds = {{same_question, yes_no(left.label == right.label)},
                               {both_question, left.item().name + ", " + right.item().name}};
  if (!same) {
    const bool ask_left = deck.dice().percent(50);
    rounds.push_back({where_is((ask_left ? left : right).item()), ask_left ? "left" : "right"});
  }
  deck.dice().shuffle(rounds);
  return {{see(left), see(right)}, rounds};
}

// Answers that point at something name it first: a small model finds what it has just named.
std::string entry_text(const Collage::Item& item) {
  return "{\"label\": \"" + classes.at(item.label).name + "\", \"bbox_2d\": " + box_text(item) + "}";
}
// Where each item is that is the only one of its kind.
Talk ground(const std::vector<Collage>& collages, Dice& dice) {
  for (;;) {
    const Collage& collage = dice.one_of(collages);
    std::vector<Round> rounds;
    for (const Collage::Item& item : collage.items)
      if (collage.count(item.label) == 1)
        rounds.push_back({locate(classes.at(item.label)), "[" + entry_text(item) + "]"});
    if (rounds.empty()) continue;
    dice.shuffle(rounds);
    return {{see(collage, true)}, rounds};
  }
}
// What is where, of everything in order. Before a model can look for one thing, it has to know one from another at its
// place; lists teach that with every word.
Talk ground_all(const std::vector<Collage>& collages, Dice& dice) {
  const Collage& collage = dice.one_of(collages);
  std::string list;
  for (const Collage::Item& item : collage.items) list += (list.empty() ? "" : ", ") + entry_text(item);
  return {{see(collage, true)}, {{locate_all_question, "[" + list + "]"}}};
}
Talk name_all(const std::vector<Collage>& collages, Dice& dice) {
  const Collage& collage = dice.one_of(collages);
  std::string list;
  for (const Collage::Item& item : collage.items)
    list += (list.empty() ? "" : ", ") + classes.at(item.label).name;
  return {{see(collage, false)}, {{name_all_question, list}}};
}
Round count_all(const Collage& collage) { return {count_all_question, std::to_string(collage.items.size())}; }
Round count_kind(const Collage& collage, std::size_t label) {
  return {how_many(classes.at(label)), std::to_string(collage.count(label))};
}
// One held-out question: of all items or of one kind, which may be missing.
Talk count_one(const std::vector<Collage>& collages, Dice& dice) {
  const Collage& collage = dice.one_of(collages);
  if (dice.percent(50)) return {{see(collage, false)}, {count_all(collage)}};
  const std::size_t label = dice.percent(75) ? dice.one_of(collage.items).label : dice.below(classes.size());
  return {{see(collage, false)}, {count_kind(collage, label)}};
}
// Every kind that is there, and one that is not. To count all is easy; looking for a kind takes practice, most of all
// where it comes more than once.
Talk count(const std::vector<Collage>& collages, Dice& dice) {
  const auto repeats = [](const Collage& collage) {
    return std::any_of(collage.items.begin(), collage.items.end(),
                       [&](const Collage::Item& item) { return collage.count(item.label) > 1; });
  };
  const Collage* collage = &dice.one_of(collages);
  for (int tries = 0; tries < 2 && !repeats(*collage); ++tries) collage = &dice.one_of(collages);
  Talk talk{{see(*collage, false)}, {count_all(*collage)}};
  std::vector<std::size_t> missing;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    if (collage->count(label) > 0)
      talk.rounds.push_back(count_kind(*collage, label));
    else
      missing.push_back(label);
  }
  talk.rounds.push_back(count_kind(*collage, dice.one_of(missing)));
  dice.shuffle(talk.rounds);
  return talk;
}
// When an item of a clip appears. What names a moment stands before what is seen then; so the thoughts go through the
// clip until they come to the item, and the answer is their last line. A small model learns to stop there long before it
// learns to find a line among others.
Talk tell_times(Deck& deck, std::size_t items) {
  Dice& dice = deck.dice();
  constexpr double rates[] = {0.5, 1, 2};
  const Clip clip{deck.of_different_classes(items), rates[dice.below(3)]};
  std::vector<Round> rounds;
  std::vector<std::string> moments;
  for (std::size_t i = 0; i < items; ++i) {
    const Class& item = clip.items[i].item();
    moments.push_back(item.name + " at " + vlm::time_text(clip.time(i)));
    rounds.push_back({when_is(item) + thinking_request, thoughts(moments, moments.back())});
  }
  dice.shuffle(rounds);
  rounds.resize(2);
  return {{see(clip)}, rounds};
}

std::string digits(Dice& dice, std::size_t length) {
  std::string text;
  while (text.size() < length) text += static_cast<char>('0' + dice.below(10));
  return text;
}

// Pages of sentences, pictures with numbers, and one sentence with a code: the needle.
Talk read_document(Deck& deck, std::size_t pages) {
  Dice& dice = deck.dice();
  const std::vector<Picture> shown = deck.of_different_classes(std::min(pages, classes.size()));
  const std::string code = digits(dice, 4);
  const std::size_t place = dice.below(pages);
  Talk talk{{}, {{code_question, code}}};
  for (std::size_t page = 0; page < pages; ++page) {
    std::string text = "Page " + std::to_string(page + 1) + ".";
    for (int i = 0; i < 2; ++i) {
      const Class& item = dice.one_of(classes);
      text += " A " + item.name + " is " + item.definition + ".";
    }
    if (page == place) text += " The code is " + code + ".";
    talk.about.push_back(say(text + "\n"));
    if (page >= shown.size()) continue;
    const std::string number = digits(dice, 2);
    talk.about.push_back(see(shown[page]));
    talk.about.push_back(say(" " + number + "\n"));
    talk.rounds.push_back({number_of(shown[page].item()), shown[page].item().name + " " + number});
  }
  dice.shuffle(talk.rounds);
  return talk;
}

// Words and numbers to be read out.
Talk read_out(Dice& dice) {
  std::string text;
  for (std::size_t left = 4 + dice.below(12); left > 0; --left)
    text += (text.empty() ? "" : " ") + (dice.percent(50) ? dice.one_of(classes).name : digits(dice, 2));
  return {{say(text + "\n")}, {{read_question, text}}};
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

Talk mixed(Split& split) {
  Deck& deck = split.deck;
  const std::size_t kind = deck.dice().below(100);
  if (kind < 10) return describe(deck);
  if (kind < 26) return name(deck.deal());
  if (kind < 32) return compare(deck);
  if (kind < 38) return ground_all(split.collages, deck.dice());
  if (kind < 55) return ground(split.collages, deck.dice());
  if (kind < 63) return name_all(split.collages, deck.dice());
  if (kind < 82) return count(split.collages, deck.dice());
  return tell_times(deck, 4);
}

Talk long_mixed(Split& split, std::size_t pages) {
  Deck& deck = split.deck;
  const std::size_t kind = deck.dice().below(100);
  if (kind < 30) return read_document(deck, pages / 2 + deck.dice().below(pages / 2 + 1));
  if (kind < 40) return tell_times(deck, 4 + deck.dice().below(5));
  return mixed(split);
}

Talk instruction(Split& split) {
  const std::size_t kind = split.deck.dice().below(100);
  if (kind < 46) return name(split.deck.deal());
  if (kind < 49) return think(split.deck.deal());
  if (kind < 53) return read_document(split.deck, 6);
  if (kind < 63) return ground(split.collages, split.deck.dice());
  if (kind < 71) return count(split.collages, split.deck.dice());
  return mixed(split);
}

Talk in_words(Talk talk) {
  std::string words;
  for (const Piece& piece : talk.about) words += piece.words;
  return {{say(words + "\n")}, std::move(talk.rounds)};
}
Talk text(Split& split) {
  Dice& dice = split.deck.dice();
  const std::size_t kind = dice.below(100);
  if (kind < 20) return read_out(dice);
  if (kind < 35) return in_words(read_document(split.deck, 2 + dice.below(3)));
  if (kind < 50) return in_words(tell_times(split.deck, 2 + dice.below(4)));
  if (kind < 55) return in_words(instruction(split));
  if (kind < 96) return in_words(mixed(split));
  const Class& item = dice.one_of(classes);
  return {{},
          {{"What is a " + item.name + "?", "A " + item.name + " is " + item.definition + "."},
           {"What do you call this: " + item.definition + "?", item.name},
           {"Which group does a " + item.name + " belong to?", item.group}}};
}

// One JSON Lines file; evaluation lines get an id.
class Lines {
 public:
  explicit Lines(std::string path, std::string id_prefix = {})
      : path_(std::move(path)), id_prefix_(std::move(id_prefix)) {}

  void add(const Talk& talk) {
    Json messages = Json::array(), content = Json::array();
    for (const Piece& piece : talk.about)
      content.push_back(piece.seen.is_null() ? part("text", piece.words) : piece.seen);
    for (const Round& round : talk.rounds) {
      content.push_back(part("text", round.question));
      messages.push_back(Json::object({{"role", "user"}, {"content", std::move(content)}}));
      messages.push_back(Json::object({{"role", "assistant"}, {"content", round.answer}}));
      content = Json::array();
    }
    Json line = Json::object();
    if (!id_prefix_.empty()) line.set("id", id_prefix_ + "-" + std::to_string(count_));
    line.set("messages", std::move(messages));
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

// Training lines, `scale` times as many; the words in them are collected for the tokenizer.
void compose_training(Split& split, const std::string& out, double scale) {
  std::set<std::string> corpus;
  const auto write = [&](const char* file, std::size_t count, auto next) {
    Lines lines(out + "/" + file);
    for (std::size_t i = 0; i < count; ++i) {
      const Talk talk = next();
      for (const Piece& piece : talk.about) corpus.insert(piece.words + "\n");
      for (const Round& round : talk.rounds) corpus.insert(round.question + "\n" + round.answer + "\n");
      lines.add(talk);
    }
    lines.close();
  };
  Deck& deck = split.deck;
  const auto lines_of = [scale](std::size_t count) {
    return static_cast<std::size_t>(static_cast<double>(count) * scale);
  };
  write("text.jsonl", lines_of(40000), [&] { return text(split); });
  write("names.jsonl", deck.pictures().size(), [&] { return name(deck.deal()); });
  write("captions.jsonl", std::min(lines_of(20000), std::size_t{20000}), [&] {
    const Picture& picture = deck.deal();
    return Talk{{see(picture)}, {caption(picture.item(), deck.dice().one_of(captions))}};
  });
  write("mixed.jsonl", lines_of(60000), [&] { return mixed(split); });
  write("long.jsonl", lines_of(6000), [&] { return long_mixed(split, 12); });
  write("longest.jsonl", lines_of(2000), [&] { return long_mixed(split, 48); });
  write("sft.jsonl", lines_of(60000), [&] { return instruction(split); });
  std::string words;
  for (const std::string& entry : corpus) words += entry;
  vlm::write_file_atomically(out + "/corpus.txt", words);
}

// One question in each line.
void compose_held_out(Split& split, const std::string& out) {
  const auto write = [&](const std::string& task, std::size_t count, auto next) {
    Lines lines(out + "/test_" + task + ".jsonl", task);
    for (std::size_t i = 0; i < count; ++i) {
      Talk talk = next(i);
      talk.rounds.resize(1);
      lines.add(talk);
    }
    lines.close();
  };
  Deck& deck = split.deck;
  const std::size_t few = 500;
  write("classify", deck.pictures().size(), [&](std::size_t i) { return name(deck.pictures()[i]); });
  write("captions", few, [&](std::size_t i) {
    const Picture& picture = deck.deal();
    return Talk{{see(picture)}, {caption(picture.item(), captions.at(i % captions.size()))}};
  });
  write("pairs", few, [&](std::size_t) { return compare(deck); });
  write("grounding", few, [&](std::size_t) { return ground(split.collages, deck.dice()); });
  write("counting", few, [&](std::size_t) { return count_one(split.collages, deck.dice()); });
  write("time", few, [&](std::size_t) { return tell_times(deck, 4); });
  write("documents", few / 2, [&](std::size_t) { return read_document(deck, 6); });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Composes conversations about clothes from the IDX files of Fashion-MNIST.");
  std::string idx_folder, out_folder;
  std::uint64_t seed = 1;
  double scale = 1;
  std::size_t variants = 1;
  app.add_option("IDX_FOLDER", idx_folder, "holds {train,t10k}-{images-idx3,labels-idx1}-ubyte")->required();
  app.add_option("OUT_FOLDER", out_folder, "receives the .jsonl files, collages and corpus.txt")->required();
  app.add_option("--seed", seed, "another seed, another order");
  app.add_option("--scale", scale, "times as many training lines")->check(CLI::Range(0.01, 100.0));
  app.add_option("--variants", variants, "copies of each training photograph, mirrored or moved")
      ->check(CLI::Range(0, 100));
  return example::run(app, argc, argv, [&] {
    std::filesystem::create_directories(out_folder);
    Split train(idx_folder, out_folder, "train", seed, variants, static_cast<std::size_t>(20000 * scale));
    Split held_out(idx_folder, out_folder, "t10k", seed, 0, 2000);
    compose_training(train, out_folder, scale);
    compose_held_out(held_out, out_folder);
    return 0;
  });
}
