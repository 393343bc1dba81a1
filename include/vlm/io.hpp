// The room io: files, JSON, safetensors, checkpoints.
#pragma once

#include <vlm/io/base64.hpp>
#include <vlm/io/checkpoint.hpp>
#include <vlm/io/crc32c.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/folder.hpp>
#include <vlm/io/folder_lock.hpp>
#include <vlm/io/json.hpp>
#include <vlm/io/json_value.hpp>
#include <vlm/io/markup.hpp>
#include <vlm/io/safetensors.hpp>
#include <vlm/io/safetensors_file.hpp>
#include <vlm/io/safetensors_folder.hpp>
#include <vlm/io/safetensors_writer.hpp>
#include <vlm/io/tar_file.hpp>
