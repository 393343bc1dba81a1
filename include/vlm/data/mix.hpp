// Weighted sources as one endless stream in a reproducible order: item p of epoch e is a pure function of the
// files, the weights and the seed.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/data/permutation.hpp>
#include <vlm/data/source.hpp>

namespace vlm {

class Mix {
 public:
  struct Item {
    std::size_t source;
    Index line;
    friend bool operator==(const Item&, const Item&) = default;
  };

  Mix(const std::vector<Source>& sources, std::uint64_t seed) : seed_(seed) {
    for (const Source& source : sources) {
      if (!(source.weight > 0 && source.weight <= 1e6))
        throw ConfigError("data-weight", {{"file", source.path},
                                          {"expected", "a weight above 0 and up to 1000000"},
                                          {"got", std::to_string(source.weight)},
                                          {"try", "1 for every conversation once in an epoch"}});
      files_.emplace_back(source);
      bad_lines_.push_back(source.bad_line);
      const double count = std::round(source.weight * static_cast<double>(files_.back().size()));
      if (count < 1)
        throw DataError("data-empty", {{"file", source.path},
                                       {"expected", "at least one conversation of it in an epoch"},
                                       {"got", std::to_string(files_.back().size()) + " lines at weight " +
                                                   std::to_string(source.weight)},
                                       {"try", "a file with conversations, or a larger weight"}});
      begins_.push_back(epoch_size_);
      epoch_size_ += static_cast<Index>(count);
    }
    if (epoch_size_ == 0)
      throw DataError("data-empty", {{"expected", "at least one conversation"},
                                     {"got", std::to_string(sources.size()) + " files without any"},
                                     {"try", "files with conversations"}});
  }

  Index epoch_size() const { return epoch_size_; }
  std::uint64_t seed() const { return seed_; }
  const SourceFiles& file(std::size_t source) const { return files_[source]; }
  Unusable bad_line(std::size_t source) const { return bad_lines_[source]; }

  // Position from 0 to epoch_size() - 1.
  Item item(Index epoch, Index position) const {
    const auto stream = static_cast<std::uint64_t>(epoch);
    const Permutation order(static_cast<std::uint64_t>(epoch_size_), seed_, mix_bits(stream));
    const auto place = static_cast<Index>(order(static_cast<std::uint64_t>(position)));
    std::size_t source = files_.size() - 1;
    while (begins_[source] > place) --source;
    return {source, line_of(source, stream, place - begins_[source])};
  }

  Conversation conversation(const Item& item) const { return files_[item.source].conversation(item.line); }

 private:
  // Passes over the file follow each other, each in an order of its own, so that a part of one is random.
  Index line_of(std::size_t source, std::uint64_t epoch, Index taken) const {
    const Index size = files_[source].size();
    const auto pass = static_cast<std::uint64_t>(taken / size);
    const std::uint64_t stream = mix_bits(mix_bits(epoch) ^ (static_cast<std::uint64_t>(source) + 1)) + pass;
    const Permutation order(static_cast<std::uint64_t>(size), seed_, stream);
    return static_cast<Index>(order(static_cast<std::uint64_t>(taken % size)));
  }

  std::uint64_t seed_;
  std::vector<SourceFiles> files_;
  std::vector<Unusable> bad_lines_;
  std::vector<Index> begins_;  // of each source among the items of an epoch
  Index epoch_size_ = 0;
};

}  // namespace vlm
