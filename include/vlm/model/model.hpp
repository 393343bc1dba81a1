// Model<Spec, Device, Precision, Trains>: a network with its parameters, and the one place where
// modalities meet: visual rows take their places among the text rows, DeepStack rows are added after
// the first decoder blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <vlm/model/batch.hpp>
#include <vlm/model/load.hpp>
#include <vlm/model/network.hpp>
#include <vlm/model/part_layers.hpp>
#include <vlm/model/parts.hpp>
#include <vlm/model/spec.hpp>
#include <vlm/ops/rows.hpp>

namespace vlm {

namespace detail {

// Host numbers as the device reads them.
template <class Device, class T>
View<const T, 1, Device> on_device(const std::vector<T>& values) {
  static_assert(std::is_same_v<Device, Cpu>,
                "vlm: batches are read by the CPU; no other device is built in yet.");
  return {values.data(), Shape<1>{{static_cast<Index>(values.size())}}};
}
template <class Device, class T>
View<const T, 2, Device> on_device(const std::vector<T>& values, Index rows) {
  return {values.data(), Shape<2>{{rows, rows > 0 ? static_cast<Index>(values.size()) / rows : 0}}};
}

}  // namespace detail

template <class Spec, class DeviceT, class Precision = F32, class Trains = Trainable<>,
          class Keep = Everything>
class Model {
  static_assert(std::is_same_v<DeviceT, Cpu>,
                "vlm: Model has operations for the Cpu only so far; write Model<Spec, vlm::Cpu>.");
  static_assert(std::is_same_v<Precision, F32>,
                "vlm: Model computes with F32 activations only so far; weights may be bf16 in the file.");

 public:
  using Device = DeviceT;
  using T = typename Precision::Storage;
  using Set = typename detail::FlattenTrainable<Trains>::Type;
  template <class Part>
  static constexpr bool trains = Set::template has<Part>;
  static constexpr int deepstack_taps = Spec::taps;
  static constexpr bool trains_vision = trains<part::Encoder> || trains<part::Merger>;

  using EncoderEnv = Env<Device, Precision, detail::ModeOf<trains<part::Encoder>, false>, Keep>;
  using MergerEnv = Env<Device, Precision, detail::ModeOf<trains<part::Merger>, trains<part::Encoder>>, Keep>;
  using DecoderEnv = Env<Device, Precision, detail::ModeOf<trains<part::Decoder>, trains_vision>, Keep>;
  using HeadEnv = Env<Device, Precision,
                      detail::ModeOf<trains<part::Head>, trains_vision || trains<part::Decoder>>, Keep>;

  using Net = Network<Spec, EncoderEnv, MergerEnv, DecoderEnv, HeadEnv>;
  using EncoderLayer = typename Net::EncoderLayer;
  using MergerLayers = typename Net::MergerLayers;
  using DecoderLayer = typename Net::DecoderLayer;
  using RopeKind = typename Spec::RopeSpec::RopeKind;
  using MainMerging = typename MergerLayers::Main;
  using TapMerging = typename MergerLayers::Tap;
  static_assert(
      detail::LayerOfPart<part::Encoder, EncoderLayer, EncoderForward<EncoderLayer, EncoderEnv>>::value);
  static_assert(detail::LayerOfPart<part::Merger, MainMerging, Layer<MainMerging, MergerEnv>>::value);
  static_assert(detail::LayerOfPart<part::Merger, TapMerging, Layer<TapMerging, MergerEnv>>::value);
  static_assert(
      detail::LayerOfPart<part::Decoder, DecoderLayer, DecoderForward<DecoderLayer, DecoderEnv>>::value);
  static_assert(detail::TrainedPart<part::Encoder, EncoderLayer, EncoderEnv::passes,
                                    EncoderBackward<EncoderLayer, EncoderEnv>>::value);
  static_assert(detail::TrainedPart<part::Merger, MainMerging, MergerEnv::passes,
                                    Backward<MainMerging, MergerEnv>>::value);
  static_assert(detail::TrainedPart<part::Merger, TapMerging, MergerEnv::passes,
                                    Backward<TapMerging, MergerEnv>>::value);
  static_assert(detail::TrainedPart<part::Decoder, DecoderLayer, DecoderEnv::passes,
                                    DecoderBackward<DecoderLayer, DecoderEnv>>::value);
  using Rows = View<T, 2, Device>;

  // What a forward keeps for the backward of the same batch.
  struct Saved {
    typename EncoderLayer::Saved encoder;
    typename MergerLayers::Main::Saved merger;
    typename MergerLayers::Tap::Saved* taps = nullptr;
    typename DecoderLayer::Saved decoder;
    Rows encoded;  // [patches, vision features]
  };

  // Reads an unmodified Hugging Face folder. Where it stores no head, the token table serves as one, whatever
  // the flag says: such checkpoints exist. Throws ConfigError where config.json contradicts itself or the type
  // [config-type], FileError where a file is damaged or the tensors are not those of the model [weights].
  // Memory: what is not mapped from the files, and at most one tensor more.
  // Weights in blocks are for answering: with a part that trains, asking for them throws ConfigError [weight-blocks].
  static Model load(const std::string& folder, FrozenWeights frozen = FrozenWeights::Stored) {
    constexpr bool learns = trains_vision || trains<part::Decoder> || trains<part::Head>;
    if (learns && detail::blocks_format(frozen))
      throw ConfigError("weight-blocks", {{"folder", folder},
                                          {"expected", "a model type without trained parts"},
                                          {"got", "one that trains"},
                                          {"try", "Model<Spec, Device>, or FrozenWeights::Stored"}});
    ModelConfig config = ModelConfig::load(folder);
    WeightIndex weights{SafetensorsFolder(folder)};
    config.tied = config.tied || !weights.find("lm_head.weight");
    Model model(config);
    model.allocate_trained();
    model.parts_->store.read(std::move(weights), folder, config.tied, frozen, all_names);
    return model;
  }
  // A new model: parameters drawn from the seed and their names. Throws ConfigError [config-type].
  static Model make(const ModelConfig& config, std::uint64_t seed) {
    Model model(config);
    model.allocate_trained();
    model.parts_->store.initialise_values(seed, config.initial_deviation, all_names);
    return model;
  }

  // A model whose encoder and text stream are read, each from an index and its folder, and whose mergers are drawn from
  // the seed. See assemble.hpp. Throws as load does.
  static Model assemble(const ModelConfig& config, WeightIndex encoder, const std::string& encoder_folder,
                        WeightIndex decoder, const std::string& decoder_folder, std::uint64_t seed) {
    Model model(config);
    model.allocate_trained();
    ParameterStore& store = model.parts_->store;
    store.read(std::move(encoder), encoder_folder, false, FrozenWeights::Stored, detail::in_encoder);
    store.read(std::move(decoder), decoder_folder, config.tied, FrozenWeights::Stored, detail::in_text);
    store.initialise_values(seed, config.initial_deviation, detail::in_merger);
    return model;
  }
  // A model without memory for its parameters: it can be walked, and its passes measured, and nothing else. Throws
  // ConfigError [config-type].
  static Model outline(const ModelConfig& config) {
    Model model(config);
    model.parts_->store.imagine(config.dtype);
    model.bind_gradients();
    return model;
  }
  // Throws ConfigError [config-type] where the configuration is not that of this type, both values in the message.
  static void require_fit(const ModelConfig& config) {
    const auto refuse = [](const char* where, std::string expected, std::string got) {
      throw ConfigError("config-type", {{"at", where},
                                        {"expected", std::move(expected)},
                                        {"got", std::move(got)},
                                        {"try", "a model type that fits config.json"}});
    };
    if (config.vision.taps.size() != static_cast<std::size_t>(Spec::taps))
      refuse("vision_config.deepstack_visual_indexes",
             "DeepStack<" + std::to_string(Spec::taps) + "> as in the type",
             std::to_string(config.vision.taps.size()) + " taps");
    if (Spec::taps > config.text.layers)
      refuse("text_config.num_hidden_layers",
             "at least one block for each of " + std::to_string(Spec::taps) + " taps",
             std::to_string(config.text.layers));
    if (const std::optional<bool>& turns = config.text.rope_interleaved) {
      if (*turns && std::is_same_v<RopeKind, SectionedM>)
        refuse("mrope_interleaved", "false, as the type has Rope<SectionedM>", "true");
      if (!*turns && std::is_same_v<RopeKind, InterleavedM>)
        refuse("mrope_interleaved", "true, as the type has Rope<InterleavedM>", "false");
    }
    if (Spec::sparse != (config.text.experts > 0))
      refuse("text_config",
             Spec::sparse ? "num_experts, as the type has Decoder<..., MoE>"
                          : "no num_experts, as the type has Decoder<..., Dense>",
             Spec::sparse ? "a dense decoder" : std::to_string(config.text.experts) + " experts");
    if (config.tied && trains<part::Head> && !trains<part::Decoder>)
      refuse("tie_word_embeddings", "part::Decoder among the trained parts, as it holds the tied head",
             "part::Head without it");
  }

  // Writes config.json and model.safetensors; each file appears whole or not at all. Tensors that no training has
  // touched go back byte for byte, and others in f32; with `dtype`, F32 or BF16, all are written in that format.
  void save(const std::string& folder, std::optional<DType> dtype = std::nullopt) const {
    parts_->store.write(folder + "/model.safetensors", dtype);
    write_file_atomically(folder + "/config.json",
                          dtype ? detail::with_dtype(config(), *dtype) : config().text_of_file);
  }

  const ModelConfig& config() const { return parts_->config; }
  const std::vector<Parameter>& parameters() const { return parts_->store.parameters(); }
  std::vector<Parameter>& parameters() { return parts_->store.parameters(); }
  void zero_gradients() { parts_->store.zero_gradients(); }
  std::size_t gradient_bytes() const { return parts_->store.gradient_bytes(); }
  std::size_t weight_bytes() const { return parts_->store.weight_bytes(); }
  // The output matrix and its gradient (empty unless trained): the token table when tied.
  Matrix<Device> head() const {
    return config().tied ? parts_->decoder.embed_tokens.weight.matrix() : parts_->head.weight.matrix();
  }
  View<float, 2, Device> head_gradient() const {
    return config().tied ? parts_->decoder.embed_tokens.weight.gradient() : parts_->head.weight.gradient();
  }
  Index features() const { return config().text.features; }

  // Rotary tables of the text stream; they live with the caller, whose memory is used again.
  struct RopeTables {
    std::vector<std::int32_t> positions;  // [3, tokens]
    std::vector<float> cosine, sine;      // [tokens, head_dim / 2]
  };
  void fill_rope(std::span<const std::int32_t> positions, RopeTables& tables) const {
    const std::optional<Yarn>& yarn = config().text.yarn;
    fill_rope_tables<RopeKind>(positions, parts_->frequencies, config().text.rope_section, tables.cosine,
                               tables.sine, yarn ? yarn->attention_scale() : 1.0f);
  }
  // The text stream of a batch without a cache, as training reads it.
  Sequences<Device> text_sequences(const Batch& batch, RopeTables& tables) const {
    tables.positions.clear();
    for (const auto& axis : batch.axes)
      tables.positions.insert(tables.positions.end(), axis.begin(), axis.end());
    fill_rope(tables.positions, tables);
    return {.query_offsets = detail::on_device<Device>(batch.offsets),
            .cosine = detail::on_device<Device>(tables.cosine, batch.token_count()),
            .sine = detail::on_device<Device>(tables.sine, batch.token_count())};
  }

  // Pixels to rows of visual tokens, [visual tokens, features]: the main merger's into `visual`, each tap's into its own.
  void encode(Runtime<Device>& s, const Batch& batch, Rows visual, Rows* taps, Saved& saved) const {
    const bool keeping = MergerEnv::passes && s.keeping();
    std::optional<typename Runtime<Device>::Scope> given_back;
    if (!keeping) given_back.emplace(s);
    const Rows encoded = s.template keep<T>(batch.patch_count(), config().vision.features);
    saved.encoded = encoded;
    saved.taps = s.template records<typename MergerLayers::Tap::Saved>(Spec::taps);
    s.sequences() = vision_sequences(batch);
    parts_->encoder.forward(s, vision_inputs(batch), encoded, saved.encoder, [&](Index block, Rows rows) {
      s.observe("visual.blocks", block, rows);
      const int j = tap_after(block);
      if (j < 0) return;
      if (keeping && !EncoderEnv::passes) {  // a frozen tower's rows are overwritten by its next blocks
        const Rows copy = s.template keep<T>(rows.rows(), rows.extent[1]);
        s.run(Copy<Device, T>{.into = copy, .from = rows});
        rows = copy;
      }
      parts_->mergers.taps[static_cast<std::size_t>(j)].forward(s, rows, taps[j], saved.taps[j]);
      s.observe("visual.deepstack", j, taps[j]);
    });
    parts_->mergers.main.forward(s, encoded, visual, saved.merger);
    s.observe("visual.merger", -1, visual);
  }

  // The tower alone, as a stage trains it that has no use for mergers: pixels to [patches, vision features].
  void encode_patches(Runtime<Device>& s, const Batch& batch, Rows encoded, Saved& saved) const {
    s.sequences() = vision_sequences(batch);
    parts_->encoder.forward(s, vision_inputs(batch), encoded, saved.encoder, [](Index, Rows) {});
  }
  void encode_patches_backward(Runtime<Device>& s, const Batch& batch, const Saved& saved,
                               Rows dencoded) const {
    static_assert(trains<part::Encoder>,
                  "vlm: the tower's backward needs part::Encoder among the trained parts.");
    s.sequences() = vision_sequences(batch);
    parts_->encoder.backward(s, vision_inputs(batch), saved.encoder, dencoded, [](Index, Rows) {});
  }

  // Hidden rows after the last norm, [tokens, features]. `text` describes the rows of the text stream:
  // borders, rotary tables and, when answering, the cache. An observer of the runtime sees, in this order:
  //   visual.patch_embed, visual.embeddings (with position rows), visual.blocks   [patches, vision features]
  //   visual.deepstack (each after its block), visual.merger                      [visual tokens, features]
  //   text.embeddings (visual rows in place), text.layers (DeepStack rows added), text.norm
  void forward(Runtime<Device>& s, const Batch& batch, const Sequences<Device>& text, Rows hidden,
               Saved& saved) const {
    const Index places = static_cast<Index>(batch.visual_places.size());
    Rows visual, taps[Spec::taps + 1];
    if (places > 0) {
      const Index merge = config().vision.merge_size;
      const Index merged = batch.visual_rows.empty() ? places : batch.patch_count() / (merge * merge);
      visual = s.template keep<T>(merged, features());
      for (int j = 0; j < Spec::taps; ++j) taps[j] = s.template keep<T>(merged, features());
      encode(s, batch, visual, taps, saved);
      if (!batch.visual_rows.empty()) {
        visual = wanted_rows(s, batch, visual);
        for (int j = 0; j < Spec::taps; ++j) taps[j] = wanted_rows(s, batch, taps[j]);
      }
    }
    forward_encoded(s, batch, text, visual, taps, hidden, saved);
  }

  // The same with pictures that are encoded: rows for the visual places of the batch, in their order, of the main
  // merger and of each tap. Neither patches nor their tables are read.
  void forward_encoded(Runtime<Device>& s, const Batch& batch, const Sequences<Device>& text,
                       View<const T, 2, Device> visual, const Rows* taps, Rows hidden, Saved& saved) const {
    const Rows embedded = embed(s, batch, text, visual);
    parts_->decoder.forward(s, embedded, hidden, saved.decoder, text_hook(s, batch, taps));
    s.observe("text.norm", -1, hidden);
  }
  // The last hidden.rows() of those rows, of a batch of one sequence, while nothing is kept for a backward: 0 where only the
  // cells are wanted. An observer sees no other rows of the last layer.
  void forward_last(Runtime<Device>& s, const Batch& batch, const Sequences<Device>& text,
                    View<const T, 2, Device> visual, const Rows* taps, Rows hidden) const {
    const Rows embedded = embed(s, batch, text, visual);
    const auto hook = text_hook(s, batch, taps);
    if constexpr (requires { parts_->decoder.forward_last(s, embedded, hidden, hook); })
      if (config().text.layers > Spec::taps) {  // else the last layer's rows get rows of a tap
        parts_->decoder.forward_last(s, embedded, hidden, hook);
        return s.observe("text.norm", -1, hidden);
      }
    const Rows all = s.template keep<T>(batch.token_count(), features());
    Saved saved;
    parts_->decoder.forward(s, embedded, all, saved.decoder, hook);
    s.run(Copy<Device, T>{.into = hidden, .from = last_rows(all, hidden.rows())});
    s.observe("text.norm", -1, hidden);
  }

  // Adds to the gradients of trained parameters; reads what `forward` kept. Stops at
  // the earliest trained part.
  void backward(Runtime<Device>& s, const Batch& batch, const Sequences<Device>& text, const Saved& saved,
                View<const T, 2, Device> dhidden) const {
    static_assert(HeadEnv::passes, "vlm: backward needs a part that trains, as in Trainable<part::Merger>.");
    if (!batch.visual_rows.empty())
      throw ShapeError("chunk-backward", {{"expected", "a batch of whole pictures"},
                                          {"got", "a chunk that begins or ends inside a picture"},
                                          {"try", "train on whole samples; chunks are for prefill"}});
    if constexpr (DecoderEnv::passes) {  // else only the head learns, whose gradient is the loss's
      const auto given_back = s.scope();
      const Index places = static_cast<Index>(batch.visual_places.size());
      const auto at = detail::on_device<Device>(batch.visual_places);
      Rows dvisual, dtaps[Spec::taps + 1];
      if (places > 0 && trains_vision) {
        dvisual = s.template scratch<T>(places, features());
        for (int j = 0; j < Spec::taps; ++j) dtaps[j] = s.template scratch<T>(places, features());
      }
      const Rows dembedded = s.template scratch<T>(batch.token_count(), features());
      s.sequences() = text;
      parts_->decoder.backward(s, saved.decoder, dhidden, dembedded, [&](Index block, Rows gradient) {
        if (places > 0 && trains_vision && block < Spec::taps)
          s.run(TakeRows<Device, T>{.into = dtaps[block], .at = at, .from = gradient});
      });
      if (places > 0) {
        if constexpr (trains_vision) s.run(TakeRows<Device, T>{.into = dvisual, .at = at, .from = dembedded});
        s.run(ZeroRows<Device, T>{.into = dembedded, .at = at});
      }
      parts_->decoder.embed_tokens.backward(s, detail::on_device<Device>(batch.tokens), dembedded);
      if constexpr (trains_vision)
        if (places > 0) encode_backward(s, batch, saved, dvisual, dtaps);
    }
  }

 private:
  struct Parts : Net {
    explicit Parts(const ModelConfig& c)
        : Net(c), config(c), frequencies(rope_frequencies<RopeKind>(c.text.rope_theta, c.text.head_dim)) {
      if (c.text.yarn) stretch_frequencies(frequencies, c.text.rope_theta, c.text.head_dim, *c.text.yarn);
    }

    ModelConfig config;
    ParameterStore store;
    std::vector<float> frequencies;
  };

  static constexpr auto all_names = [](std::string_view) { return true; };

  // Rows of the tokens with visual rows in place; the runtime is told of the sequences.
  Rows embed(Runtime<Device>& s, const Batch& batch, const Sequences<Device>& text,
             View<const T, 2, Device> visual) const {
    const Rows embedded = s.template keep<T>(batch.token_count(), features());
    parts_->decoder.embed_tokens.forward(s, detail::on_device<Device>(batch.tokens), embedded);
    if (!batch.visual_places.empty())
      s.run(PlaceRows<Device, T>{
          .into = embedded, .at = detail::on_device<Device>(batch.visual_places), .from = visual});
    s.observe("text.embeddings", -1, embedded);
    s.sequences() = text;
    return embedded;
  }
  // What happens after each block of the text stream: DeepStack.
  static auto text_hook(Runtime<Device>& s, const Batch& batch, const Rows* taps) {
    return [&s, &batch, taps](Index block, Rows rows) {
      if (!batch.visual_places.empty() && block < Spec::taps)
        s.run(AddRows<Device, T>{
            .into = rows, .at = detail::on_device<Device>(batch.visual_places), .from = taps[block]});
      s.observe("text.layers", block, rows);
    };
  }

  explicit Model(const ModelConfig& config) {
    require_fit(config);
    parts_ = std::make_unique<Parts>(config);
    ParameterStore& store = parts_->store;
    parts_->walk_parameters([&](const std::string& name, auto& param) {
      if (detail::in_merger(name)) param.allow_blocks(std::min(param.allowed_blocks(), BlockFormats::Bf16));
      store.add(name, param, std::remove_reference_t<decltype(param)>::trained);
    });
  }
  void allocate_trained() {
    parts_->store.allocate_trained();
    bind_gradients();
  }
  void bind_gradients() {
    std::size_t next = 0;
    parts_->walk_parameters([&](const std::string&, auto& param) {
      if constexpr (std::remove_reference_t<decltype(param)>::trained)
        param.bind_gradient(parts_->store.parameters()[next].gradient.data());
      ++next;
    });
  }

  Sequences<Device> vision_sequences(const Batch& batch) const {
    return {.query_offsets = detail::on_device<Device>(batch.tables.offsets),
            .cosine = detail::on_device<Device>(batch.tables.cosine, batch.patch_count()),
            .sine = detail::on_device<Device>(batch.tables.sine, batch.patch_count()),
            .causal = false};
  }
  VisionInputs<Device, T> vision_inputs(const Batch& batch) const {
    // A batch that is only measured has no patches; their rows still have a width.
    const Shape<2> patches{{batch.patch_count(), config().vision.patch_features()}};
    return {.patches = {detail::on_device<Device>(batch.patches).data, patches},
            .corners = detail::on_device<Device>(batch.tables.corners, batch.patch_count()),
            .weights = detail::on_device<Device>(batch.tables.weights, batch.patch_count())};
  }
  // Which tap reads the output of this encoder block, or -1.
  int tap_after(Index block) const {
    for (int j = 0; j < Spec::taps; ++j)
      if (config().vision.taps[static_cast<std::size_t>(j)] == block) return j;
    return -1;
  }

  // The merged rows that the visual places of a chunk take.
  Rows wanted_rows(Runtime<Device>& s, const Batch& batch, Rows merged) const {
    const Rows rows = s.template keep<T>(static_cast<Index>(batch.visual_rows.size()), features());
    s.run(TakeRows<Device, T>{
        .into = rows, .at = detail::on_device<Device>(batch.visual_rows), .from = merged});
    return rows;
  }

  void encode_backward(Runtime<Device>& s, const Batch& batch, const Saved& saved, Rows dvisual,
                       Rows* dtaps) const {
    s.sequences() = vision_sequences(batch);
    if constexpr (trains<part::Encoder>) {
      const Rows dencoded = s.template scratch<T>(saved.encoded.rows(), saved.encoded.extent[1]);
      parts_->mergers.main.backward(s, saved.merger, dvisual, dencoded);
      parts_->encoder.backward(
          s, vision_inputs(batch), saved.encoder, dencoded, [&](Index block, Rows gradient) {
            const int j = tap_after(block);
            if (j < 0) return;
            const auto scope = s.scope();
            const Rows dtapped = s.template scratch<T>(gradient.rows(), gradient.extent[1]);
            parts_->mergers.taps[static_cast<std::size_t>(j)].backward(s, saved.taps[j], dtaps[j], dtapped);
            s.run(Add<Device, T>{.into = gradient, .a = gradient, .b = dtapped});
          });
    } else {
      parts_->mergers.main.backward(s, saved.merger, dvisual, nothing);
      for (int j = 0; j < Spec::taps; ++j)
        parts_->mergers.taps[static_cast<std::size_t>(j)].backward(s, saved.taps[j], dtaps[j], nothing);
    }
  }

  std::unique_ptr<Parts> parts_;
};

}  // namespace vlm
