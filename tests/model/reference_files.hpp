// Reference files as tests write them: tensors by name, from a stored case and from the model itself.
#pragma once

#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "model/golden.hpp"

namespace golden {

struct FileTensor {
  vlm::DType dtype = vlm::DType::F32;
  std::vector<vlm::Index> shape;
  std::vector<std::byte> bytes;
};

template <class T>
FileTensor tensor_of(const std::vector<T>& values, std::vector<vlm::Index> shape) {
  FileTensor tensor{vlm::dtype_of<T>, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}
template <class T>
FileTensor tensor_of(const std::vector<T>& values) {
  return tensor_of(values, {static_cast<vlm::Index>(values.size())});
}

using ReferenceTensors = std::map<std::string, FileTensor>;

inline void write_tensors(const std::string& path, const ReferenceTensors& tensors) {
  vlm::SafetensorsWriter writer(path);
  for (const auto& [name, tensor] : tensors) writer.declare(name, tensor.dtype, tensor.shape);
  for (const auto& [name, tensor] : tensors) writer.write(name, tensor.bytes);
  writer.commit();
}

// The inputs of a stored case, with its pixels.
inline ReferenceTensors inputs_of(const Case& test) {
  ReferenceTensors tensors;
  for (const char* name : {"input_ids", "position_ids", "labels", "image_grid_thw", "video_grid_thw"})
    if (const vlm::StoredTensor* stored = test.file.find(name))
      tensors[name] = tensor_of(values_of<std::int64_t>(test.file, name), stored->shape);
  const auto add_pixels = [&](const std::string& grids, const std::string& name) {
    if (!tensors.contains(grids)) return;
    const std::vector<vlm::Grid> list = test.grids(grids);
    const std::vector<float> rows = test.patches(list, name);
    const vlm::Index features = test.config.vision.patch_features();
    tensors[name] = tensor_of(rows, {static_cast<vlm::Index>(rows.size()) / features, features});
  };
  add_pixels("image_grid_thw", "pixel_values");
  add_pixels("video_grid_thw", "pixel_values_videos");
  return tensors;
}

}  // namespace golden
