// Walking a network by names. A layer's visit(f) calls f(name, child) for its parts; `walk` builds the paths,
// which equal the names of the tensors in Hugging Face files.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <vlm/nn/param.hpp>

namespace vlm {

// Calls f(full name, parameter) for every parameter below `layer`, in a fixed order.
template <class Layer, class F>
void walk(Layer& layer, const std::string& path, F&& f) {
  layer.visit([&](std::string_view name, auto& child) {
    const std::string full = path.empty() ? std::string(name) : path + "." + std::string(name);
    if constexpr (IsParam<std::remove_cvref_t<decltype(child)>>)
      f(full, child);
    else
      walk(child, full, f);
  });
}

}  // namespace vlm
