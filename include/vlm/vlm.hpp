// vlm: vision-language models of the Qwen3-VL family, assembled from types, trained and
// served. The one include.
#pragma once

#include <vlm/core.hpp>
#include <vlm/data.hpp>
#include <vlm/infer.hpp>
#include <vlm/io.hpp>
#include <vlm/model.hpp>
#include <vlm/nn.hpp>
#include <vlm/ops.hpp>
#include <vlm/text.hpp>
#include <vlm/train.hpp>
#include <vlm/vision.hpp>

// The definitions, unless they come compiled with the target vlm::kernels.
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif
