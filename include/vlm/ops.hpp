// The room ops: operations as messages; their definitions are in cpu.hpp and cuda.cuh.
#pragma once

#include <vlm/ops/activation.hpp>
#include <vlm/ops/adamw.hpp>
#include <vlm/ops/add.hpp>
#include <vlm/ops/attention.hpp>
#include <vlm/ops/cross_entropy.hpp>
#include <vlm/ops/embedding.hpp>
#include <vlm/ops/grouped_matmul.hpp>
#include <vlm/ops/interpolate.hpp>
#include <vlm/ops/layer_norm.hpp>
#include <vlm/ops/matmul.hpp>
#include <vlm/ops/matrix.hpp>
#include <vlm/ops/multiply_add_rate.hpp>
#include <vlm/ops/reduce.hpp>
#include <vlm/ops/rms_norm.hpp>
#include <vlm/ops/rope.hpp>
#include <vlm/ops/route.hpp>
#include <vlm/ops/rows.hpp>
#include <vlm/ops/sample.hpp>
#include <vlm/ops/store_cells.hpp>
#include <vlm/ops/weight_blocks.hpp>
