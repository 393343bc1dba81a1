// The room infer: prompts to answers.
#pragma once

#include <vlm/infer/cache.hpp>
#include <vlm/infer/generate.hpp>
