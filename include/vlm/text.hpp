// The room text: characters to tokens to hidden states.
#pragma once

#include <vlm/text/added_tokens.hpp>
#include <vlm/text/byte_pairs.hpp>
#include <vlm/text/character_classes.hpp>
#include <vlm/text/chat_folder.hpp>
#include <vlm/text/chat_json.hpp>
#include <vlm/text/chat_template.hpp>
#include <vlm/text/normalization.hpp>
#include <vlm/text/plain_tokenizer_file.hpp>
#include <vlm/text/pre_tokenizer.hpp>
#include <vlm/text/qwen3.hpp>
#include <vlm/text/template_interpreter.hpp>
#include <vlm/text/template_parser.hpp>
#include <vlm/text/template_syntax.hpp>
#include <vlm/text/template_value.hpp>
#include <vlm/text/token_table.hpp>
#include <vlm/text/tokenizer.hpp>
#include <vlm/text/tokenizer_json.hpp>
#include <vlm/text/tokenizer_parts.hpp>
#include <vlm/text/tokenizer_trainer.hpp>
#include <vlm/text/unicode.hpp>
#include <vlm/text/unicode_tables.hpp>
