// Tar archives, read where they lie: the file is mapped, and its members are found by one pass over the headers.
// ustar, with the long names of GNU tar and of pax. A link is the file that it leads to in the archive.
// Source: POSIX.1-2017, pax, "ustar Interchange Format".
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/io/file.hpp>

namespace vlm {

// Many threads may read one object.
class TarFile {
 public:
  struct Member {
    std::string name;
    std::size_t begin, size;  // of its bytes in the file
  };

  // FileError [tar-header] for what is no archive, or a damaged one, or one with members that are neither files nor
  // folders nor links to its own files.
  explicit TarFile(const std::string& path) : file_(path) {
    for (std::size_t at = 0; at < file_.text().size();) {
      const std::string_view header = file_.text().substr(at, block);
      if (header.size() < block) damaged(at, "a header of 512 bytes", std::to_string(header.size()));
      if (header.find_first_not_of('\0') == header.npos) break;  // the end
      at = read_member(header, at);
    }
    order_.resize(members_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(), [this](std::size_t a, std::size_t b) {
      const int sign = members_[a].name.compare(members_[b].name);
      return sign < 0 || (sign == 0 && a < b);
    });
    for (const Link& link : links_) follow(link, 0);
    links_.clear();
  }

  const std::string& path() const { return file_.path(); }
  // The files in it and links to them, in their order.
  const std::vector<Member>& members() const { return members_; }
  std::string_view bytes(const Member& member) const {
    return file_.text().substr(member.begin, member.size);
  }

  // The last member of this name, as tar extracts it, or null.
  const Member* find(std::string_view name) const {
    const std::size_t found = find_before(name, members_.size());
    return found == members_.size() ? nullptr : &members_[found];
  }

 private:
  static constexpr std::size_t block = 512;  // bytes
  // Where the bytes of a link begin, until it is followed.
  static constexpr std::size_t unknown = ~std::size_t{0};

  struct Link {
    std::size_t member;
    std::string target;  // the name of a member
    std::size_t at;      // of its header in the file
    bool symbolic;
  };

  // The last member of this name among the first `end`, or how many members there are.
  std::size_t find_before(std::string_view name, std::size_t end) const {
    const auto behind = std::partition_point(order_.begin(), order_.end(), [&](std::size_t i) {
      const int sign = members_[i].name.compare(name);
      return sign < 0 || (sign == 0 && i < end);
    });
    if (behind == order_.begin() || members_[*(behind - 1)].name != name) return members_.size();
    return *(behind - 1);
  }

  // A hard link is the file of the last member before it that has its target's name, a symbolic one of the last of all.
  void follow(const Link& link, int depth) {
    Member& member = members_[link.member];
    if (member.begin != unknown) return;
    const std::size_t target = find_before(link.target, link.symbolic ? members_.size() : link.member);
    if (target == members_.size() || depth == 40)
      damaged(link.at, "files, folders and links to files of the archive",
              member.name + ", a link to " + link.target, "an archive written with tar --dereference");
    if (members_[target].begin == unknown)
      follow(*std::lower_bound(links_.begin(), links_.end(), target,
                               [](const Link& one, std::size_t wanted) { return one.member < wanted; }),
             depth + 1);
    member.begin = members_[target].begin;
    member.size = members_[target].size;
  }

  [[noreturn]] void damaged(std::size_t at, std::string expected, std::string got,
                            std::string advice = "an uncompressed tar archive, written whole") const {
    throw FileError("tar-header", {{"file", path()},
                                   {"at", "byte " + std::to_string(at)},
                                   {"expected", std::move(expected)},
                                   {"got", std::move(got)},
                                   {"try", std::move(advice)}});
  }

  static std::string_view text_field(std::string_view header, std::size_t begin, std::size_t size) {
    const std::string_view field = header.substr(begin, size);
    return field.substr(0, field.find('\0'));
  }

  // Octal digits, or the big-endian number of GNU tar for what they cannot hold.
  std::size_t number(std::string_view field, std::size_t at) const {
    std::uint64_t value = 0;
    if (static_cast<unsigned char>(field[0]) == 0x80) {
      for (const char c : field.substr(1)) {
        if (value >> 54) damaged(at, "a size within 62 bits", "a larger one");
        value = value << 8 | static_cast<unsigned char>(c);
      }
      return value;
    }
    const std::size_t first = std::min(field.find_first_not_of(' '), field.size());
    const char* end = field.data() + field.size();
    const auto [stop, error] = std::from_chars(field.data() + first, end, value, 8);
    const std::string_view rest(stop, static_cast<std::size_t>(end - stop));
    if (error != std::errc() || rest.find_first_not_of(std::string_view(" \0", 2)) != rest.npos)
      damaged(at, "octal digits", "other characters");
    return value;
  }

  void check_sum(std::string_view header, std::size_t at) const {
    std::size_t sum = 8 * std::size_t{' '};  // its own field counts as spaces
    for (std::size_t i = 0; i < block; ++i)
      if (i < 148 || i >= 156) sum += static_cast<unsigned char>(header[i]);
    const std::size_t written = number(header.substr(148, 8), at);
    if (written != sum)
      damaged(at, "a header whose bytes sum to " + std::to_string(written), std::to_string(sum));
  }

  // Takes in the member whose header begins at `at`; where the next header begins.
  std::size_t read_member(std::string_view header, std::size_t at) {
    check_sum(header, at);
    std::size_t size = number(header.substr(124, 12), at);
    const char kind = header[156];
    if (next_size_ && (is_regular(kind) || kind == '1')) size = next_size_;
    const std::size_t begin = at + block, room = file_.text().size() - begin;
    if (size > room) damaged(at, std::to_string(size) + " bytes of a member", std::to_string(room));
    const std::string_view content = file_.text().substr(begin, size);
    if (kind == 'L') {
      next_name_ = text_field(content, 0, content.size());
    } else if (kind == 'x') {
      read_pax(content, at);
    } else if (kind == 'K') {
      next_target_ = text_field(content, 0, content.size());
    } else if (kind != 'g') {
      add_member(header, kind, at, {next_name_.empty() ? name_of(header) : next_name_, begin, size});
      next_name_.clear();
      next_target_.clear();
      next_size_ = 0;
    }
    return std::min(file_.text().size(), begin + (size + block - 1) / block * block);
  }

  void add_member(std::string_view header, char kind, std::size_t at, Member member) {
    const bool folder = kind == '5' || kind == 'D', label = kind == 'V';
    if (folder || label) return;
    const bool symbolic = kind == '2', link = symbolic || kind == '1';
    if (!link && !is_regular(kind))
      damaged(at, "files, folders and links to files of the archive",
              member.name + ", of type " + (kind > ' ' && kind < '\x7f' ? kind : '?'),
              "an archive without it");
    if (link && member.size == 0) {  // pax may write the bytes of a hard link again
      std::string target = next_target_.empty() ? std::string(text_field(header, 157, 100)) : next_target_;
      if (symbolic) target = beside(member.name, target);
      links_.push_back({members_.size(), std::move(target), at, symbolic});
      member.begin = unknown;
    }
    members_.push_back(std::move(member));
  }
  static bool is_regular(char kind) { return kind == '0' || kind == '\0' || kind == '7'; }
  // A path that starts at the folder of a member.
  static std::string beside(const std::string& member, const std::string& path) {
    const auto folder = std::filesystem::path(member).parent_path();
    return (member.starts_with("./") ? "./" : "") + (folder / path).lexically_normal().generic_string();
  }

  static std::string name_of(std::string_view header) {
    std::string name(text_field(header, 0, 100));
    const std::string_view prefix = text_field(header, 345, 155);
    if (header.substr(257, 6) == std::string_view("ustar\0", 6) && !prefix.empty())
      name = std::string(prefix) + "/" + name;
    return name;
  }

  // Records "LENGTH key=value\n".
  void read_pax(std::string_view records, std::size_t at) {
    while (!records.empty()) {
      std::size_t size = 0;
      const auto [stop, error] = std::from_chars(records.data(), records.data() + records.size(), size);
      const auto digits = static_cast<std::size_t>(stop - records.data());
      if (error != std::errc() || size > records.size() || size < digits + 2)
        damaged(at, "records of a pax header", "other text");
      const std::string_view record = records.substr(digits + 1, size - digits - 2);
      if (record.starts_with("path=")) next_name_ = record.substr(5);
      if (record.starts_with("linkpath=")) next_target_ = record.substr(9);
      if (record.starts_with("size=")) next_size_ = decimal(record.substr(5), at);
      records.remove_prefix(size);
    }
  }

  std::size_t decimal(std::string_view text, std::size_t at) const {
    std::size_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || stop != text.data() + text.size())
      damaged(at, "decimal digits", std::string(text));
    return value;
  }

  MappedFile file_;
  std::vector<Member> members_;
  std::vector<std::size_t> order_;       // by name
  std::vector<Link> links_;              // in the order of their members, until they are followed
  std::string next_name_, next_target_;  // told by an extended header
  std::size_t next_size_ = 0;
};

}  // namespace vlm
