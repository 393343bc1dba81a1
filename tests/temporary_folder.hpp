// A folder of its own for a test, removed at its end.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

#include <unistd.h>

struct TemporaryFolder {
  std::string path = (std::filesystem::temp_directory_path() / "vlm-test-XXXXXX").string();
  TemporaryFolder() {
    if (!mkdtemp(path.data())) throw std::runtime_error("no temporary folder");
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};
