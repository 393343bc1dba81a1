// One pass from the rows of an image to a resized image or to rows of patches: decoding, resampling and normalising run at
// once, on bands of the result, so that neither the source nor the resized image exists as a whole. The definitions are
// in vision/cpu/pixel_pass.hpp; vlm.hpp includes them, unless they come compiled with vlm::kernels.
#pragma once

#include <array>

#include <vlm/core/queue.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_rows.hpp>

namespace vlm::detail {

// Where patch rows go, and how they are made. With p, m, t = patch, merge, slices, there are
// (height / p) * (width / p) rows of 3 * t * p * p values at `rows`; of the t slices those from first_slice to before
// last_slice are written.
struct PatchTarget {
  Index height = 0, width = 0;  // of the resized image, multiples of p * m
  Index patch = 0, merge = 0, slices = 0, first_slice = 0, last_slice = 0;
  std::array<float, 3> mean{}, deviation{};  // of each channel, in levels: value = (level - mean) / deviation
  float* rows = nullptr;
};

// Templates, so that a program may have their definitions in its own translation unit or in a library.
template <class = void>
void resize_rows(ImageRows& source, Image& resized, Queue<Cpu>& queue);
template <class = void>
void patch_rows(ImageRows& source, const PatchTarget& target, Queue<Cpu>& queue);

}  // namespace vlm::detail
