// The weights of a Hugging Face folder: one safetensors file, or shards and their index.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <vlm/io/file.hpp>
#include <vlm/io/folder.hpp>
#include <vlm/io/json.hpp>
#include <vlm/io/safetensors_file.hpp>

namespace vlm {

// Opens model.safetensors, or the shards that model.safetensors.index.json names.
class SafetensorsFolder {
 public:
  explicit SafetensorsFolder(const std::string& folder) {
    const std::string single = folder + "/model.safetensors";
    const std::string index = single + ".index.json";
    if (file_exists(single)) {
      files_.emplace_back(single);
      for (const StoredTensor& tensor : files_.front().tensors()) add(tensor);
    } else if (file_exists(index)) {
      open_shards(folder, index);
    } else {
      detail::throw_safetensors_missing(folder, "", "model.safetensors or model.safetensors.index.json",
                                        "neither");
    }
  }

  const std::vector<SafetensorsFile>& files() const { return files_; }
  // Of all files, in the order of files and bytes.
  const std::vector<const StoredTensor*>& tensors() const { return tensors_; }
  // The tensor of this name, or null.
  const StoredTensor* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

 private:
  // weight_map decides which shard a tensor comes from; tensors that it does not name are kept, too.
  void open_shards(const std::string& folder, const std::string& index) {
    const MappedFile text(index);
    const Json document = parse_json(text.text(), index);
    std::unordered_map<std::string_view, const std::string*> shard_of;
    std::vector<std::string> names;
    std::unordered_set<std::string_view> seen;
    for (const auto& [tensor, shard] : document.at("weight_map").members()) {
      refuse_path(index, tensor, shard.string());
      shard_of.emplace(tensor, &shard.string());
      if (seen.insert(shard.string()).second) names.push_back(shard.string());
    }
    for (const std::string& name : names) {
      const std::string path = folder + "/" + name;
      if (!file_exists(path))
        detail::throw_safetensors_missing(path, "", "a shard named by " + index, "no such file");
      files_.emplace_back(path);
    }
    for (std::size_t i = 0; i < files_.size(); ++i) {
      for (const StoredTensor& tensor : files_[i].tensors()) {
        const auto mapped = shard_of.find(tensor.name);
        if (mapped == shard_of.end() || *mapped->second == names[i]) add(tensor);
      }
    }
    for (const auto& [tensor, shard] : document.at("weight_map").members()) {
      if (find(tensor)) continue;
      detail::throw_safetensors_missing(folder + "/" + shard.string(), tensor,
                                        "a tensor that weight_map names", "no such tensor");
    }
  }

  static void refuse_path(const std::string& index, std::string_view tensor, std::string_view name) {
    if (is_plain_name(name)) return;
    detail::throw_safetensors_tensor(index, tensor, "the name of a file in this folder",
                                     "\"" + std::string(name) + "\"");
  }

  void add(const StoredTensor& tensor) {
    const auto [present, is_new] = by_name_.emplace(tensor.name, &tensor);
    if (!is_new) {
      detail::throw_safetensors_tensor(*tensor.file, tensor.name, "each tensor in one shard",
                                       "a tensor that is also in " + *present->second->file);
    }
    tensors_.push_back(&tensor);
  }

  std::vector<SafetensorsFile> files_;
  std::vector<const StoredTensor*> tensors_;
  std::unordered_map<std::string_view, const StoredTensor*> by_name_;
};

}  // namespace vlm
