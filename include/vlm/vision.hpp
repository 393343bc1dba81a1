// The room vision: pixels to visual tokens.
#pragma once

#include <vlm/vision/bmp.hpp>
#include <vlm/vision/deepstack.hpp>
#include <vlm/vision/gif.hpp>
#include <vlm/vision/idx.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_bytes.hpp>
#include <vlm/vision/image_codecs.hpp>
#include <vlm/vision/image_cost.hpp>
#include <vlm/vision/image_header.hpp>
#include <vlm/vision/image_rows.hpp>
#include <vlm/vision/jpeg.hpp>
#include <vlm/vision/load_image.hpp>
#include <vlm/vision/merger.hpp>
#include <vlm/vision/orientation.hpp>
#include <vlm/vision/patches.hpp>
#include <vlm/vision/pixel_pass.hpp>
#include <vlm/vision/png.hpp>
#include <vlm/vision/pnm.hpp>
#include <vlm/vision/resample_weights.hpp>
#include <vlm/vision/resize.hpp>
#include <vlm/vision/siglip2.hpp>
#include <vlm/vision/webp.hpp>
