// Keys and values of the rows of a pass take their cells in the pages of a key/value cache. Numbers that the cells
// cannot hold exactly are rounded to the nearest, ties to even.
#pragma once

#include <vlm/core/cell_pages.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

template <class D, class T>
struct StoreCells {
  View<const T, 2, D> keys{}, values{};  // [rows, pages.features]
  CellPages<D> pages{};                  // pages.places: [rows], distinct
  Index block = 0;
};

template <class T>
void compute(Queue<Cpu>&, const StoreCells<Cpu, T>&, Scratch);

}  // namespace vlm
