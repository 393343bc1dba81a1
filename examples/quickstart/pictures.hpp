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
  std::string reference;  // relative to the folder of the conversations
  std::size_t label = 0;
  const Class& item() const { return classes.at(label); }
};

// An IDX file of square grey pictures that is written at once.
class PictureFile {
 public:
  explicit PictureFile(Index count, Index side) : bytes_({'\0', '\0', '\x08', '\x03'}) {
    for (const Index extent : {count, side, side})
      for (int shift = 24; shift >= 0; shift -= 8) bytes_ += static_cast<char>(extent >> shift & 0xff);
  }
  void add(const std::string& pixels) { bytes_ += pixels; }
  void write(const std::string& path) const { vlm::write_file_atomically(path, bytes_); }

 private:
  std::string bytes_;
};

inline constexpr Index picture_side = 28;

// The pictures of one split: each once before any comes again.
class Deck {
 public:
  // `out` is the folder of the conversations; references are relative to it, so that both folders may move together.
  Deck(const std::string& folder, std::string out, const std::string& split, std::uint64_t seed)
      : out_(std::move(out)), split_(split), dice_(seed) {
    const vlm::IdxFile images(folder + "/" + split + "-images-idx3-ubyte");
    const vlm::IdxFile labels(folder + "/" + split + "-labels-idx1-ubyte");
    const std::string reference = std::filesystem::relative(images.path(), out_).string() + "#";
    if (images.extents().size() != 3 || labels.extents().size() != 1 || images.count() != labels.count())
      throw vlm::DataError("idx-pair", {{"file", labels.path()},
                                        {"expected", "one label for each image of " + images.path()},
                                        {"got", vlm::shape_text(labels.extents()) + " labels, " +
                                                    vlm::shape_text(images.extents()) + " images"},
                                        {"try", "images and labels of one split"}});
    for (Index i = 0; i < images.count(); ++i) add({reference + std::to_string(i), labels.item(i)[0]});
    for (const auto& members : by_class_)
      if (members.empty())
        throw vlm::DataError("idx-label", {{"file", labels.path()},
                                           {"expected", "every label"},
                                           {"try", "all photographs of the package"}});
  }

  // Adds each picture `times` more, mirrored or not and moved by up to two pixels.
  void add_variants(std::size_t times) {
    const std::size_t count = pictures_.size();
    for (std::size_t round = 1; round <= times; ++round) {
      const std::string name = split_ + "-variants" + std::to_string(round) + "-idx3-ubyte";
      PictureFile file(static_cast<Index>(count), picture_side);
      for (std::size_t i = 0; i < count; ++i) {
        file.add(variant(image(pictures_[i])));
        add({name + "#" + std::to_string(i), pictures_[i].label});
      }
      file.write(out_ + "/" + name);
    }
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
  vlm::Image image(const Picture& picture) { return files_.load(out_ + "/" + picture.reference); }
  Dice& dice() { return dice_; }
  const std::string& out() const { return out_; }

 private:
  void add(Picture picture) {
    if (picture.label >= classes.size())
      throw vlm::DataError("idx-label", {{"image", picture.reference},
                                         {"expected", "a label from 0 to 9"},
                                         {"got", std::to_string(picture.label)},
                                         {"try", "the labels of Fashion-MNIST"}});
    by_class_.at(picture.label).push_back(pictures_.size());
    order_.push_back(pictures_.size());
    pictures_.push_back(std::move(picture));
  }

  std::string variant(const vlm::Image& image) {
    const bool mirrored = dice_.percent(67);
    const Index down = static_cast<Index>(dice_.below(5)) - 2, right = static_cast<Index>(dice_.below(5)) - 2;
    std::string pixels;
    for (Index y = 0; y < picture_side; ++y)
      for (Index x = 0; x < picture_side; ++x) {
        const Index row = y - down, column = (mirrored ? picture_side - 1 - x : x) - right;
        const bool inside = row >= 0 && row < picture_side && column >= 0 && column < picture_side;
        pixels += static_cast<char>(inside ? image.at(row, column)[0] : 0);
      }
    return pixels;
  }

  std::string out_, split_;
  vlm::ImageFiles files_;
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

inline constexpr Index quarter = picture_side, collage_side = 2 * quarter, smallest_item = 20;

// Composes collages, and writes them to one IDX file beside the conversations.
class Collages {
 public:
  Collages(Deck& deck, const std::string& name, std::size_t count)
      : deck_(&deck), file_(static_cast<Index>(count), collage_side) {
    for (std::size_t i = 0; i < count; ++i) compose(name + "#" + std::to_string(i));
    file_.write(deck.out() + "/" + name);
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
    file_.add(canvas);
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
  PictureFile file_;
  std::vector<Collage> collages_;
};

}  // namespace pictures
