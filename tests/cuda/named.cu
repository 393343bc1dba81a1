// Text as a template argument, and layers, through nvcc.
#include <vlm/nn/named.hpp>
#include <vlm/nn/norm.hpp>

namespace {
using Device = vlm::Env<vlm::Cuda, vlm::F32, vlm::Trained>;
using Layer = vlm::Named<"input_layernorm", vlm::RmsNorm<Device>>;
}  // namespace

static_assert(Layer::trained);

// Called by main.cpp: the name that nvcc's front end gives.
const char* first_name_seen_by_nvcc() {
  static std::string name;
  Layer layer(8, 1e-6f);
  vlm::walk(layer, "", [&](const std::string& path, auto&) { name = path; });
  return name.c_str();
}
