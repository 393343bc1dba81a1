// describe(path): what a model consists of, from config.json alone: the tree of its tensors with names, shapes, numbers
// of parameters and bytes. Nothing is allocated for weights, so any size of model can be described anywhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <vlm/model/config.hpp>
#include <vlm/model/load.hpp>
#include <vlm/model/model.hpp>
#include <vlm/model/network.hpp>

namespace vlm {

// "1.5 MiB"; below a KiB in bytes.
inline std::string bytes_text(std::size_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024; ++unit) size /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
  return text;
}

struct TensorDescription {
  std::string name;  // as in Hugging Face files
  std::vector<Index> shape;
  Index count = 0;
};

struct Description {
  ModelConfig config;
  std::vector<TensorDescription> tensors;  // in the order of the network

  // Parameters whose names begin with `prefix`: "model.visual." for the tower with its mergers.
  Index parameters(std::string_view prefix = "") const {
    Index sum = 0;
    for (const TensorDescription& tensor : tensors)
      if (tensor.name.starts_with(prefix)) sum += tensor.count;
    return sum;
  }
  Index vision_parameters() const { return parameters("model.visual."); }
  Index text_parameters() const { return parameters() - vision_parameters(); }
  // Of the text stream, what one token meets: of the experts only those that are chosen.
  Index active_text_parameters() const {
    Index sum = text_parameters();
    for (const TensorDescription& tensor : tensors)
      if (tensor.name.find(".experts.") != std::string::npos)
        sum -= tensor.count / config.text.experts * (config.text.experts - config.text.chosen);
    return sum;
  }
  std::size_t bytes() const { return static_cast<std::size_t>(parameters()) * size_of(config.dtype); }

  // Lines of name, shape, parameters, bytes; blocks that are alike stand once, under {first..last}.
  std::string tree() const;
  // A line for each tensor with its whole name.
  std::string list() const;
  // The sums, a line each.
  std::string totals() const;
};

namespace detail {

// Columns of text: the first to the left, the others to the right.
class Columns {
 public:
  void add(std::string left, std::vector<std::string> right) {
    width_ = std::max(width_, left.size());
    widths_.resize(std::max(widths_.size(), right.size()));
    for (std::size_t i = 0; i < right.size(); ++i) widths_[i] = std::max(widths_[i], right[i].size());
    rows_.emplace_back(std::move(left), std::move(right));
  }
  std::string text() const {
    std::string text;
    for (const auto& [left, right] : rows_) {
      text.append(left).append(width_ - left.size(), ' ');
      for (std::size_t i = 0; i < right.size(); ++i)
        text.append(2 + widths_[i] - right[i].size(), ' ').append(right[i]);
      text += '\n';
    }
    return text;
  }

 private:
  std::size_t width_ = 0;
  std::vector<std::size_t> widths_;
  std::vector<std::pair<std::string, std::vector<std::string>>> rows_;
};

// A segment of names, with what stands below it in the order of the network.
struct NameTree {
  std::string segment;
  const TensorDescription* tensor = nullptr;
  std::vector<NameTree> below;

  NameTree& child(std::string_view name) {
    // Names that belong together follow each other, but parts share their first segments.
    for (auto found = below.rbegin(); found != below.rend(); ++found)
      if (found->segment == name) return *found;
    below.push_back({.segment = std::string(name), .tensor = nullptr, .below = {}});
    return below.back();
  }
  void add(const TensorDescription& leaf) {
    NameTree* node = this;
    for (std::string_view rest = leaf.name; !rest.empty();) {
      const std::size_t dot = std::min(rest.find('.'), rest.size());
      node = &node->child(rest.substr(0, dot));
      rest.remove_prefix(std::min(dot + 1, rest.size()));
    }
    node->tensor = &leaf;
  }
  Index count() const {
    Index sum = tensor ? tensor->count : 0;
    for (const NameTree& node : below) sum += node.count();
    return sum;
  }
  bool numbered() const { return segment.find_first_not_of("0123456789") == std::string::npos; }
  // Whether both hold tensors of the same names and shapes.
  bool like(const NameTree& other) const {
    if (!tensor != !other.tensor || (tensor && tensor->shape != other.tensor->shape)) return false;
    return std::equal(
        below.begin(), below.end(), other.below.begin(), other.below.end(),
        [](const NameTree& a, const NameTree& b) { return a.segment == b.segment && a.like(b); });
  }

  void print(Columns& columns, std::size_t depth, std::size_t element_bytes) const {
    for (std::size_t i = 0; i < below.size();) {
      std::size_t last = i;
      while (below[i].numbered() && last + 1 < below.size() && below[last + 1].numbered() &&
             below[i].like(below[last + 1]))
        ++last;
      const NameTree* node = &below[i];
      std::string name =
          last > i ? "{" + node->segment + ".." + below[last].segment + "}, each" : node->segment;
      while (node->below.size() == 1) {
        node = &node->below.front();
        name += "." + node->segment;
      }
      const Index parameters = node->count();
      columns.add(std::string(2 * depth, ' ') + name,
                  {node->tensor ? shape_text(node->tensor->shape) : "", std::to_string(parameters),
                   bytes_text(static_cast<std::size_t>(parameters) * element_bytes)});
      node->print(columns, depth + 1, element_bytes);
      i = last + 1;
    }
  }
};

// The tensors of a network of this spec; the number of taps is the configuration's.
template <class Spec>
Description describe_network(const ModelConfig& config) {
  using E = Env<Cpu, F32, Inert>;
  Network<Spec, E, E, E, E> network(config);
  Description description{.config = config, .tensors = {}};
  ParameterStore sizes;
  network.walk_parameters([&](const std::string& name, auto& param) { sizes.add(name, param, false); });
  for (const Parameter& p : sizes.parameters())
    description.tensors.push_back({.name = p.name, .shape = p.record->stored_shape(), .count = p.count});
  return description;
}

}  // namespace detail

inline std::string Description::tree() const {
  detail::NameTree root;
  for (const TensorDescription& tensor : tensors) root.add(tensor);
  detail::Columns columns;
  root.print(columns, 0, size_of(config.dtype));
  return columns.text();
}

inline std::string Description::list() const {
  detail::Columns columns;
  for (const TensorDescription& tensor : tensors)
    columns.add(tensor.name, {shape_text(tensor.shape), std::to_string(tensor.count),
                              bytes_text(static_cast<std::size_t>(tensor.count) * size_of(config.dtype))});
  return columns.text();
}

inline std::string Description::totals() const {
  std::string text = "vision parameters: " + std::to_string(vision_parameters()) +
                     "\ntext parameters: " + std::to_string(text_parameters());
  if (config.text.experts > 0)
    text += "\nactive text parameters per token: " + std::to_string(active_text_parameters());
  return text + "\ntotal parameters: " + std::to_string(parameters()) +
         "\ntensors: " + std::to_string(tensors.size()) + "\nbytes: " + std::to_string(bytes()) + " (" +
         std::string(name_of(config.dtype)) + ", " + bytes_text(bytes()) + ")\n";
}

// A model of this type; without one, of the released kinds, dense or sparse, with any number of taps. Throws ConfigError
// [config-type] where the configuration is another type's.
template <class Spec = void>
Description describe(const ModelConfig& config) {
  if constexpr (std::is_void_v<Spec>) {
    return config.text.experts > 0 ? detail::describe_network<Qwen3VLMoE>(config)
                                   : detail::describe_network<Qwen3VL>(config);
  } else {
    Model<Spec, Cpu>::require_fit(config);
    return detail::describe_network<Spec>(config);
  }
}
// `path`: a model folder, or its config.json. Throws FileError where it cannot be read, ConfigError where it cannot be.
template <class Spec = void>
Description describe(const std::string& path) {
  return describe<Spec>(ModelConfig::load(path));
}

}  // namespace vlm
