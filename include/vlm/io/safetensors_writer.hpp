// Writes a safetensors file byte for byte as the reference library lays it out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <vlm/core/dtype.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/io/safetensors_file.hpp>

namespace vlm {

// Declare every tensor, write their bytes in the same order, commit.
// The bytes of a tensor may come in several pieces. Without commit nothing remains.
class SafetensorsWriter {
 public:
  // The first tensor begins at a multiple of `unit` bytes: 8, as the reference library writes, or a multiple of 8;
  // else ConfigError [safetensors-unit].
  explicit SafetensorsWriter(const std::string& path, SafetensorsMetadata metadata = {}, std::size_t unit = 8)
      : path_(path), metadata_(std::move(metadata)), unit_(checked_unit(path, unit)), file_(path) {}

  // Weights in blocks are declared as the bytes that they are, U8. FileError [safetensors-tensor] for them, for a name
  // that is taken, and for extents that cannot be.
  void declare(std::string_view name, DType dtype, std::vector<Index> shape) {
    if (size_of(dtype) == 0)
      refuse(name, "a dtype of single numbers, or U8 for bytes", std::string(name_of(dtype)));
    const std::optional<std::size_t> size = detail::dense_bytes(dtype, shape);
    if (!size) refuse(name, "extents from 0 whose product fits 64 bits", shape_text(shape));
    if (has_header_) refuse(name, "declarations before the first write", "a declaration after it");
    if (name == "__metadata__" || !names_.emplace(name).second)
      refuse(name, "a new name", "one that is taken");
    tensors_.push_back({std::string(name), dtype, std::move(shape), *size});
  }

  void write(std::string_view name, std::span<const std::byte> bytes) {
    write_header();
    skip_complete(name);
    if (next_ == tensors_.size()) refuse(name, "no further tensor", "this one");
    const Declared& tensor = tensors_[next_];
    if (tensor.name != name) {
      refuse(tensor.name, "all of its " + std::to_string(tensor.size) + " bytes next",
             std::to_string(written_) + " of them, then " + std::string(name));
    }
    if (bytes.size() > tensor.size - written_) {
      refuse(name, std::to_string(tensor.size) + " bytes",
             "at least " + std::to_string(written_ + bytes.size()));
    }
    file_.write(bytes.data(), bytes.size());
    written_ += bytes.size();
  }

  void commit() {
    write_header();
    skip_complete("");
    if (next_ != tensors_.size() && written_ != tensors_[next_].size) {
      const Declared& tensor = tensors_[next_];
      detail::throw_safetensors_missing(path_, tensor.name, std::to_string(tensor.size) + " bytes",
                                        std::to_string(written_) + " bytes");
    }
    file_.commit();
  }

 private:
  struct Declared {
    std::string name;
    DType dtype;
    std::vector<Index> shape;
    std::size_t size;
  };

  static std::size_t checked_unit(const std::string& path, std::size_t unit) {
    if (unit > 0 && unit % 8 == 0) return unit;
    throw ConfigError("safetensors-unit", {{"file", path},
                                           {"expected", "a multiple of 8 bytes"},
                                           {"got", std::to_string(unit)},
                                           {"try", "8, or the alignment that readers want"}});
  }

  [[noreturn]] void refuse(std::string_view name, std::string expected, std::string got) const {
    detail::throw_safetensors_tensor(path_, name, std::move(expected), std::move(got));
  }

  // Goes on to `name` over tensors that have all their bytes (which includes those that have none).
  void skip_complete(std::string_view name) {
    while (next_ < tensors_.size() && tensors_[next_].name != name && written_ == tensors_[next_].size) {
      ++next_;
      written_ = 0;
    }
  }

  void write_header() {
    if (has_header_) return;
    std::vector<Json::Member> header;
    Json metadata;
    for (const auto& [key, value] : metadata_) metadata.set(key, value);
    if (!metadata_.empty()) header.emplace_back("__metadata__", std::move(metadata));
    std::size_t begin = 0;
    for (const Declared& tensor : tensors_) {
      header.emplace_back(tensor.name, entry(tensor, begin));
      begin += tensor.size;
    }
    std::string text = write_json(Json::object(std::move(header)));
    text.resize((text.size() + 8 + unit_ - 1) / unit_ * unit_ - 8, ' ');
    if (text.size() > detail::safetensors_header_limit) {
      detail::throw_safetensors_header(path_, "at most 100000000 bytes",
                                       std::to_string(text.size()) + " bytes");
    }
    std::string length;
    for (unsigned shift = 0; shift < 64; shift += 8)
      length += static_cast<char>(text.size() >> shift & 0xffu);
    has_header_ = true;
    file_.write(length + text);
  }

  Json entry(const Declared& tensor, std::size_t begin) const {
    std::size_t end = 0;
    if (__builtin_add_overflow(begin, tensor.size, &end) || end > static_cast<std::size_t>(INT64_MAX)) {
      refuse(tensor.name, "a file whose size fits 64 bits", shape_text(tensor.shape));
    }
    std::vector<Json> shape(tensor.shape.begin(), tensor.shape.end());
    std::vector<Json> offsets = {static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end)};
    return Json::object({{"dtype", name_of(tensor.dtype)},
                         {"shape", Json::array(std::move(shape))},
                         {"data_offsets", Json::array(std::move(offsets))}});
  }

  std::string path_;
  SafetensorsMetadata metadata_;
  std::size_t unit_;
  AtomicFile file_;
  std::vector<Declared> tensors_;
  std::unordered_set<std::string> names_;
  bool has_header_ = false;
  std::size_t next_ = 0;
  std::size_t written_ = 0;
};

}  // namespace vlm
