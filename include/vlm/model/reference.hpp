// Reference: one batch with the results that another implementation has for it, in a safetensors file.
// Inputs, as transformers takes them:
//   input_ids [T] or [samples, T];  labels alike, -100 where nothing is predicted
//   position_ids [3, T]: a sample begins where all three axes are 0; without it each row of input_ids is one
//   pixel_values, pixel_values_videos [patches, patch features];  image_grid_thw, video_grid_thw [pictures, 3]
// Results, each if it is there, F32 or BF16; visual rows are those of all images, then those of all videos:
//   visual.patch_embed, visual.positions, visual.blocks.{i}       [patches, vision features]
//   visual.deepstack.{j}, visual.merger                           [visual tokens, features]
//   text.embeddings (visual rows in place), text.layers.{i}, text.norm   [T, features]
//   logits [T, vocabulary], loss (mean cross-entropy), grad.{parameter}
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/io/safetensors.hpp>
#include <vlm/model/batch.hpp>

namespace vlm {

class Reference {
 public:
  // Throws FileError for a file that is damaged, and DataError where its inputs are missing, contradict each other
  // or do not fit the model [reference, visual-tokens].
  Reference(const std::string& path, const ModelConfig& config) : file_(path), path_(path) {
    const std::vector<std::int64_t> ids = integers("input_ids");
    check_tokens("input_ids", ids, 0, config);
    Pictures images = pictures("image_grid_thw", "pixel_values", config),
             videos = pictures("video_grid_thw", "pixel_values_videos", config);
    videos.first_patch = images.patches;
    videos.first_token = images.patches / window(config);
    const std::vector<std::size_t> borders = sample_borders(ids.size());
    for (std::size_t i = 0; i + 1 < borders.size(); ++i) {
      Sample sample;
      for (std::size_t at = borders[i]; at < borders[i + 1]; ++at)
        sample.tokens.push_back(static_cast<std::int32_t>(ids[at]));
      take(images, config.image_token, config, sample.tokens, sample.images, sample.image_patches);
      take(videos, config.video_token, config, sample.tokens, sample.videos, sample.video_patches);
      batch_.append(sample, config);
    }
    for (const auto& [left, tensor] : {std::pair{&images, "image_grid_thw"}, {&videos, "video_grid_thw"}})
      if (left->next < left->grids.size())
        refuse(tensor, std::to_string(left->next) + " grids, as the tokens of input_ids stand for",
               std::to_string(left->grids.size()));
    if (file_.find("labels")) read_labels(ids, borders, config);
  }

  const SafetensorsFile& file() const { return file_; }
  const Batch& batch() const { return batch_; }
  bool has_gradients() const {
    return std::any_of(file_.tensors().begin(), file_.tensors().end(),
                       [](const StoredTensor& tensor) { return tensor.name.starts_with("grad."); });
  }
  static bool is_input(std::string_view name) {
    constexpr std::string_view inputs[] = {"input_ids",      "position_ids",   "labels",
                                           "pixel_values",   "image_grid_thw", "pixel_values_videos",
                                           "video_grid_thw", "attention_mask"};
    return std::find(std::begin(inputs), std::end(inputs), name) != std::end(inputs);
  }

  // Where row i of a pass, over patches or over visual tokens, stands among the rows of the file.
  const std::vector<Index>& patch_rows() const { return patch_rows_; }
  const std::vector<Index>& visual_rows() const { return visual_rows_; }

  // A tensor of the file, row-major. Throws DataError [reference] where it is missing or of another kind.
  std::vector<float> numbers(std::string_view name) const {
    const StoredTensor& tensor = find(name);
    if (tensor.dtype != DType::F32 && tensor.dtype != DType::BF16)
      refuse(name, "F32 or BF16", std::string(name_of(tensor.dtype)));
    const std::size_t size = size_of(tensor.dtype);
    std::vector<float> values(tensor.bytes.size() / size);
    for (std::size_t i = 0; i < values.size(); ++i) {
      bf16 narrow;
      std::memcpy(size == 2 ? static_cast<void*>(&narrow) : &values[i], tensor.bytes.data() + i * size, size);
      if (size == 2) values[i] = static_cast<float>(narrow);
    }
    return values;
  }
  std::vector<std::int64_t> integers(std::string_view name) const {
    const StoredTensor& tensor = find(name);
    if (tensor.dtype != DType::I64 && tensor.dtype != DType::I32)
      refuse(name, "I64 or I32", std::string(name_of(tensor.dtype)));
    const std::size_t size = size_of(tensor.dtype);
    std::vector<std::int64_t> values;
    for (std::size_t at = 0; at < tensor.bytes.size(); at += size) {
      std::int32_t narrow = 0;
      std::int64_t wide = 0;
      std::memcpy(size == 4 ? static_cast<void*>(&narrow) : &wide, tensor.bytes.data() + at, size);
      values.push_back(size == 4 ? narrow : wide);
    }
    return values;
  }

  [[noreturn]] void refuse(std::string_view tensor, std::string expected, std::string got) const {
    throw DataError("reference",
                    {{"file", path_},
                     {"tensor", std::string(tensor)},
                     {"expected", std::move(expected)},
                     {"got", std::move(got)},
                     {"try", "make the file for this model, as tests/golden/make_reference.py does"}});
  }

 private:
  // All pictures of one kind, and how many of them samples have taken.
  struct Pictures {
    std::vector<Grid> grids;
    std::vector<float> values;
    Index patches = 0, first_patch = 0, first_token = 0;
    std::size_t next = 0, next_value = 0;
  };

  static Index window(const ModelConfig& config) {
    return config.vision.merge_size * config.vision.merge_size;
  }

  const StoredTensor& find(std::string_view name) const {
    const StoredTensor* tensor = file_.find(name);
    if (!tensor) refuse(name, "this tensor", "none");
    return *tensor;
  }

  void check_tokens(std::string_view name, const std::vector<std::int64_t>& ids, std::int64_t least,
                    const ModelConfig& config) const {
    for (const std::int64_t id : ids)
      if (id != -100 ? id < 0 || id >= config.text.vocabulary : least == 0)
        refuse(name, "tokens below " + std::to_string(config.text.vocabulary), std::to_string(id));
    if (file_.find("attention_mask"))
      for (const std::int64_t flag : integers("attention_mask"))
        if (flag != 1) refuse("attention_mask", "ones: samples without padding", std::to_string(flag));
  }

  // The first token of each sample, and the number of tokens.
  std::vector<std::size_t> sample_borders(std::size_t tokens) const {
    std::vector<std::size_t> borders;
    if (file_.find("position_ids")) {
      const std::vector<std::int64_t> axes = integers("position_ids");
      if (axes.size() != 3 * tokens)
        refuse("position_ids", "3 axes of " + std::to_string(tokens) + " tokens",
               std::to_string(axes.size()));
      for (std::size_t i = 0; i < tokens; ++i)
        if (axes[i] == 0 && axes[tokens + i] == 0 && axes[2 * tokens + i] == 0) borders.push_back(i);
    } else {
      const std::vector<Index>& shape = find("input_ids").shape;
      const std::size_t length = shape.empty() ? tokens : static_cast<std::size_t>(shape.back());
      for (std::size_t i = 0; i < tokens; i += length) borders.push_back(i);
    }
    if (borders.empty() || borders.front() != 0)
      refuse(borders.empty() && tokens == 0 ? "input_ids" : "position_ids",
             "at least one token, and the position 0 for the first", "another");
    borders.push_back(tokens);
    return borders;
  }

  Pictures pictures(std::string_view grids, std::string_view values, const ModelConfig& config) const {
    Pictures p;
    if (!file_.find(grids)) return p;
    const std::vector<std::int64_t> sizes = integers(grids);
    if (sizes.size() % 3 != 0) refuse(grids, "three sizes for each picture", std::to_string(sizes.size()));
    for (std::size_t i = 0; i < sizes.size(); i += 3) {
      for (std::size_t axis = 0; axis < 3; ++axis)
        if (sizes[i + axis] < 1 || sizes[i + axis] > 0xffff)
          refuse(grids, "sizes from 1 to 65535", std::to_string(sizes[i + axis]));
      p.grids.push_back({sizes[i], sizes[i + 1], sizes[i + 2]});
      p.patches += p.grids.back().patches();
      if (p.patches > 0x7fffffff)
        refuse(grids, "at most 2147483647 patches in all", std::to_string(p.patches));
    }
    p.values = numbers(values);
    const auto expected = static_cast<std::size_t>(p.patches * config.vision.patch_features());
    if (p.values.size() != expected)
      refuse(values, std::to_string(expected) + " values of patch rows", std::to_string(p.values.size()));
    return p;
  }

  // Moves to a sample the pictures that its tokens stand for.
  void take(Pictures& from, std::int32_t token, const ModelConfig& config,
            const std::vector<std::int32_t>& tokens, std::vector<Grid>& grids, PatchRows& values) {
    Index wanted = std::count(tokens.begin(), tokens.end(), token);
    while (wanted > 0 && from.next < from.grids.size()) {
      const Grid& grid = from.grids[from.next++];
      const Index visual = grid.patches() / window(config);
      wanted -= visual;
      grids.push_back(grid);
      const auto size = static_cast<std::size_t>(grid.patches() * config.vision.patch_features());
      const float* first = from.values.data() + from.next_value;
      values.insert(values.end(), first, first + size);
      from.next_value += size;
      for (Index i = 0; i < grid.patches(); ++i) patch_rows_.push_back(from.first_patch++);
      for (Index i = 0; i < visual; ++i) visual_rows_.push_back(from.first_token++);
    }
  }

  void read_labels(const std::vector<std::int64_t>& ids, const std::vector<std::size_t>& borders,
                   const ModelConfig& config) {
    const std::vector<std::int64_t> labels = integers("labels");
    if (labels.size() != ids.size())
      refuse("labels", std::to_string(ids.size()) + " as in input_ids", std::to_string(labels.size()));
    check_tokens("labels", labels, -100, config);
    for (std::size_t i = 0; i + 1 < borders.size(); ++i)
      for (std::size_t at = borders[i] + 1; at < borders[i + 1]; ++at)
        if (labels[at] != -100) {
          batch_.rows.push_back(static_cast<std::int32_t>(at) - 1);
          batch_.targets.push_back(static_cast<std::int32_t>(labels[at]));
        }
    batch_.weights.assign(batch_.rows.size(), 1.0f / static_cast<float>(batch_.rows.size()));
  }

  SafetensorsFile file_;
  std::string path_;
  Batch batch_;
  std::vector<Index> patch_rows_, visual_rows_;
};

}  // namespace vlm
