// The library's side of the comparison with the package `tokenizers`; bench/peers/tokenizer.py starts it and writes one
// command a line, each answered by one line. Documents of a file are separated by the byte 0x1E.
//
//   load FILE      reads a tokenizer.json anew: "seconds tokens"
//   encode FILE    encodes all documents, one thread: "seconds ids checksum", the last one over the ids in turn
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/vlm.hpp>

#include "../measure.hpp"

namespace {

std::vector<std::string_view> documents_of(std::string_view text) {
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\x1E'), text.size());
    documents.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return documents;
}

void load(const std::string& path, std::optional<vlm::Tokenizer>& tokenizer) {
  tokenizer.reset();
  const double start = bench::seconds_now();
  tokenizer = vlm::Tokenizer::load(path);
  const double seconds = bench::seconds_now() - start;
  std::printf("%.9f %zu\n", seconds, tokenizer->vocabulary_size());
}

void encode(const std::string& path, const vlm::Tokenizer& tokenizer) {
  const vlm::MappedFile file(path);
  const auto documents = documents_of(file.text());
  std::vector<std::vector<std::int32_t>> results;
  results.reserve(documents.size());
  const double start = bench::seconds_now();
  for (const std::string_view document : documents) results.push_back(tokenizer.encode(document));
  const double seconds = bench::seconds_now() - start;
  std::size_t count = 0;
  std::uint32_t checksum = 0;
  for (const auto& ids : results)
    for (const std::int32_t id : ids) ++count, checksum = checksum * 31 + static_cast<std::uint32_t>(id);
  std::printf("%.9f %zu %u\n", seconds, count, checksum);
}

}  // namespace

int main() {
  std::optional<vlm::Tokenizer> tokenizer;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, path;
    words >> command >> path;
    try {
      if (command == "load") {
        load(path, tokenizer);
      } else if (command == "encode" && tokenizer) {
        encode(path, *tokenizer);
      } else {
        std::printf("error: cannot do '%s'\n", line.c_str());
      }
    } catch (const vlm::Error& error) {
      std::printf("error: %s\n", error.what());
    }
    std::fflush(stdout);
  }
}
