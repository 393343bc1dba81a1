// The room core: errors, number formats, devices, views, arenas, the runtime.
#pragma once

#include <vlm/core/arena.hpp>
#include <vlm/core/buffer.hpp>
#include <vlm/core/cell_pages.hpp>
#include <vlm/core/config.hpp>
#include <vlm/core/device.hpp>
#include <vlm/core/dtype.hpp>
#include <vlm/core/error.hpp>
#include <vlm/core/fixed_string.hpp>
#include <vlm/core/observer.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/random.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/core/siphash.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/core/thread_pool.hpp>
#include <vlm/core/unzeroed.hpp>
#include <vlm/core/view.hpp>
