// The room data: files of conversations to packed batches.
#pragma once

#include <vlm/data/captions.hpp>
#include <vlm/data/conversation.hpp>
#include <vlm/data/data_line.hpp>
#include <vlm/data/image_files.hpp>
#include <vlm/data/jsonl.hpp>
#include <vlm/data/loader.hpp>
#include <vlm/data/messages_record.hpp>
#include <vlm/data/mix.hpp>
#include <vlm/data/pack.hpp>
#include <vlm/data/permutation.hpp>
#include <vlm/data/processor.hpp>
#include <vlm/data/read_ahead.hpp>
#include <vlm/data/record_reader.hpp>
#include <vlm/data/source.hpp>
#include <vlm/data/turns_record.hpp>
#include <vlm/data/web_dataset.hpp>
#include <vlm/data/weights.hpp>
