// One safetensors file, memory-mapped, with every claim of its header checked. Layout: 8 bytes of header
// length (little-endian), a JSON header, then the tensors without gaps. Format:
// https://github.com/huggingface/safetensors
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <vlm/core/dtype.hpp>
#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>

namespace vlm {

// One tensor of a mapped file. `bytes` and `file` stay valid as long as the SafetensorsFile lives.
struct StoredTensor {
  std::string name;
  DType dtype = DType::U8;
  std::vector<Index> shape;
  std::span<const std::byte> bytes;
  const std::string* file = nullptr;

  // False in files whose writer did not pad: such values must be copied, not read in place.
  bool aligned() const { return reinterpret_cast<std::uintptr_t>(bytes.data()) % size_of(dtype) == 0; }
};

using SafetensorsMetadata = std::vector<std::pair<std::string, std::string>>;

namespace detail {

constexpr std::size_t safetensors_header_limit = 100'000'000;  // as in the reference library

inline std::optional<DType> dtype_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(DType::Bool); ++i) {
    if (name_of(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

// Bytes of a dense tensor; nothing where an extent is negative or the product does not fit.
inline std::optional<std::size_t> dense_bytes(DType dtype, const std::vector<Index>& shape) {
  std::size_t bytes = size_of(dtype);
  for (Index extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::size_t>(extent), &bytes))
      return std::nullopt;
  }
  return bytes;
}

[[noreturn]] inline void throw_safetensors_header(const std::string& path, std::string expected,
                                                  std::string got) {
  throw FileError("safetensors-header",
                  {{"file", path},
                   {"expected", std::move(expected)},
                   {"got", std::move(got)},
                   {"try", "fetch the file again; it is damaged, cut short, or another format"}});
}

[[noreturn]] inline void throw_safetensors_tensor(const std::string& path, std::string_view tensor,
                                                  std::string expected, std::string got) {
  throw FileError("safetensors-tensor", {{"file", path},
                                         {"tensor", std::string(tensor)},
                                         {"expected", std::move(expected)},
                                         {"got", std::move(got)},
                                         {"try", "fetch or write the file again"}});
}

[[noreturn]] inline void throw_safetensors_missing(const std::string& path, std::string_view tensor,
                                                   std::string expected, std::string got) {
  throw FileError("safetensors-missing", {{"file", path},
                                          {"tensor", std::string(tensor)},
                                          {"expected", std::move(expected)},
                                          {"got", std::move(got)},
                                          {"try", "fetch config, index and weights from one place"}});
}

inline std::string offsets_text(std::size_t begin, std::size_t end) {
  return "[" + std::to_string(begin) + ", " + std::to_string(end) + "]";
}

}  // namespace detail

// One file, mapped. Nothing of the header is believed before it is checked.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path) : map_(std::make_unique<MappedFile>(path)) {
    const Json header = read_header();
    const std::span<const std::byte> data = map_->bytes().subspan(data_begin_);
    for (const auto& [name, value] : header.members()) {
      if (name == "__metadata__") {
        read_metadata(value);
      } else {
        read_tensor(name, value, data);
      }
    }
    order_tensors(data);
    for (const StoredTensor& tensor : tensors_) by_name_.emplace(tensor.name, &tensor);
  }

  const std::string& path() const { return map_->path(); }
  const SafetensorsMetadata& metadata() const { return metadata_; }
  // In the order of their bytes.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  // The tensor of this name, or null.
  const StoredTensor* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

 private:
  Json read_header() {
    const std::span<const std::byte> all = map_->bytes();
    if (all.size() < 8) {
      detail::throw_safetensors_header(path(), "8 bytes of header length",
                                       std::to_string(all.size()) + " bytes");
    }
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; --i)
      length = length << 8 | std::to_integer<std::uint64_t>(all[static_cast<std::size_t>(i)]);
    const std::size_t longest = std::min(all.size() - 8, detail::safetensors_header_limit);
    if (length > longest) {
      detail::throw_safetensors_header(path(), "a header of at most " + std::to_string(longest) + " bytes",
                                       std::to_string(length) + " bytes");
    }
    data_begin_ = 8 + static_cast<std::size_t>(length);
    const std::string_view text = map_->text().substr(8, static_cast<std::size_t>(length));
    if (!text.starts_with('{')) detail::throw_safetensors_header(path(), "a JSON object", "something else");
    return parse_json(text, path() + " (header)");
  }

  void read_metadata(const Json& value) {
    if (!value.is_object()) {
      detail::throw_safetensors_header(path(), "__metadata__ as an object", std::string(value.kind_name()));
    }
    for (const auto& [key, text] : value.members()) {
      if (!text.is_string()) {
        detail::throw_safetensors_header(path(), "a string for " + key + " in __metadata__",
                                         std::string(text.kind_name()));
      }
      metadata_.emplace_back(key, text.string());
    }
  }

  void read_tensor(const std::string& name, const Json& value, std::span<const std::byte> data) {
    const Json* dtype = value.find("dtype");
    const Json* shape = value.find("shape");
    const Json* offsets = value.find("data_offsets");
    if (!dtype || !shape || !offsets || value.members().size() != 3)
      refuse(name, "an object of dtype, shape and data_offsets", excerpt(value));
    StoredTensor tensor{name, DType::U8, {}, {}, &path()};
    tensor.shape = integers(name, *shape, "a shape of integers");
    const std::vector<Index> place = integers(name, *offsets, "data_offsets of two integers");
    if (place.size() != 2) refuse(name, "data_offsets of two integers", excerpt(*offsets));
    tensor.dtype = read_dtype(name, *dtype);
    tensor.bytes = read_bytes(tensor, place[0], place[1], data);
    tensors_.push_back(std::move(tensor));
  }

  DType read_dtype(const std::string& tensor, const Json& value) const {
    const auto dtype = value.is_string() ? detail::dtype_named(value.string()) : std::nullopt;
    if (!dtype) refuse(tensor, "a dtype of F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL", excerpt(value));
    return *dtype;
  }

  std::vector<Index> integers(const std::string& tensor, const Json& list, const char* expected) const {
    const auto is_integer = [](const Json& item) { return item.is_integer(); };
    if (!list.is_array() || !std::all_of(list.items().begin(), list.items().end(), is_integer))
      refuse(tensor, expected, excerpt(list));
    std::vector<Index> values;
    for (const Json& item : list.items()) values.push_back(item.integer());
    return values;
  }

  // The bytes [begin, end) of the data, which must be as many as dtype and shape need.
  std::span<const std::byte> read_bytes(const StoredTensor& tensor, Index begin, Index end,
                                        std::span<const std::byte> data) const {
    const std::optional<std::size_t> size = detail::dense_bytes(tensor.dtype, tensor.shape);
    if (!size) refuse(tensor.name, "extents from 0 whose product fits 64 bits", shape_text(tensor.shape));
    if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > data.size())
      refuse(tensor.name, "data_offsets that rise within " + detail::offsets_text(0, data.size()),
             "[" + std::to_string(begin) + "," + std::to_string(end) + "]");
    const std::size_t given = static_cast<std::size_t>(end - begin);
    if (given != *size)
      refuse(tensor.name,
             std::to_string(*size) + " bytes for " + std::string(name_of(tensor.dtype)) + " " +
                 shape_text(tensor.shape),
             std::to_string(given) + " bytes");
    return data.subspan(static_cast<std::size_t>(begin), given);
  }

  static std::string excerpt(const Json& value) { return write_json(value).substr(0, 100); }
  [[noreturn]] void refuse(const std::string& tensor, std::string expected, std::string got) const {
    detail::throw_safetensors_tensor(path(), tensor, std::move(expected), std::move(got));
  }

  // Sorted by place, the tensors must cover the data exactly.
  void order_tensors(std::span<const std::byte> data) {
    const auto place = [&](const StoredTensor& tensor) {
      const auto begin = static_cast<std::size_t>(tensor.bytes.data() - data.data());
      return std::pair(begin, begin + tensor.bytes.size());
    };
    const auto before = [&](const StoredTensor& a, const StoredTensor& b) {
      return std::pair(place(a), std::string_view(a.name)) < std::pair(place(b), std::string_view(b.name));
    };
    // Empty tensors share a place; a header in good order keeps its order.
    const auto out_of_place = [&](const StoredTensor& a, const StoredTensor& b) {
      return place(a) > place(b);
    };
    if (std::adjacent_find(tensors_.begin(), tensors_.end(), out_of_place) != tensors_.end()) {
      std::sort(tensors_.begin(), tensors_.end(), before);
    }
    std::size_t covered = 0;
    for (const StoredTensor& tensor : tensors_) {
      const auto [begin, end] = place(tensor);
      if (begin != covered) {
        detail::throw_safetensors_tensor(
            path(), tensor.name,
            "data_offsets beginning at " + std::to_string(covered) + ", without gap or overlap",
            detail::offsets_text(begin, end));
      }
      covered = end;
    }
    if (covered != data.size()) {
      detail::throw_safetensors_header(path(),
                                       "tensors for all " + std::to_string(data.size()) + " bytes of data",
                                       "tensors for " + std::to_string(covered) + " bytes");
    }
  }

  std::unique_ptr<MappedFile> map_;  // its path keeps its address when this object is moved
  std::size_t data_begin_ = 0;
  SafetensorsMetadata metadata_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string_view, const StoredTensor*> by_name_;
};

}  // namespace vlm
