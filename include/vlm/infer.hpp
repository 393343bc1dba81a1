// The room infer: prompts to answers.
#pragma once

#include <vlm/infer/answer.hpp>
#include <vlm/infer/cache.hpp>
#include <vlm/infer/chat.hpp>
#include <vlm/infer/chat_files.hpp>
#include <vlm/infer/generate.hpp>
#include <vlm/infer/model_identity.hpp>
#include <vlm/infer/prefix_cache.hpp>
#include <vlm/infer/prefix_file.hpp>
#include <vlm/infer/prompt.hpp>
#include <vlm/infer/repetition_guard.hpp>
#include <vlm/infer/reply_run.hpp>
#include <vlm/infer/reply_settings.hpp>
#include <vlm/infer/session.hpp>
#include <vlm/infer/stop_strings.hpp>
