// A PrefixCache as a file, its pictures in it: a safetensors file that whoever has the same model can load.
//   identity [7] I64            version, the model's hash, format, bytes of a page, features of a picture's row, cells
//   page.parents [n] I64        the page that each follows, -1 for a beginning; those before it stand before it
//   page.cells [n, 64, 4] I64   token, row of the picture or -1, and the picture's key in two
//   page.N [bytes] U8           keys and values, as in memory
//   picture.keys [m, 3] I64     the key in two, visual tokens
//   picture.N [tokens, features] F32
//   checksums [...] I64         CRC-32C of every tensor before it, in order
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/infer/prefix_cache.hpp>
#include <vlm/io/crc32c.hpp>
#include <vlm/io/safetensors.hpp>

namespace vlm {

namespace detail {

inline constexpr std::int64_t prefix_file_version = 3;

inline std::vector<std::int64_t> numbers_of(const CacheIdentity& identity) {
  return {prefix_file_version,
          static_cast<std::int64_t>(identity.model.low),
          static_cast<std::int64_t>(identity.model.high),
          static_cast<std::int64_t>(identity.format),
          static_cast<std::int64_t>(identity.page_bytes),
          identity.picture_features,
          static_cast<std::int64_t>(PrefixCache::page_cells)};
}

// Tensors that are declared, then written in order, each with its checksum.
struct PrefixTensor {
  std::string name;
  DType dtype;
  std::vector<Index> shape;
  std::span<const std::byte> bytes;
};

class PrefixReader {
 public:
  explicit PrefixReader(const std::string& path) : file_(path) { check_sums(); }

  [[noreturn]] void refuse(std::string where, std::string expected, std::string got) const {
    throw FileError("prefix-file",
                    {{"file", file_.path()},
                     {"at", std::move(where)},
                     {"expected", std::move(expected)},
                     {"got", std::move(got)},
                     {"try", "remove this file, which is damaged, or of another model or version"}});
  }
  std::span<const std::byte> bytes(const std::string& name, DType dtype,
                                   const std::vector<Index>& shape) const {
    const StoredTensor* tensor = find(name);
    if (tensor->dtype == dtype && tensor->shape == shape) return tensor->bytes;
    refuse(name, std::string(name_of(dtype)) + " " + shape_text(shape),
           std::string(name_of(tensor->dtype)) + " " + shape_text(tensor->shape));
  }
  std::vector<std::int64_t> numbers(const std::string& name, const std::vector<Index>& shape) const {
    return copied(bytes(name, DType::I64, shape));
  }
  // How many rows a tensor has.
  Index rows(const std::string& name) const {
    const StoredTensor* tensor = find(name);
    if (tensor->shape.empty()) refuse(name, "a list", "a number");
    return tensor->shape[0];
  }

 private:
  static std::vector<std::int64_t> copied(std::span<const std::byte> bytes) {
    std::vector<std::int64_t> numbers(bytes.size() / sizeof(std::int64_t));
    if (!numbers.empty()) std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(std::int64_t));
    return numbers;
  }
  const StoredTensor* find(const std::string& name) const {
    const StoredTensor* tensor = file_.find(name);
    if (!tensor) refuse(name, "this tensor", "none");
    return tensor;
  }
  void check_sums() const {
    const auto count = static_cast<Index>(file_.tensors().size()) - 1;
    const std::vector<std::int64_t> sums = numbers("checksums", {count});
    std::size_t next = 0;
    for (const StoredTensor& tensor : file_.tensors()) {
      if (tensor.name == "checksums") continue;
      const std::int64_t sum = crc32c(tensor.bytes), stored = sums[next++];
      if (sum != stored) refuse(tensor.name, "the checksum " + std::to_string(stored), std::to_string(sum));
    }
  }

  SafetensorsFile file_;
};

inline void check_identity(const PrefixReader& file, const CacheIdentity& identity) {
  const std::vector<std::int64_t> expected = numbers_of(identity), got = file.numbers("identity", {7});
  const auto cells = [](std::int64_t format) {
    return format >= 0 && format <= static_cast<std::int64_t>(CellFormat::I8)
               ? "cells in " + std::string(name_of(static_cast<CellFormat>(format)))
               : "cells in format " + std::to_string(format);
  };
  if (got[0] != expected[0])
    file.refuse("identity", "version " + std::to_string(expected[0]), "version " + std::to_string(got[0]));
  if (got[1] != expected[1] || got[2] != expected[2])
    file.refuse("identity", "what the model of this cache computed",
                "what another did: other weights, or formats of weights, or settings");
  if (got[3] != expected[3]) file.refuse("identity", cells(expected[3]), cells(got[3]));
  const auto sizes = [](const std::vector<std::int64_t>& n) {
    return "pages of " + std::to_string(n[6]) + " cells and " + std::to_string(n[4]) + " bytes, " +
           std::to_string(n[5]) + " features of a picture's row";
  };
  if (got != expected) file.refuse("identity", sizes(expected), sizes(got));
}

}  // namespace detail

// Writes all that a cache knows; the file appears whole or not at all. Nothing is written for a cache that nobody has
// used: ConfigError [cache-model].
inline void save_prefix_cache(const PrefixCache& cache, const std::string& path) {
  const std::optional<CacheIdentity> identity = cache.identity();
  if (!identity)
    throw ConfigError("cache-model", {{"expected", "a cache that a session has used"},
                                      {"got", "a new one"},
                                      {"try", "save it after an answer"}});
  const auto [pages, pictures] = cache.content();
  const std::vector<std::int64_t> numbers = detail::numbers_of(*identity);
  std::vector<std::int64_t> parents, cells, keys;
  for (const PrefixCache::StoredPage& page : pages) {
    parents.push_back(page.parent);
    for (const Cell& cell : page.cells)
      cells.insert(cells.end(), {cell.token, cell.row, static_cast<std::int64_t>(cell.picture.low),
                                 static_cast<std::int64_t>(cell.picture.high)});
  }
  for (const PrefixCache::StoredPicture& known : pictures)
    keys.insert(keys.end(), {static_cast<std::int64_t>(known.key.low),
                             static_cast<std::int64_t>(known.key.high), known.picture->tokens});
  const auto page_count = static_cast<Index>(pages.size()),
             picture_count = static_cast<Index>(pictures.size());
  std::vector<detail::PrefixTensor> tensors = {
      {"identity", DType::I64, {7}, bytes_of(numbers)},
      {"page.parents", DType::I64, {page_count}, bytes_of(parents)},
      {"page.cells",
       DType::I64,
       {page_count, static_cast<Index>(PrefixCache::page_cells), 4},
       bytes_of(cells)},
      {"picture.keys", DType::I64, {picture_count, 3}, bytes_of(keys)}};
  for (std::size_t i = 0; i < pages.size(); ++i)
    tensors.push_back({"page." + std::to_string(i),
                       DType::U8,
                       {static_cast<Index>(pages[i].page->size())},
                       bytes_of(*pages[i].page)});
  for (std::size_t i = 0; i < pictures.size(); ++i)
    tensors.push_back({"picture." + std::to_string(i),
                       DType::F32,
                       {pictures[i].picture->tokens, identity->picture_features},
                       bytes_of(pictures[i].picture->rows)});
  std::vector<std::int64_t> sums;
  sums.reserve(tensors.size());
  for (const detail::PrefixTensor& tensor : tensors) sums.push_back(crc32c(tensor.bytes));
  const auto count = static_cast<Index>(sums.size());
  tensors.push_back({"checksums", DType::I64, {count}, bytes_of(sums)});

  SafetensorsWriter writer(path);
  for (const detail::PrefixTensor& tensor : tensors) writer.declare(tensor.name, tensor.dtype, tensor.shape);
  for (const detail::PrefixTensor& tensor : tensors) writer.write(tensor.name, tensor.bytes);
  writer.commit();
}

// Adds to a cache what a file holds. Throws FileError [prefix-file] where the file is damaged, or of another model or
// format than the cache; then the cache is as it was. A cache must have been bound by a session before.
inline void load_prefix_cache(PrefixCache& cache, const std::string& path) {
  const std::optional<CacheIdentity> identity = cache.identity();
  if (!identity)
    throw ConfigError("cache-model", {{"expected", "a cache that a session has used"},
                                      {"got", "a new one"},
                                      {"try", "make the session or the chat first"}});
  const detail::PrefixReader file(path);
  detail::check_identity(file, *identity);
  constexpr auto size = PrefixCache::page_cells;
  const Index page_count = file.rows("page.parents"), picture_count = file.rows("picture.keys");
  const std::vector<std::int64_t> parents = file.numbers("page.parents", {page_count});
  const std::vector<std::int64_t> numbers =
      file.numbers("page.cells", {page_count, static_cast<Index>(size), 4});
  const std::vector<std::int64_t> keys = file.numbers("picture.keys", {picture_count, 3});

  std::vector<PrefixCache::Page> pages;
  std::vector<bool> is_followed(parents.size());
  for (std::size_t i = 0; i < parents.size(); ++i) {
    if (parents[i] < -1 || parents[i] >= static_cast<std::int64_t>(i))
      file.refuse("page.parents", "a page before page " + std::to_string(i) + ", or -1",
                  std::to_string(parents[i]));
    if (parents[i] >= 0) is_followed[static_cast<std::size_t>(parents[i])] = true;
    const std::span<const std::byte> bytes =
        file.bytes("page." + std::to_string(i), DType::U8, {static_cast<Index>(identity->page_bytes)});
    pages.push_back(std::make_shared<CachePage>(bytes.begin(), bytes.end()));
  }
  std::vector<PrefixCache::StoredPicture> pictures;
  for (std::size_t i = 0; i < static_cast<std::size_t>(picture_count); ++i) {
    auto picture = std::make_shared<EncodedPicture>();
    picture->tokens = keys[3 * i + 2];
    const std::span<const std::byte> bytes =
        file.bytes("picture." + std::to_string(i), DType::F32, {picture->tokens, identity->picture_features});
    picture->rows.resize(bytes.size() / sizeof(float));
    if (!bytes.empty()) std::memcpy(picture->rows.data(), bytes.data(), bytes.size());
    pictures.push_back(
        {{static_cast<std::uint64_t>(keys[3 * i]), static_cast<std::uint64_t>(keys[3 * i + 1])},
         std::move(picture)});
  }
  for (std::size_t last = 0; last < pages.size(); ++last) {
    if (is_followed[last]) continue;
    std::vector<std::size_t> chain;
    for (auto i = static_cast<std::ptrdiff_t>(last); i >= 0;
         i = static_cast<std::ptrdiff_t>(parents[static_cast<std::size_t>(i)]))
      chain.insert(chain.begin(), static_cast<std::size_t>(i));
    std::vector<Cell> cells;
    std::vector<PrefixCache::Page> sequence;
    for (const std::size_t i : chain) {
      sequence.push_back(pages[i]);
      for (std::size_t at = i * size; at < (i + 1) * size; ++at)
        cells.push_back({static_cast<std::int32_t>(numbers[4 * at]),
                         static_cast<std::int32_t>(numbers[4 * at + 1]),
                         {static_cast<std::uint64_t>(numbers[4 * at + 2]),
                          static_cast<std::uint64_t>(numbers[4 * at + 3])}});
    }
    cache.share(span_of(cells), {sequence.data(), sequence.size()});
  }
  pages.clear();
  cache.share({}, {});  // forgets what is beyond the cache's limit, and that nobody holds any more
  for (PrefixCache::StoredPicture& known : pictures) cache.keep_picture(known.key, std::move(known.picture));
}

}  // namespace vlm
