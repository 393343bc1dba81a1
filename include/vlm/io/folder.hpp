// Folders: made, listed, and replaced whole.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/file.hpp>

namespace vlm {

namespace detail {

inline void check_folder(const std::error_code& error, const std::string& path, bool writing = true) {
  if (error)
    throw FileError(writing ? "folder-write" : "folder-read",
                    {{"folder", path},
                     {"expected", writing ? "a folder that can be written" : "a folder that can be read"},
                     {"got", error.message()},
                     {"try", "check the path, its permissions and the free space"}});
}

}  // namespace detail

// Makes a folder and those above it.
inline void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  detail::check_folder(error, path);
}

inline bool is_folder(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

// Whether `name` can only be a file in a folder at hand: no path out of it or below it.
inline bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
         name.find('\0') == name.npos;
}

// The names of what a folder holds, in no order.
inline std::vector<std::string> folder_names(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(path, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
    names.push_back(entry->path().filename().string());
  detail::check_folder(error, path, false);
  return names;
}

// Removes a folder and what is in it; one that cannot be removed is left.
inline void remove_folder(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

// Calls write(a folder aside) and puts that folder at `path` by renaming, replacing what stood there. When `write` or a
// renaming fails, what stood there stands there again.
template <class Write>
void write_folder_atomically(std::string path, Write&& write) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const std::string partial = path + ".partial", old = path + ".old";
  std::error_code error;
  // A call that was killed between its renames left the folder under its other name.
  if (!std::filesystem::exists(path, error)) std::filesystem::rename(old, path, error);
  remove_folder(partial);
  make_folder(partial);
  try {
    write(partial);
  } catch (...) {
    remove_folder(partial);
    throw;
  }
  remove_folder(old);
  std::filesystem::rename(path, old, error);
  if (error == std::errc::no_such_file_or_directory) error.clear();
  detail::check_folder(error, path);
  std::filesystem::rename(partial, path, error);
  if (std::error_code ignored; error) std::filesystem::rename(old, path, ignored);
  detail::check_folder(error, path);
  detail::sync_folder_of(path);
  remove_folder(old);
}

}  // namespace vlm
