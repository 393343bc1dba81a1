// Keys and values of the rows of a pass take their cells in the pages of a key/value cache. Numbers that the cells
// cannot hold exactly are rounded to the nearest, ties to even. In int8, n = x / scale with scale = the largest |x| of the
// head's numbers / 127; where that is below 1e-30 they are stored as zeros, and where one is NaN or infinite the scale is
// NaN, so that it shows in what attends to them.
#pragma once

#include <vlm/core/cell_pages.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

template <class D, class T>
struct StoreCells {
  View<const T, 2, D> keys{}, values{};  // [rows, pages.heads * pages.head_dim]; in bf16 head_dim is even
  CellPages<D> pages{};                  // pages.places: [rows], distinct
  Index block = 0;
};

template <class T>
void compute(Queue<Cpu>&, const StoreCells<Cpu, T>&, Scratch);

}  // namespace vlm
