// The container of training state: a folder of files in their own formats (safetensors, JSON, text), sealed by
// checksums.json. It cuts each file, end to end, into named sections (a safetensors file into its header and its
// tensors, any other is one section) with size and CRC-32C, and begins with the checksum of its own remaining text:
//   {"checksum":"<8 digits>","version":1,"files":{"<file>":[["<section>",<bytes>,"<8 digits>"], ...], ...}}
// Files are read through memory maps, so no tensor is held twice.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/io/crc32c.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/folder.hpp>
#include <vlm/io/json.hpp>
#include <vlm/io/safetensors_file.hpp>

namespace vlm {

namespace detail {

inline constexpr std::int64_t checkpoint_version = 1;
inline constexpr std::string_view checkpoint_manifest = "checksums.json";
inline constexpr std::string_view checkpoint_begin = R"({"checksum":")", checkpoint_next = R"(",)";
inline constexpr std::size_t checksum_digits = 8;

[[noreturn]] inline void throw_checkpoint(const std::string& file, std::string_view section,
                                          std::string expected, std::string got) {
  throw FileError("checkpoint",
                  {{"file", file},
                   {"section", std::string(section)},
                   {"expected", std::move(expected)},
                   {"got", std::move(got)},
                   {"try", "remove this checkpoint, which is damaged; a run resumes from the newest left"}});
}

inline std::string checksum_text(std::span<const std::byte> bytes) {
  std::string text(checksum_digits, '0');
  std::uint32_t crc = crc32c(bytes);
  for (std::size_t i = checksum_digits; i-- > 0; crc >>= 4) text[i] = "0123456789abcdef"[crc & 0xfu];
  return text;
}
inline std::string checksum_text(std::string_view text) { return checksum_text(bytes_of(text)); }

inline std::string section_text(std::string_view checksum, std::size_t bytes) {
  return "CRC-32C " + std::string(checksum) + " of " + std::to_string(bytes) + " bytes";
}

}  // namespace detail

// Writes checksums.json over all files of a folder; call it when they are written.
inline void seal_checkpoint(const std::string& folder) {
  std::vector<std::string> names = folder_names(folder);
  std::sort(names.begin(), names.end());
  Json files = Json::object();
  for (const std::string& name : names) {
    if (name == detail::checkpoint_manifest) continue;
    const std::string path = folder + "/" + name;
    std::vector<Json> sections;
    const auto add = [&](const std::string& section, std::span<const std::byte> bytes) {
      sections.push_back(
          Json::array({section, static_cast<std::int64_t>(bytes.size()), detail::checksum_text(bytes)}));
    };
    const MappedFile file(path);
    if (name.ends_with(".safetensors")) {
      const SafetensorsFile tensors(path);
      std::size_t size = 0;
      for (const StoredTensor& tensor : tensors.tensors()) size += tensor.bytes.size();
      add("header", file.bytes().first(file.bytes().size() - size));
      for (const StoredTensor& tensor : tensors.tensors()) add(tensor.name, tensor.bytes);
    } else {
      add("content", file.bytes());
    }
    files.set(name, Json::array(std::move(sections)));
  }
  Json manifest = Json::object();
  manifest.set("version", detail::checkpoint_version);
  manifest.set("files", std::move(files));
  const std::string rest = write_json(manifest).substr(1);
  AtomicFile file(folder + "/" + std::string(detail::checkpoint_manifest));
  file.write(detail::checkpoint_begin);
  file.write(detail::checksum_text(rest));
  file.write(detail::checkpoint_next);
  file.write(rest);
  file.commit();
}

namespace detail {

inline Json read_checkpoint_manifest(const std::string& path) {
  if (!file_exists(path)) throw_checkpoint(path, "", "the checksums that seal a checkpoint", "no such file");
  const MappedFile map(path);
  const std::string_view text = map.text();
  const std::size_t digits = checkpoint_begin.size(), next = digits + checksum_digits,
                    rest = next + checkpoint_next.size();
  if (text.size() < rest || !text.starts_with(checkpoint_begin) ||
      text.substr(next, checkpoint_next.size()) != checkpoint_next)
    throw_checkpoint(path, "header", std::string(checkpoint_begin) + "...",
                     std::string(text.substr(0, rest)));
  const std::string_view expected = text.substr(digits, checksum_digits), body = text.substr(rest);
  if (const std::string got = checksum_text(body); got != expected)
    throw_checkpoint(path, "header", "CRC-32C " + std::string(expected), section_text(got, body.size()));
  Json manifest = parse_json(text, path);
  if (const std::int64_t version = manifest.at("version").integer(); version != checkpoint_version)
    throw_checkpoint(path, "header", "version " + std::to_string(checkpoint_version),
                     "version " + std::to_string(version));
  return manifest;
}

inline void verify_sections(const std::string& path, const Json& sections) {
  if (!file_exists(path)) throw_checkpoint(path, "", "a file of the checkpoint", "no such file");
  const MappedFile map(path);
  std::span<const std::byte> left = map.bytes();
  for (const Json& section : sections.items()) {
    const std::string &name = section.at(0).string(), &expected = section.at(2).string();
    const std::int64_t stated = section.at(1).integer();
    if (stated < 0) throw_checkpoint(path, name, "a size", std::to_string(stated));
    const auto size = static_cast<std::size_t>(stated);
    const std::span<const std::byte> bytes = left.first(std::min(left.size(), size));
    const std::string got = checksum_text(bytes);
    if (got != expected || bytes.size() != size)
      throw_checkpoint(path, name, section_text(expected, size), section_text(got, bytes.size()));
    left = left.subspan(size);
  }
  if (!left.empty())
    throw_checkpoint(path, "end", std::to_string(map.bytes().size() - left.size()) + " bytes",
                     std::to_string(map.bytes().size()) + " bytes");
}

}  // namespace detail

// Reads every byte that the seal covers. Throws FileError [checkpoint] for the first section that is not as it was
// sealed, cut short or missing, and [file-open] where a file cannot be read.
inline void verify_checkpoint(const std::string& folder) {
  const std::string path = folder + "/" + std::string(detail::checkpoint_manifest);
  const Json manifest = detail::read_checkpoint_manifest(path);
  for (const auto& [name, sections] : manifest.at("files").members()) {
    if (!is_plain_name(name)) detail::throw_checkpoint(path, "files", "names of files in this folder", name);
    detail::verify_sections(folder + "/" + name, sections);
  }
}

}  // namespace vlm
