// WeightIndex: the tensors of a folder under the names of this library, which are those of Qwen3-VL in Hugging Face
// files. Re-exports use other names, and experts come in three layouts:
//   fused        experts.gate_up_proj [experts, features, 2 * intermediate], experts.down_proj: released files
//   turned       the same names, [experts, 2 * intermediate, features]: told from fused ones by their shapes
//   per expert   experts.{e}.gate_proj.weight [intermediate, features], up_proj, down_proj: text-only Qwen3-MoE
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/safetensors.hpp>

namespace vlm {

// The name here of a tensor that a file calls `stored`.
inline std::string tensor_name(std::string_view stored) {
  static constexpr std::array<std::array<std::string_view, 2>, 7> prefixes = {{
      {"language_model.model.", "model.language_model."},  // vLLM, SGLang, mlx-vlm
      {"language_model.lm_head.", "lm_head."},
      {"visual.", "model.visual."},
      {"vision_tower.", "model.visual."},
      {"model.embed_tokens.", "model.language_model.embed_tokens."},  // text-only Qwen3
      {"model.layers.", "model.language_model.layers."},
      {"model.norm.", "model.language_model.norm."},
  }};
  for (const auto& [theirs, ours] : prefixes)
    if (stored.starts_with(theirs)) return std::string(ours).append(stored.substr(theirs.size()));
  return std::string(stored);
}

// What a parameter is put together from.
struct WeightSource {
  enum class Kind {
    Whole,    // one tensor; a group of matrices may be turned
    Experts,  // a matrix [outputs, inputs] for each expert, or two of them whose outputs stand side by side
    Stacked,  // tensors one below the other
    Still,    // a patch embedding of one frame, shared out among the frames of a patch
  };
  Kind kind = Kind::Whole;
  std::vector<const StoredTensor*> pieces{};  // null where one of several is missing
  std::vector<std::string> names{};           // of the pieces, where they were composed
};

class WeightIndex {
 public:
  // Throws FileError [safetensors-tensor] where two tensors of the folder have the same name here.
  explicit WeightIndex(SafetensorsFolder folder) : folder_(std::move(folder)) {
    for (const StoredTensor* tensor : folder_.tensors()) add(tensor_name(tensor->name), *tensor);
  }

  const WeightSource* find(const std::string& name) const {
    const auto found = sources_.find(name);
    return found == sources_.end() ? nullptr : &found->second;
  }
  // The names, in the order of the files.
  const std::vector<std::string>& names() const { return names_; }

  // For folders of another architecture: what makes up `name` here, out of tensors that the folder has or lacks.
  void compose(const std::string& name, WeightSource::Kind kind, const std::vector<std::string>& stored) {
    WeightSource source{.kind = kind, .pieces = {}, .names = stored};
    for (const std::string& piece : stored) source.pieces.push_back(folder_.find(piece));
    sources_[name] = std::move(source);
    names_.push_back(name);
  }
  // Forgets the names that keep(name) is false for.
  template <class Keep>
  void select(Keep&& keep) {
    std::erase_if(names_, [&](const std::string& name) { return !keep(name); });
    std::erase_if(sources_, [&](const auto& entry) { return !keep(entry.first); });
  }
  const SafetensorsFolder& folder() const { return folder_; }

 private:
  static constexpr std::size_t most_experts = 65536;

  void add(std::string name, const StoredTensor& tensor) {
    if (add_expert(name, tensor)) return;
    WeightSource& source = sources_[name];
    for (const StoredTensor* present : source.pieces)
      if (present) refuse(tensor, *present);
    source.pieces.push_back(&tensor);
    names_.push_back(std::move(name));
  }

  // "P.experts.7.up_proj.weight" is a piece of "P.experts.gate_up_proj".
  bool add_expert(const std::string& name, const StoredTensor& tensor) {
    constexpr std::string_view experts = ".experts.";
    const std::size_t at = name.find(experts);
    if (at == std::string::npos) return false;
    const std::size_t first = at + experts.size();
    std::size_t expert = 0;
    const auto [end, error] = std::from_chars(name.data() + first, name.data() + name.size(), expert);
    if (error != std::errc() || expert >= most_experts) return false;
    const std::string_view rest = std::string_view(name).substr(static_cast<std::size_t>(end - name.data()));
    const bool down = rest == ".down_proj.weight", up = rest == ".up_proj.weight";
    if (!down && !up && rest != ".gate_proj.weight") return false;
    const std::string fused = name.substr(0, first) + (down ? "down_proj" : "gate_up_proj");
    WeightSource& source = sources_[fused];
    if (source.pieces.empty()) {
      source.kind = WeightSource::Kind::Experts;
      names_.push_back(fused);
    } else if (source.kind != WeightSource::Kind::Experts) {
      refuse(tensor, *source.pieces.front());
    }
    const std::size_t piece = down ? expert : 2 * expert + (up ? 1 : 0);
    if (source.pieces.size() <= piece) source.pieces.resize(piece + 1);
    if (source.pieces[piece]) refuse(tensor, *source.pieces[piece]);
    source.pieces[piece] = &tensor;
    return true;
  }

  [[noreturn]] static void refuse(const StoredTensor& tensor, const StoredTensor& present) {
    detail::throw_safetensors_tensor(*tensor.file, tensor.name, "each weight under one name",
                                     "one that is there as " + present.name + ", too");
  }

  SafetensorsFolder folder_;
  std::unordered_map<std::string, WeightSource> sources_;
  std::vector<std::string> names_;
};

}  // namespace vlm
