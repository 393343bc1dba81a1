// safetensors: reading one file, reading a Hugging Face folder, writing a file.
#pragma once

#include <vlm/io/safetensors_file.hpp>
#include <vlm/io/safetensors_folder.hpp>
#include <vlm/io/safetensors_writer.hpp>
