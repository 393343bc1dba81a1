// Named<"q_proj", L>: L under one segment of a tensor's name. It adds nothing else.
#pragma once

#include <vlm/core/fixed_string.hpp>
#include <vlm/nn/visit.hpp>

namespace vlm {

template <FixedString Name, class L>
struct Named : L {
  using L::L;
  Named() = default;
  explicit Named(L layer) : L(std::move(layer)) {}
  template <class F>
  void visit(F&& f) {
    f(Name.view(), static_cast<L&>(*this));
  }
};

}  // namespace vlm
