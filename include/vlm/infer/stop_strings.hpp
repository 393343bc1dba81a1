// StopStrings: holds back text that could be the beginning of a text that ends the answer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>

namespace vlm {

class StopStrings {
 public:
  // Throws ConfigError [stop-string] for an empty one.
  explicit StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
    for (std::size_t i = 0; i < stops_.size(); ++i)
      if (stops_[i].empty())
        throw ConfigError("stop-string", {{"at", "stop string " + std::to_string(i)},
                                          {"expected", "a text of at least one character"},
                                          {"got", "\"\""},
                                          {"try", "leave it out"}});
    std::size_t longest = 0;
    for (const std::string& stop : stops_) longest = std::max(longest, stop.size());
    held_.reserve(longest + room);
  }

  // Appends to `text` what certainly stands before all stops; true where one was found, and nothing follows.
  bool push(std::string_view piece, std::string& text) {
    if (stops_.empty()) {
      text += piece;
      return false;
    }
    held_ += piece;
    std::size_t first = held_.npos;
    for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
    const bool found = first != held_.npos;
    const std::size_t given = found ? first : held_.size() - possible_beginning();
    text.append(held_, 0, given);
    held_.erase(0, found ? held_.npos : given);
    return found;
  }
  // What was held back, when the answer ends otherwise.
  void finish(std::string& text) { text += std::exchange(held_, {}); }

 private:
  // The longest end of the held text that begins a stop.
  std::size_t possible_beginning() const {
    std::size_t longest = 0;
    for (const std::string& stop : stops_)
      for (std::size_t size = std::min(stop.size() - 1, held_.size()); size > longest; --size)
        if (std::string_view(held_).substr(held_.size() - size) == std::string_view(stop).substr(0, size))
          longest = size;
    return longest;
  }

  static constexpr std::size_t room = 256;  // for the text of a token

  std::vector<std::string> stops_;
  std::string held_;
};

}  // namespace vlm
