// The room model: specs, configuration, batches, the network.
#pragma once

#include <vlm/model/assemble.hpp>
#include <vlm/model/batch.hpp>
#include <vlm/model/chunk.hpp>
#include <vlm/model/config.hpp>
#include <vlm/model/config_fields.hpp>
#include <vlm/model/copy_weights.hpp>
#include <vlm/model/costs.hpp>
#include <vlm/model/describe.hpp>
#include <vlm/model/features.hpp>
#include <vlm/model/flops.hpp>
#include <vlm/model/load.hpp>
#include <vlm/model/model.hpp>
#include <vlm/model/network.hpp>
#include <vlm/model/parity.hpp>
#include <vlm/model/part_layers.hpp>
#include <vlm/model/parts.hpp>
#include <vlm/model/passes.hpp>
#include <vlm/model/picture_settings.hpp>
#include <vlm/model/positions.hpp>
#include <vlm/model/reference.hpp>
#include <vlm/model/spec.hpp>
#include <vlm/model/weight_index.hpp>
#include <vlm/model/with_model.hpp>
