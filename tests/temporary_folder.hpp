// A folder of its own for a test, removed at its end.
#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include <unistd.h>

struct TemporaryFolder {
  std::string path = (std::filesystem::temp_directory_path() / "vlm-test-XXXXXX").string();
  TemporaryFolder() {
    if (!mkdtemp(path.data())) throw std::runtime_error("no temporary folder");
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  // The path of a file in it.
  std::string operator/(std::string_view name) const { return path + "/" + std::string(name); }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};
