// Composes the quick start's conversations from a folder of IDX files (Fashion-MNIST, unpacked): text for the
// decoder's warm-up, captions, mixed questions about one and two images, instructions, and held-out
// questions. A training line is {"messages": [user, assistant]}; the images are references "FILE#INDEX". The
// files of the test split are read for the held-out questions only.
#include <CLI/CLI.hpp>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <vlm/vlm.hpp>

#include "../command_line.hpp"

#include "clothes.hpp"

namespace {

using namespace clothes;
using vlm::Json;

// Random choices that are equal on every machine for one seed.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }
  bool percent(std::size_t chance) { return below(100) < chance; }
  template <class List>
  const auto& one_of(const List& list) {
    return list[below(list.size())];
  }
  template <class T>
  void shuffle(std::vector<T>& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[below(i)]);
  }

 private:
  std::mt19937_64 engine_;
};

struct Picture {
  std::string reference;
  std::size_t label = 0;
  const Class& item() const { return classes[label]; }
};

struct Turn {
  std::vector<Picture> pictures;
  std::string question, answer;
};

// The pictures of one split, dealt in shuffled order: each once before any comes again.
class Deck {
 public:
  // References are relative to `out`, where the conversations are written, so that both folders may move together.
  Deck(const std::string& folder, const std::string& out, const std::string& split, std::uint64_t seed)
      : dice_(seed) {
    const std::string path = folder + "/" + split + "-images-idx3-ubyte";
    const std::string reference = std::filesystem::relative(path, out).string() + "#";
    const vlm::IdxFile images(path), labels(folder + "/" + split + "-labels-idx1-ubyte");
    if (images.extents().size() != 3 || labels.extents().size() != 1 || images.count() != labels.count())
      throw vlm::DataError("idx-pair", {{"file", labels.path()},
                                        {"expected", "one label for each image of " + path},
                                        {"got", vlm::shape_text(labels.extents()) + " labels, " +
                                                    vlm::shape_text(images.extents()) + " images"}});
    for (vlm::Index i = 0; i < images.count(); ++i) add({reference + std::to_string(i), labels.item(i)[0]});
    for (const auto& members : by_class_)
      if (members.empty())
        throw vlm::DataError("idx-label", {{"file", labels.path()}, {"expected", "every label"}});
  }

  const std::vector<Picture>& pictures() const { return pictures_; }
  const Picture& deal() {
    if (next_ == 0) dice_.shuffle(order_), next_ = order_.size();
    return pictures_[order_[--next_]];
  }
  const Picture& of_class(std::size_t label) { return pictures_[dice_.one_of(by_class_.at(label))]; }
  const Picture& of_another_class(std::size_t label) {
    return of_class((label + 1 + dice_.below(classes.size() - 1)) % classes.size());
  }
  Dice& dice() { return dice_; }

 private:
  void add(Picture picture) {
    if (picture.label >= classes.size())
      throw vlm::DataError("idx-label", {{"image", picture.reference},
                                         {"expected", "a label from 0 to 9"},
                                         {"got", std::to_string(picture.label)}});
    by_class_.at(picture.label).push_back(pictures_.size());
    order_.push_back(pictures_.size());
    pictures_.push_back(std::move(picture));
  }

  Dice dice_;
  std::vector<Picture> pictures_;
  std::vector<std::size_t> order_;
  std::size_t next_ = 0;
  std::array<std::vector<std::size_t>, classes.size()> by_class_;
};

// ---- Questions about pictures.

Turn classify(const Picture& picture) { return {{picture}, classify_question, picture.item().name}; }

Turn caption(const Picture& picture, const Caption& wording) {
  return {{picture}, wording.question, wording.answer(picture.item().name)};
}

Turn ask_yes_no(const Picture& picture, Dice& dice) {
  const std::size_t other = (picture.label + 1 + dice.below(classes.size() - 1)) % classes.size();
  const std::size_t asked = dice.percent(50) ? picture.label : other;
  return {{picture}, is_this(classes[asked].name), yes_no(asked == picture.label)};
}

Turn ask_about_two(Deck& deck) {
  const Picture& left = deck.deal();
  const std::size_t kind = deck.dice().below(3);
  const bool same = kind == 0 && deck.dice().percent(50);
  const Picture& right = same ? deck.of_class(left.label) : deck.of_another_class(left.label);
  if (kind == 0) return {{left, right}, same_question, yes_no(same)};
  if (kind == 1) return {{left, right}, both_question, left.item().name + ", " + right.item().name};
  const bool ask_left = deck.dice().percent(50);
  return {{left, right}, where_is((ask_left ? left : right).item().name), ask_left ? "left" : "right"};
}

Turn mixed(Deck& deck) {
  const std::size_t kind = deck.dice().below(100);
  if (kind < 30) return ask_about_two(deck);
  const Picture& picture = deck.deal();
  if (kind < 45) return caption(picture, deck.dice().one_of(captions));
  if (kind < 60) return {{picture}, name_question, "a " + picture.item().name};
  if (kind < 75) return classify(picture);
  if (kind < 90) return ask_yes_no(picture, deck.dice());
  return {{picture}, group_question, picture.item().group};
}

Turn instruction(Deck& deck) {
  const std::size_t kind = deck.dice().below(100);
  if (kind < 75) return classify(deck.deal());
  return kind < 85 ? ask_yes_no(deck.deal(), deck.dice()) : ask_about_two(deck);
}

// ---- Text alone: the same questions, with the pictures put into words.

Turn in_words(Turn turn) {
  std::string scene;
  if (turn.pictures.size() == 1) scene = "The picture shows a " + turn.pictures[0].item().name + ". ";
  if (turn.pictures.size() == 2)
    scene = "Left: a " + turn.pictures[0].item().name + ". Right: a " + turn.pictures[1].item().name + ". ";
  return {{}, scene + turn.question, std::move(turn.answer)};
}

Turn text(Deck& deck) {
  const std::size_t kind = deck.dice().below(100);
  if (kind < 45) return in_words(mixed(deck));
  if (kind < 80) return in_words(instruction(deck));
  const Class& item = deck.dice().one_of(classes);
  if (kind < 87)
    return {{}, "What is a " + item.name + "?", "A " + item.name + " is " + item.definition + "."};
  if (kind < 94) return {{}, "What do you call this: " + item.definition + "?", "a " + item.name};
  return {{}, "Which group does a " + item.name + " belong to?", item.group};
}

Json part(const std::string& type, const std::string& value) {
  return Json::object({{"type", type}, {type, value}});
}

// One JSON Lines file; evaluation lines get an id. The words of training lines are collected in `corpus`.
class Lines {
 public:
  Lines(std::string path, std::string id_prefix = {})
      : path_(std::move(path)), id_prefix_(std::move(id_prefix)) {}

  void add(const Turn& turn) {
    Json content = Json::array();
    for (const Picture& picture : turn.pictures) content.push_back(part("image", picture.reference));
    content.push_back(part("text", turn.question));
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

void compose_training(Deck& deck, const std::string& out) {
  std::set<std::string> corpus;
  const auto write = [&](const char* name, std::size_t count, auto next_turn) {
    Lines lines(out + "/" + name);
    for (std::size_t i = 0; i < count; ++i) {
      const Turn turn = next_turn();
      corpus.insert(turn.question + "\n" + turn.answer + "\n");
      lines.add(turn);
    }
    lines.close();
  };
  const std::size_t count = deck.pictures().size();
  write("text.jsonl", count / 3, [&] { return text(deck); });
  write("captions.jsonl", count, [&] { return caption(deck.deal(), deck.dice().one_of(captions)); });
  write("mixed.jsonl", count * 2, [&] { return mixed(deck); });
  write("sft.jsonl", count, [&] { return instruction(deck); });
  std::string words;
  for (const std::string& entry : corpus) words += entry;
  vlm::write_file_atomically(out + "/corpus.txt", words);
}

void compose_held_out(Deck& deck, const std::string& out) {
  Lines test(out + "/test.jsonl", "test"), pairs(out + "/test_pairs.jsonl", "pair");
  Lines described(out + "/test_captions.jsonl", "caption");
  for (const Picture& picture : deck.pictures()) test.add(classify(picture));
  for (std::size_t i = 0; i < deck.pictures().size() / 10; ++i) {
    pairs.add(ask_about_two(deck));
    described.add(caption(deck.deal(), captions[i % captions.size()]));
  }
  for (const Lines* lines : {&test, &pairs, &described}) lines->close();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Composes conversations about clothes from the IDX files of Fashion-MNIST.");
  std::string idx_folder, out_folder;
  std::uint64_t seed = 1;
  app.add_option("IDX_FOLDER", idx_folder, "holds {train,t10k}-{images-idx3,labels-idx1}-ubyte")->required();
  app.add_option("OUT_FOLDER", out_folder, "receives the .jsonl files and corpus.txt")->required();
  app.add_option("--seed", seed, "another seed, another order");
  return example::run(app, argc, argv, [&] {
    std::filesystem::create_directories(out_folder);
    Deck train(idx_folder, out_folder, "train", seed), held_out(idx_folder, out_folder, "t10k", seed);
    compose_training(train, out_folder);
    compose_held_out(held_out, out_folder);
    return 0;
  });
}
