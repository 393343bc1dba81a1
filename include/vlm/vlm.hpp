// vlm: vision-language models of the Qwen3-VL family, assembled from types, trained and served. The one
// include.
#pragma once

#include <vlm/text/tokenizer_trainer.hpp>
#include <vlm/train/trainer.hpp>

#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif
