// Device tags. A view, a queue and an operation name the device that they belong to.
#pragma once

namespace vlm {

struct Cpu {
  static constexpr const char* name = "cpu";
};
struct Cuda {
  static constexpr const char* name = "cuda";
};

}  // namespace vlm
