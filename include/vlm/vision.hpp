// The room vision: pixels to visual tokens.
#pragma once

#include <vlm/vision/deepstack.hpp>
#include <vlm/vision/draw.hpp>
#include <vlm/vision/ffmpeg.hpp>
#include <vlm/vision/ffmpeg_stream.hpp>
#include <vlm/vision/frame_clock.hpp>
#include <vlm/vision/frame_sampling.hpp>
#include <vlm/vision/grounding.hpp>
#include <vlm/vision/grounding_parser.hpp>
#include <vlm/vision/idx.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/merger.hpp>
#include <vlm/vision/patches.hpp>
#include <vlm/vision/resize.hpp>
#include <vlm/vision/siglip2.hpp>
#include <vlm/vision/timestamps.hpp>
#include <vlm/vision/video.hpp>
#include <vlm/vision/video_file.hpp>
#include <vlm/vision/video_patches.hpp>
#include <vlm/vision/video_settings.hpp>
