// Where a clip comes from.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace vlm {

// A video file: its path, or its bytes with the name that errors give them.
struct VideoSource {
  std::string name;
  std::optional<std::span<const std::byte>> bytes{};
};

}  // namespace vlm
