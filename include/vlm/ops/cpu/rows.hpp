// Rows at places on the CPU; bound by memory.
#pragma once

#include <cstring>

#include <vlm/ops/cpu/add.hpp>
#include <vlm/ops/rows.hpp>

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const PlaceRows<Cpu, T>& op, Scratch) {
  const std::size_t bytes = static_cast<std::size_t>(op.from.extent[1]) * sizeof(T);
  cpu::parallel_rows(queue, op.from.rows(), op.from.extent[1], [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i) std::memcpy(op.into.row(op.at(i)), op.from.row(i), bytes);
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const AddRows<Cpu, T>& op, Scratch) {
  const Index features = op.from.extent[1];
  cpu::parallel_rows(queue, op.from.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i) {
      T* into = op.into.row(op.at(i));
      const cpu::Elementwise<cpu::AddBlock> operands{
          .from = {into, op.from.row(i)}, .from_pitch = {}, .to = {into}, .to_pitch = {}, .settings = {}};
      cpu::dispatch<cpu::ElementwiseKernel<cpu::AddBlock>>(queue.level(), &operands, Index{0}, Index{1},
                                                           Index{0}, features);
    }
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const TakeRows<Cpu, T>& op, Scratch) {
  const std::size_t bytes = static_cast<std::size_t>(op.into.extent[1]) * sizeof(T);
  cpu::parallel_rows(queue, op.into.rows(), op.into.extent[1], [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i) std::memcpy(op.into.row(i), op.from.row(op.at(i)), bytes);
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const ZeroRows<Cpu, T>& op, Scratch) {
  const std::size_t bytes = static_cast<std::size_t>(op.into.extent[1]) * sizeof(T);
  cpu::parallel_rows(queue, op.at.rows(), op.into.extent[1], [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i) std::memset(op.into.row(op.at(i)), 0, bytes);
  });
}

}  // namespace vlm
