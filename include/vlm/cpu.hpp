// Definitions of all operations for the CPU, and of the pixel pass. vlm.hpp includes them unless they come
// from the target vlm::kernels.
#pragma once

#include <vlm/ops/cpu/activation.hpp>
#include <vlm/ops/cpu/adamw.hpp>
#include <vlm/ops/cpu/add.hpp>
#include <vlm/ops/cpu/attention.hpp>
#include <vlm/ops/cpu/cross_entropy.hpp>
#include <vlm/ops/cpu/embedding.hpp>
#include <vlm/ops/cpu/grouped_matmul.hpp>
#include <vlm/ops/cpu/interpolate.hpp>
#include <vlm/ops/cpu/layer_norm.hpp>
#include <vlm/ops/cpu/matmul.hpp>
#include <vlm/ops/cpu/multiply_add_rate.hpp>
#include <vlm/ops/cpu/reduce.hpp>
#include <vlm/ops/cpu/rms_norm.hpp>
#include <vlm/ops/cpu/rope.hpp>
#include <vlm/ops/cpu/route.hpp>
#include <vlm/ops/cpu/rows.hpp>
#include <vlm/ops/cpu/sample.hpp>
#include <vlm/ops/cpu/store_cells.hpp>
#include <vlm/ops/cpu/weight_blocks.hpp>
#include <vlm/vision/cpu/pixel_pass.hpp>
