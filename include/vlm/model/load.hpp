// Parameters of a model as run-time records: their memory, reading them from safetensors, writing them back.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <vlm/core/buffer.hpp>
#include <vlm/io/safetensors.hpp>
#include <vlm/model/copy_weights.hpp>
#include <vlm/model/source_rows.hpp>
#include <vlm/model/weight_index.hpp>
#include <vlm/nn/init.hpp>

namespace vlm {

// One parameter of a model, under its full name. `value` and `gradient` are set for trained parameters only.
struct Parameter {
  std::string name;
  ParamRecord* record = nullptr;
  bool trained = false;
  Index count = 0;
  std::span<float> value, gradient;
  const StoredTensor* stored =
      nullptr;  // what the value was read from, unchanged; written back byte for byte
};

namespace detail {

// Throws ConfigError [model-size] where a tensor has more than 2^48 elements: no file holds that, and sums of bytes
// of all tensors stay far below 2^64.
inline Index element_count(const std::vector<Index>& shape) {
  Index count = 1;
  for (Index size : shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count) || count > (Index{1} << 48))
      throw ConfigError("model-size", {{"tensor", shape_text(shape)},
                                       {"expected", "at most 2^48 elements"},
                                       {"try", "the sizes of a real config.json"}});
  return count;
}

// Every fault of a checkpoint in one report.
struct LoadReport {
  std::string missing, surplus, misshapen;
  void add(std::string& list, const std::string& text) {
    list += (list.empty() ? "" : "\n            ") + text;
  }
  bool clean() const { return missing.empty() && surplus.empty() && misshapen.empty(); }
};

// The format of blocks that a tensor of bytes holds for a parameter, or U8 where it holds none; the layouts differ in
// the bytes of a panel.
inline DType blocks_in(const ParamRecord& record, const StoredTensor& tensor) {
  if (tensor.dtype != DType::U8) return DType::U8;
  for (const DType format : block_formats)
    if (record.allows(format) && tensor.shape == MatrixSizes(record).blocks_shape(format)) return format;
  return DType::U8;
}

inline bool readable(DType type) { return type == DType::F32 || type == DType::BF16; }

}  // namespace detail

// What becomes of frozen matrices: they stay as the file stores them (bf16 and blocks are mapped and not copied), are
// converted to f32, or to blocks (ops/weight_blocks.hpp) of bf16, 8 or 4 bits, but for the router and the patch embedding,
// which stay as stored, and the mergers, which become bf16 blocks with Bf16 and else stay as stored. Blocks of bf16 have
// codes where the processor has what decodes them (has_exponent_codes) and they can hold the tensor. Vectors and the
// position table are f32 always, and so is what trains. Blocks in a file are loaded as Stored or as their own format.
// Stored and F32 are exact but for f32 arithmetic. Bf16 keeps the numbers of a bf16 checkpoint, too, but its products
// round the rows of activations to bf16, which is faster. With blocks attention may round, too (AttentionForward::rounded).
enum class FrozenWeights { Stored, F32, Bf16, Int8, Int4 };

namespace detail {

// The format of blocks that matrices are converted to, if any.
inline std::optional<DType> blocks_format(FrozenWeights frozen) {
  switch (frozen) {
    case FrozenWeights::Bf16:
      return has_exponent_codes() ? DType::Bf16CodeBlocks : DType::Bf16Blocks;
    case FrozenWeights::Int8:
      return DType::I8Blocks;
    case FrozenWeights::Int4:
      return DType::I4Blocks;
    case FrozenWeights::Stored:
    case FrozenWeights::F32:
      break;
  }
  return std::nullopt;
}

// Whether blocks in a file are what was asked for.
inline bool accepts(FrozenWeights frozen, DType blocks) {
  return frozen == FrozenWeights::Stored || blocks_format(frozen) == blocks ||
         (frozen == FrozenWeights::Bf16 && is_bf16_blocks(blocks));
}

// "A, B or C" of the shapes that a file may hold a parameter's blocks in.
inline std::string blocks_shapes_text(const ParamRecord& record) {
  std::string text;
  std::size_t left = static_cast<std::size_t>(std::count_if(
      std::begin(block_formats), std::end(block_formats), [&](DType f) { return record.allows(f); }));
  for (const DType format : block_formats) {
    if (!record.allows(format)) continue;
    if (!text.empty()) text += left == 1 ? " or " : ", ";
    text += shape_text(MatrixSizes(record).blocks_shape(format));
    --left;
  }
  return text;
}

}  // namespace detail

// Binds frozen parameters to the mapped file where its format allows, and copies the rest into memory as f32.
// Throws FileError [weights] that lists every missing, surplus and misshapen tensor.
class ParameterStore {
 public:
  std::vector<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }

  // Throws ConfigError [model-size] where a tensor, or all together, has more than 2^48 elements.
  void add(std::string name, ParamRecord& record, bool trained) {
    const Index count = detail::element_count(record.stored_shape());
    total_ += count;
    detail::element_count({total_});
    if (trained) trained_floats_ += padded(count);
    parameters_.push_back({.name = std::move(name),
                           .record = &record,
                           .trained = trained,
                           .count = count,
                           .value = {},
                           .gradient = {},
                           .stored = nullptr});
  }

  // Gives trained parameters their values and gradients: two ranges, in visiting order, so that each
  // part is one piece.
  void allocate_trained() {
    values_ = Buffer<Cpu>(trained_floats_ * sizeof(float));
    gradients_ = Buffer<Cpu>(trained_floats_ * sizeof(float));
    std::size_t used = 0;
    for (Parameter& p : parameters_) {
      if (!p.trained) continue;
      p.value = {reinterpret_cast<float*>(values_.data()) + used, static_cast<std::size_t>(p.count)};
      p.gradient = {reinterpret_cast<float*>(gradients_.data()) + used, static_cast<std::size_t>(p.count)};
      p.record->bind(p.value.data(), DType::F32);
      used += padded(p.count);
    }
  }

  // Addresses that are never null and never read, in the place of memory: for a model that is only measured.
  void imagine(DType matrices) {
    float* const nowhere = reinterpret_cast<float*>(Buffer<Cpu>::alignment);
    for (Parameter& p : parameters_) {
      p.record->bind(nowhere, p.trained || read_in_f32(p) ? DType::F32 : matrices);
      const auto count = static_cast<std::size_t>(p.count);
      if (p.trained) p.value = p.gradient = {nowhere, count};
    }
  }

  // Draws the parameters that `wanted(name)` picks.
  template <class Wanted>
  void initialise_values(std::uint64_t seed, float deviation, Wanted&& wanted) {
    for (Parameter& p : parameters_) {
      if (!wanted(p.name)) continue;
      float* values = p.trained ? p.value.data() : reinterpret_cast<float*>(own(p, DType::F32));
      initialise({values, static_cast<std::size_t>(p.count)}, p.record->initial(), seed, p.name, deviation);
    }
  }

  // Reads the parameters that `wanted(name)` picks; the index must hold these and nothing else, but for a head where
  // the token table serves as one. At most one tensor is in memory beside what is read.
  template <class Wanted>
  void read(WeightIndex index, const std::string& path, bool tied, FrozenWeights frozen, Wanted&& wanted) {
    detail::LoadReport report;
    std::unordered_set<std::string_view> known;
    if (tied) known.insert("lm_head.weight");
    for (Parameter& p : parameters_) {
      if (!wanted(p.name)) continue;
      known.insert(p.name);
      check(p, index.find(p.name), report);
    }
    for (const std::string& name : index.names()) {
      if (known.contains(name)) continue;
      for (const StoredTensor* piece : index.find(name)->pieces)
        if (piece) report.add(report.surplus, piece->name + " " + shape_text(piece->shape));
    }
    if (!report.clean())
      throw FileError(
          "weights",
          {{"folder", path},
           {"missing", report.missing},
           {"surplus", report.surplus},
           {"misshapen", report.misshapen},
           {"try", "take config.json and the weights from one checkpoint, and the type that fits it"}});
    for (const SafetensorsFile& file : index.folder().files()) check_layout(file);
    for (Parameter& p : parameters_)
      if (wanted(p.name)) bind(p, *index.find(p.name), turned(p, index), frozen);
    queue_.reset();
    indexes_.push_back(std::move(index));
  }

  // Writes all parameters under their names: trained ones in f32, untouched ones as they are stored, blocks as bytes
  // [panels, bytes of a panel] or [groups, panels, bytes of a panel]; or all as `dtype`, F32 or BF16. Throws ConfigError
  // [save-dtype] for another one, and for blocks.
  void write(const std::string& path, std::optional<DType> dtype = std::nullopt) const {
    if (dtype && !detail::readable(*dtype))
      throw ConfigError("save-dtype", {{"expected", "F32 or BF16"},
                                       {"got", std::string(name_of(*dtype))},
                                       {"try", "one of the two, or none: each tensor in its own format"}});
    SafetensorsMetadata metadata = {{"format", "pt"}};
    const auto in_blocks = [](const Parameter& p) { return is_blocks(p.record->format()); };
    if (std::any_of(parameters_.begin(), parameters_.end(), in_blocks)) {
      if (dtype)
        throw ConfigError("save-dtype", {{"expected", "no dtype for weights in blocks"},
                                         {"got", std::string(name_of(*dtype))},
                                         {"try", "loading the model without a weight format"}});
      metadata.emplace_back(layout_key, layout_version);
    }
    // Panels are whole cache lines, and begin with one where only they and like tensors stand before them.
    SafetensorsWriter writer(path, metadata, metadata.size() > 1 ? Buffer<Cpu>::alignment : 8);
    const auto format = [&](const Parameter& p) {
      return in_blocks(p) ? DType::U8 : dtype ? *dtype : p.stored ? p.stored->dtype : p.record->format();
    };
    for (const Parameter& p : parameters_)
      writer.declare(
          p.name, format(p),
          in_blocks(p) ? MatrixSizes(*p.record).blocks_shape(p.record->format()) : p.record->file_shape());
    for (const Parameter& p : parameters_) {
      const std::span<const std::byte> bytes(static_cast<const std::byte*>(p.record->data()),
                                             p.record->bytes());
      if (in_blocks(p))
        writer.write(p.name, bytes);
      else if (!dtype && p.stored)
        writer.write(p.name, p.stored->bytes);
      else
        detail::convert(bytes, p.record->format(), format(p),
                        [&](std::span<const std::byte> part) { writer.write(p.name, part); });
    }
    writer.commit();
  }

  void zero_gradients() {
    if (gradients_.size() > 0) std::memset(gradients_.data(), 0, gradients_.size());
  }
  std::size_t gradient_bytes() const { return trained_floats_ * sizeof(float); }
  // Of all values, whether they lie in memory or in a mapped file.
  std::size_t weight_bytes() const {
    std::size_t bytes = trained_floats_ * sizeof(float);
    for (const Parameter& p : parameters_)
      if (!p.trained) bytes += p.record->bytes();
    return bytes;
  }

 private:
  static std::size_t padded(Index count) { return (static_cast<std::size_t>(count) + 15) / 16 * 16; }
  // Vectors and the position table; matrices stay in the format of the file.
  static bool read_in_f32(const Parameter& p) {
    return p.record->stored_shape().size() == 1 || p.name.ends_with("pos_embed.weight");
  }
  // Memory of its own for a frozen parameter that cannot stay in the file.
  std::byte* own(Parameter& p, DType format) {
    p.record->bind(nullptr, format);
    owned_.emplace_back(p.record->bytes());
    p.record->bind(owned_.back().data(), format);
    return owned_.back().data();
  }

  // A file with blocks of another layout must not be taken for one of this.
  static constexpr const char *layout_key = "vlm.weight_blocks", *layout_version = "3";
  static void check_layout(const SafetensorsFile& file) {
    for (const auto& [key, value] : file.metadata())
      if (key == layout_key && value != layout_version)
        throw FileError("weight-blocks",
                        {{"file", file.path()},
                         {"expected", std::string(layout_key) + " " + layout_version + " in its metadata"},
                         {"got", value},
                         {"try", "making the blocks again with this version of the library"}});
  }

  // Blocks of numbers, a band of outputs at a time. False where the format cannot hold them.
  bool make_blocks(Parameter& p, const WeightSource& source, DType format) {
    constexpr Index band = 16 * panel_outputs;
    const detail::SourceRows rows(*p.record, source);
    const MatrixSizes& sizes = rows.sizes();
    std::byte* to = own(p, format);
    std::vector<float> numbers(static_cast<std::size_t>(std::min(band, sizes.outputs) * sizes.inputs));
    if (!queue_) queue_ = std::make_unique<Queue<Cpu>>();
    for (Index group = 0; group < sizes.count;
         ++group, to += matrix_bytes(format, sizes.outputs, sizes.inputs))
      for (Index first = 0; first < sizes.outputs; first += band) {
        const Index count = std::min(band, sizes.outputs - first);
        rows.read(group, first, count, numbers.data());
        if (!vlm::make_blocks<float>(*queue_, {numbers.data(), Shape<2>{{count, sizes.inputs}}}, format,
                                     to + first / panel_outputs * panel_bytes(format, sizes.inputs))) {
          owned_.pop_back();
          return false;
        }
      }
    return true;
  }

  // What is wrong with the source of a parameter, if anything.
  void check(const Parameter& p, const WeightSource* source, detail::LoadReport& report) const {
    const std::vector<Index>& shape = p.record->stored_shape();
    const bool separate = source && source->kind == WeightSource::Kind::Experts;
    if (!source || (separate && shape.size() != 3))
      return report.add(report.missing, p.name + " " + shape_text(shape));
    const auto check_piece = [&](const StoredTensor* piece, const std::string& name,
                                 const std::vector<Index>& expected, bool fits) {
      if (!piece)
        report.add(report.missing, name + " " + shape_text(expected));
      else if (!fits || !detail::readable(piece->dtype))
        report.add(report.misshapen, name + " expected F32 or BF16 " + shape_text(expected) + ", got " +
                                         std::string(name_of(piece->dtype)) + " " + shape_text(piece->shape));
    };
    if (separate) return check_experts(p, *source, report, check_piece);
    if (!source->names.empty()) return check_composed(shape, *source, check_piece);
    const StoredTensor* whole = source->pieces.front();
    if (whole->dtype == DType::U8 && p.record->allowed_blocks() != BlockFormats::None && !p.trained) {
      if (is_blocks(detail::blocks_in(*p.record, *whole))) return;
      return report.add(report.misshapen, p.name + " expected U8 " + detail::blocks_shapes_text(*p.record) +
                                              ", got U8 " + shape_text(whole->shape));
    }
    check_piece(whole, p.name, shape, whole->shape == shape || whole->shape == turned_shape(shape));
  }
  template <class CheckPiece>
  static void check_composed(std::vector<Index> shape, const WeightSource& source, CheckPiece& check_piece) {
    shape.front() /= static_cast<Index>(source.pieces.size());
    if (source.kind == WeightSource::Kind::Still) shape.erase(shape.begin() + 2);
    for (std::size_t i = 0; i < source.pieces.size(); ++i) {
      const StoredTensor* piece = source.pieces[i];
      const bool flat = piece && source.kind == WeightSource::Kind::Still &&
                        piece->shape == std::vector<Index>{shape[0], shape[1] * shape[2] * shape[3]};
      check_piece(piece, source.names[i], shape, flat || (piece && piece->shape == shape));
    }
  }
  template <class CheckPiece>
  void check_experts(const Parameter& p, const WeightSource& source, detail::LoadReport& report,
                     CheckPiece& check_piece) const {
    const std::vector<Index>& shape = p.record->stored_shape();  // [experts, inputs, outputs]
    const bool halves = p.name.ends_with(".gate_up_proj");
    const std::string experts = p.name.substr(0, p.name.rfind('.') + 1);
    const auto count = static_cast<std::size_t>(halves ? 2 * shape[0] : shape[0]);
    const std::vector<Index> expected = {halves ? shape[2] / 2 : shape[2], shape[1]};
    for (std::size_t i = 0; i < std::max(count, source.pieces.size()); ++i) {
      const StoredTensor* piece = i < source.pieces.size() ? source.pieces[i] : nullptr;
      if (i < count) {
        const char* which = !halves      ? ".down_proj.weight"
                            : i % 2 == 0 ? ".gate_proj.weight"
                                         : ".up_proj.weight";
        check_piece(piece, experts + std::to_string(halves ? i / 2 : i) + which, expected,
                    piece && piece->shape == expected);
      } else if (piece) {
        report.add(report.surplus, piece->name + " " + shape_text(piece->shape));
      }
    }
  }

  static std::vector<Index> turned_shape(std::vector<Index> shape) {
    if (shape.size() == 3) std::swap(shape[1], shape[2]);
    return shape;
  }
  // Whether a group of matrices is stored turned. Where its two sides are equal, the experts' other tensor tells:
  // they cannot both be square.
  bool turned(const Parameter& own, const WeightIndex& index) const {
    const auto square = [](const std::vector<Index>& shape) { return shape[1] == shape[2]; };
    const std::vector<Index>& own_shape = own.record->stored_shape();
    if (own_shape.size() != 3) return false;
    const std::string experts = own.name.substr(0, own.name.rfind('.') + 1);
    for (const Parameter& p : parameters_) {
      const std::vector<Index>& shape = p.record->stored_shape();
      const bool tells = square(own_shape)
                             ? shape.size() == 3 && !square(shape) && p.name.starts_with(experts)
                             : p.record == own.record;
      if (!tells) continue;
      const WeightSource* source = index.find(p.name);
      return source && source->kind == WeightSource::Kind::Whole && source->pieces.front()->shape != shape;
    }
    return false;
  }

  void bind(Parameter& p, const WeightSource& source, bool is_turned, FrozenWeights frozen) {
    const StoredTensor& first = *source.pieces.front();
    const bool whole = source.kind == WeightSource::Kind::Whole;
    if (const DType blocks = detail::blocks_in(*p.record, first); is_blocks(blocks)) {
      if (!detail::accepts(frozen, blocks))
        throw ConfigError("weight-blocks", {{"tensor", p.name},
                                            {"expected", "numbers, to convert"},
                                            {"got", "blocks " + std::string(name_of(blocks))},
                                            {"try",
                                             "the folder that these blocks were made from, or take the "
                                             "weights as stored"}});
      return p.record->bind(first.bytes.data(), blocks);
    }
    p.record->turn(is_turned);
    if (const auto format = detail::blocks_format(frozen);
        format && p.record->allows(*format) && !p.trained) {
      if (!make_blocks(p, source, *format)) make_blocks(p, source, DType::Bf16Blocks);
      for (const StoredTensor* piece : source.pieces) forget_pages(piece->bytes);
      return;
    }
    if (whole && !p.trained) p.stored = &first;
    const bool as_stored =
        frozen != FrozenWeights::F32 && !read_in_f32(p) && source.kind != WeightSource::Kind::Still &&
        std::all_of(source.pieces.begin(), source.pieces.end(),
                    [&](const StoredTensor* piece) { return piece->dtype == first.dtype; });
    if (whole && !p.trained && first.aligned() && (first.dtype == DType::F32 || as_stored))
      return p.record->bind(first.bytes.data(), first.dtype);
    const DType format = p.trained || !as_stored ? DType::F32 : first.dtype;
    std::byte* to = p.trained ? reinterpret_cast<std::byte*>(p.value.data()) : own(p, format);
    assemble(p, source, format, to);
    for (const StoredTensor* piece : source.pieces) forget_pages(piece->bytes);
  }

  static void assemble(const Parameter& p, const WeightSource& source, DType format, std::byte* to) {
    const std::vector<Index>& shape = p.record->stored_shape();
    switch (source.kind) {
      case WeightSource::Kind::Whole:
      case WeightSource::Kind::Stacked:
        for (const StoredTensor* piece : source.pieces) {
          detail::copy_weights(*piece, format, to);
          to += piece->bytes.size() / size_of(piece->dtype) * size_of(format);
        }
        return;
      case WeightSource::Kind::Still:
        return detail::copy_still(*source.pieces.front(), shape[1], shape[2], shape[3],
                                  reinterpret_cast<float*>(to));
      case WeightSource::Kind::Experts: {
        const std::size_t halves = source.pieces.size() / static_cast<std::size_t>(shape[0]);
        const std::size_t matrix = static_cast<std::size_t>(shape[1] * shape[2]) * size_of(format);
        for (std::size_t i = 0; i < source.pieces.size(); ++i) {
          const std::size_t column = i % halves * static_cast<std::size_t>(shape[2]) / halves;
          detail::copy_turned(*source.pieces[i], format, to + i / halves * matrix + column * size_of(format),
                              shape[2]);
        }
        return;
      }
    }
  }

  std::vector<Parameter> parameters_;
  Index total_ = 0;
  std::size_t trained_floats_ = 0;
  Buffer<Cpu> values_, gradients_;
  std::vector<Buffer<Cpu>> owned_;
  std::vector<WeightIndex> indexes_;   // what parameters are bound to
  std::unique_ptr<Queue<Cpu>> queue_;  // makes blocks, while reading
};

}  // namespace vlm
