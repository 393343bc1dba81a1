// Observer<Device>: sees the rows of a pass at named stages, to compare them with another implementation's or to take
// features out. A network calls Runtime::observe where a stage is complete.
#pragma once

#include <string_view>

#include <vlm/core/view.hpp>

namespace vlm {

template <class Device>
class Observer {
 public:
  virtual ~Observer() = default;

  // `index` counts the blocks or taps of a stage and is -1 where there is one only. The rows [rows, features] hold
  // during the call; later work writes over them.
  virtual void see(std::string_view stage, Index index, View<const float, 2, Device> rows) = 0;
};

}  // namespace vlm
