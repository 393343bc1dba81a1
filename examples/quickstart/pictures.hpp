// The photographs of one split of Fashion-MNIST, dealt in shuffled order, and collages of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <vlm/vlm.hpp>

#include "clothes.hpp"

namespace pictures {

using clothes::Class;
using clothes::classes;
using vlm::Index;

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
  template <class List>
  void shuffle(List& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[below(i)]);
  }

 private:
  std::mt19937_64 engine_;
};

struct Picture {
  std::string reference;
  std::size_t label = 0, number = 0;  // `number` in its split
  const Class& item() const { return classes[label]; }
};

// The pictures of one split: each once before any comes again.
class Deck {
 public:
  // References are relative to `out`, where the conversations are written, so that both folders may move together.
  Deck(const std::string& folder, const std::string& out, const std::string& split, std::uint64_t seed)
      : images_(folder + "/" + split + "-images-idx3-ubyte"), dice_(seed) {
    const std::string reference = std::filesystem::relative(images_.path(), out).string() + "#";
    const vlm::IdxFile labels(folder + "/" + split + "-labels-idx1-ubyte");
    if (images_.extents().size() != 3 || labels.extents().size() != 1 || images_.count() != labels.count())
      throw vlm::DataError("idx-pair", {{"file", labels.path()},
                                        {"expected", "one label for each image of " + images_.path()},
                                        {"got", vlm::shape_text(labels.extents()) + " labels, " +
                                                    vlm::shape_text(images_.extents()) + " images"}});
    for (Index i = 0; i < images_.count(); ++i)
      add({reference + std::to_string(i), labels.item(i)[0], pictures_.size()});
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
  // One picture each of `count` classes, in random order.
  std::vector<Picture> of_different_classes(std::size_t count) {
    std::array<std::size_t, classes.size()> labels{};
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i;
    dice_.shuffle(labels);
    std::vector<Picture> chosen;
    for (std::size_t i = 0; i < count; ++i) chosen.push_back(of_class(labels.at(i)));
    return chosen;
  }
  vlm::Image image(const Picture& picture) const {
    return vlm::idx_image(images_, static_cast<Index>(picture.number));
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

  vlm::IdxFile images_;
  Dice dice_;
  std::vector<Picture> pictures_;
  std::vector<std::size_t> order_;
  std::size_t next_ = 0;
  std::array<std::vector<std::size_t>, classes.size()> by_class_;
};

// One to four items in the quarters of a square, each at a size and place of its own.
struct Collage {
  struct Item {
    std::size_t label = 0;
    std::array<Index, 4> box{};  // left, top, right, bottom of what is not black, from 0 to 1000
  };
  std::string reference;
  std::vector<Item> items;  // by rows

  std::size_t count(std::size_t label) const {
    return static_cast<std::size_t>(
        std::count_if(items.begin(), items.end(), [&](const Item& item) { return item.label == label; }));
  }
};

inline constexpr Index quarter = 28, collage_side = 2 * quarter, smallest_item = 20;

// Collages, in one IDX file that is written by `close`.
class Collages {
 public:
  Collages(Deck& deck, std::string folder, std::string name, std::size_t count)
      : deck_(&deck), path_(std::move(folder) + "/" + name) {
    bytes_ = {'\0', '\0', '\x08', '\x03'};
    for (const std::size_t extent :
         {count, static_cast<std::size_t>(collage_side), static_cast<std::size_t>(collage_side)})
      for (int shift = 24; shift >= 0; shift -= 8) bytes_ += static_cast<char>(extent >> shift & 0xff);
    for (std::size_t i = 0; i < count; ++i) compose(name + "#" + std::to_string(i));
    vlm::write_file_atomically(path_, bytes_);
    bytes_.clear();
  }
  const std::vector<Collage>& all() const { return collages_; }

 private:
  void compose(std::string reference) {
    Dice& dice = deck_->dice();
    Collage collage{std::move(reference), {}};
    std::string canvas(static_cast<std::size_t>(collage_side * collage_side), '\0');
    std::array<Index, 4> places = {0, 1, 2, 3};
    dice.shuffle(places);
    const std::size_t count = 1 + dice.below(places.size());
    std::sort(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(count));
    const std::vector<Picture> different = deck_->of_different_classes(count);
    const bool repeats = dice.percent(40);
    for (std::size_t i = 0; i < count; ++i) {
      const Picture& picture =
          repeats ? deck_->of_class(different[dice.below(2) * (count - 1)].label) : different[i];
      collage.items.push_back({picture.label, paste(canvas, deck_->image(picture), places.at(i))});
    }
    bytes_ += canvas;
    collages_.push_back(std::move(collage));
  }

  // Shrinks an item and puts it somewhere in a quarter; its box, from 0 to 1000.
  std::array<Index, 4> paste(std::string& canvas, const vlm::Image& image, Index place) {
    Dice& dice = deck_->dice();
    const auto below = [&dice](Index count) {
      return static_cast<Index>(dice.below(static_cast<std::size_t>(count)));
    };
    const Index side = smallest_item + below(quarter - smallest_item + 1);
    const vlm::Image item = vlm::resize_bicubic(image, side, side);
    const Index left = place % 2 * quarter + below(quarter - side + 1);
    const Index top = place / 2 * quarter + below(quarter - side + 1);
    std::array<Index, 4> box = {collage_side, collage_side, 0, 0};
    constexpr std::uint8_t nearly_black = 24;
    for (Index y = 0; y < side; ++y)
      for (Index x = 0; x < side; ++x) {
        const std::uint8_t value = item.at(y, x)[0];
        canvas[static_cast<std::size_t>((top + y) * collage_side + left + x)] = static_cast<char>(value);
        if (value <= nearly_black) continue;
        box = {std::min(box[0], left + x), std::min(box[1], top + y), std::max(box[2], left + x + 1),
               std::max(box[3], top + y + 1)};
      }
    for (Index& edge : box) edge = (edge * 1000 + collage_side / 2) / collage_side;
    return box;
  }

  Deck* deck_;
  std::string path_, bytes_;
  std::vector<Collage> collages_;
};

}  // namespace pictures
