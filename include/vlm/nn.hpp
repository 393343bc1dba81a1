// The room nn: layers and the combinators that compose them.
#pragma once

#include <vlm/nn/attention.hpp>
#include <vlm/nn/chain.hpp>
#include <vlm/nn/check.hpp>
#include <vlm/nn/embedding.hpp>
#include <vlm/nn/env.hpp>
#include <vlm/nn/fold.hpp>
#include <vlm/nn/init.hpp>
#include <vlm/nn/layer.hpp>
#include <vlm/nn/linear.hpp>
#include <vlm/nn/loss.hpp>
#include <vlm/nn/mlp.hpp>
#include <vlm/nn/moe.hpp>
#include <vlm/nn/named.hpp>
#include <vlm/nn/norm.hpp>
#include <vlm/nn/param.hpp>
#include <vlm/nn/parameters.hpp>
#include <vlm/nn/probe.hpp>
#include <vlm/nn/recompute.hpp>
#include <vlm/nn/residual.hpp>
#include <vlm/nn/rope.hpp>
#include <vlm/nn/stack.hpp>
#include <vlm/nn/visit.hpp>
#include <vlm/nn/yarn.hpp>
