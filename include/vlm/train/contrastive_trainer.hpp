// ContrastiveTrainer<Stage>: gives a vision tower the pretrained state that S0 presumes, from pictures and their texts.
// A picture is the mean of the tower's rows; a text is the mean of the rows that a table has for its tokens. Only the
// tower is kept: out/model is the start with another tower. Resumes from its checkpoints as Trainer does.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <vlm/data/loader.hpp>
#include <vlm/io/safetensors.hpp>
#include <vlm/model/model.hpp>
#include <vlm/model/passes.hpp>
#include <vlm/train/sigmoid_contrastive.hpp>
#include <vlm/train/trainer.hpp>

namespace vlm {

// Ours, for towers that start from nothing; it is how SigLIP towers are trained.
struct Contrastive : Stage<"contrastive", Trainable<part::Encoder>, Context<8192>, Loss<SigmoidContrastive>> {
};

template <class S = Contrastive, class Spec = Qwen3VL>
class ContrastiveTrainer {
  static_assert(TrainingStage<S>,
                "vlm: the first argument of ContrastiveTrainer must derive from vlm::Stage<...>.");
  static_assert(std::is_same_v<typename S::LossKind, SigmoidContrastive>,
                "vlm: ContrastiveTrainer takes a stage with Loss<SigmoidContrastive>.");

 public:
  using Net = Model<Spec, Cpu, F32, typename S::Trains, typename S::KeepKind>;

  // Loads the start, or the newest checkpoint in `out`. Throws ConfigError where the recipe cannot be [recipe] or is not
  // that of the checkpoint [resume-recipe, resume-stage], FileError where the checkpoint is damaged [checkpoint] or
  // another run has `out` [folder-in-use], and what reading models and data throws. Of the recipe's parts, the encoder
  // is the tower, and the decoder the table of texts and the temperature.
  explicit ContrastiveTrainer(Recipe recipe)
      : recipe_(checked(std::move(recipe))),
        folder_(recipe_.out, recipe_.checkpoints_kept),
        resumed_(folder_.newest()),
        net_(first_network<Net>(recipe_, folder_, resumed_)),
        texts_(net_.config(), recipe_.seed),
        parameters_(joined(net_.parameters(), texts_.store.parameters())),
        processor_(Processor::load(recipe_.start, S::FormatKind::variant)),
        loader_(recipe_.data, processor_, loader_settings(recipe_, S::context)),
        optimizer_(parameters_, recipe_.adamw, recipe_.parts, recipe_.learning_rate),
        schedule_(rate_schedule(recipe_)),
        runtime_(recipe_.threads) {
    if (resumed_) restore(folder_.path(*resumed_));
    runtime_.plan([&] {
      optimizer_.gradient_norm(runtime_);
      optimizer_.update(runtime_, 1, 0, 0);
      optimizer_.value_norm(runtime_);
    });
  }

  Net& net() { return net_; }
  // All that learns: the tower, the table of texts and the temperature.
  std::vector<Parameter>& parameters() { return parameters_; }
  Index steps_done() const { return state_.step; }

  // One update; a step whose loss or gradient is not finite updates nothing and is reported as skipped. Throws DataError
  // for a sample without exactly one picture and a text [contrastive-sample], and where more such steps follow each other
  // than the recipe allows [diverged].
  Report step() {
    const auto start = std::chrono::steady_clock::now();
    loader_.next_step(batches_, S::LossKind::power);
    Report report = gradients(batches_);
    report.step = state_.step + 1;
    report.learning_rate = schedule_(report.step);
    report.left_out = loader_.cursor().bad_lines + loader_.cursor().too_long;
    state_.count_step(report, recipe_.skipped_in_a_row);
    if (!report.skipped)
      optimizer_.update(runtime_, state_.updates(), report.learning_rate, report.gradient_norm);
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
  }

  // Loss and gradients of the micro-batches of a step, without the update.
  Report gradients(const std::vector<Batch>& batches) {
    net_.zero_gradients();
    texts_.store.zero_gradients();
    Report report;
    for (const Batch& batch : batches) {
      collect(batch);
      make_room(batch);
      pass(batch, 1.0 / static_cast<double>(batches.size()), report.loss);
      report.tokens += batch.token_count();
      report.supervised += batch.sample_count();
    }
    report.gradient_norm = optimizer_.gradient_norm(runtime_);
    return report;
  }

  // Runs to the last step and writes out/model; on ctrl-C before that writes a checkpoint. Interrupted after any ctrl-C.
  RunEnd run() {
    Progress progress(S::stage_name.view(), recipe_.steps, recipe_.report_every, recipe_.quiet);
    return run_steps(
        recipe_, state_, progress, [&] { return step(); }, [&] { save_checkpoint(); },
        [&](const std::string& path) { save_model(path); });
  }

  // Tower, texts, optimizer, data cursor and step in out/checkpoint-<step>.
  void save_checkpoint() {
    folder_.write(state_.step, [&](const std::string& path) {
      save_model(path);
      texts_.write(path + "/contrastive.safetensors");
      optimizer_.write(path + "/optimizer.safetensors");
      write_run_state(path, S::stage_name.view(), state_, recipe_, loader_);
    });
  }

 private:
  using Rows = typename Net::Rows;

  // The text side: a row for each token of the vocabulary, and the temperature.
  struct Texts {
    using E = Env<Cpu, F32, Trained>;

    Texts(const ModelConfig& config, std::uint64_t seed)
        : table(Shape<2>{{config.text.vocabulary, config.vision.features}}), temperature(Shape<1>{{2}}) {
      store.add("contrastive.texts", table, true);
      store.add("contrastive.temperature", temperature, true);
      store.allocate_trained();
      store.initialise_values(seed, 1.0f, [](std::string_view) { return true; });
      const SigmoidContrastive::Temperature first;
      store.parameters()[1].value[0] = first.log_scale;
      store.parameters()[1].value[1] = first.bias;
    }
    Texts(const Texts&) = delete;
    Texts& operator=(const Texts&) = delete;

    void write(const std::string& path) const {
      SafetensorsWriter writer(path);
      for (const Parameter& p : store.parameters()) writer.declare(p.name, DType::F32, {p.count});
      for (const Parameter& p : store.parameters()) writer.write(p.name, std::as_bytes(p.value));
      writer.commit();
    }
    void read(const std::string& path) {
      const SafetensorsFile file(path);
      for (Parameter& p : store.parameters())
        detail::read_saved_values(file, path, p.name, p.value, "contrastive-state");
    }

    Param<E, 2> table;
    Param<E, 1> temperature;
    ParameterStore store;
  };

  static Recipe checked(Recipe recipe) {
    check_recipe(recipe);
    if (!recipe.validation.empty())
      throw ConfigError("recipe", {{"setting", "validation"},
                                   {"expected", "none: a contrastive stage has no score of its own"},
                                   {"got", recipe.validation},
                                   {"try", "the scores of the stages that follow"}});
    return recipe;
  }
  void save_model(const std::string& path) {
    state_.check_values(optimizer_.value_norm(runtime_));
    net_.save(path);
    copy_companions(recipe_.start, path);
  }
  void restore(const std::string& path) {
    state_ = read_run_state(path, S::stage_name.view(), recipe_, loader_);
    texts_.read(path + "/contrastive.safetensors");
    optimizer_.read(path + "/optimizer.safetensors");
  }

  static std::vector<Parameter> joined(const std::vector<Parameter>& a, const std::vector<Parameter>& b) {
    std::vector<Parameter> all = a;
    all.insert(all.end(), b.begin(), b.end());
    return all;
  }

  // Gathers the distinct texts of a batch, and which of them each picture has.
  void collect(const Batch& batch) {
    numbers_.clear();
    text_of_.clear();
    detail::for_each_sample(batch, [&](std::size_t first, Index count) {
      const auto begin = batch.targets.begin() + static_cast<std::ptrdiff_t>(first);
      const auto next = static_cast<std::int32_t>(numbers_.size());
      text_of_.push_back(numbers_.try_emplace({begin, begin + count}, next).first->second);
    });
    const bool texts_missing = numbers_.contains({});
    if (pictures_are_paired(batch) && !texts_missing) return;
    throw DataError("contrastive-sample",
                    {{"expected", "samples of one picture and its text"},
                     {"got", std::to_string(batch.tables.offsets.size() - 1) + " pictures in " +
                                 std::to_string(batch.sample_count()) + " samples, " +
                                 (texts_missing ? "some without a text" : "not one in each")},
                     {"try", "conversations of one image and one answer"}});
  }
  // Whether sample i holds the rows of picture i and no others.
  bool pictures_are_paired(const Batch& batch) const {
    const std::vector<std::int32_t>&pictures = batch.tables.offsets, &samples = batch.offsets;
    if (pictures.size() != samples.size()) return false;
    const std::int32_t window =
        static_cast<std::int32_t>(net_.config().vision.merge_size * net_.config().vision.merge_size);
    std::size_t row = 0;
    for (std::size_t i = 0; i + 1 < samples.size(); ++i)
      for (std::int32_t rows = (pictures[i + 1] - pictures[i]) / window; rows > 0; --rows, ++row)
        if (batch.visual_places[row] < samples[i] || batch.visual_places[row] >= samples[i + 1]) return false;
    return true;
  }

  void make_room(const Batch& batch) {
    const BatchSizes sizes = BatchSizes::of(batch);
    if (planned_.covers(sizes)) return;
    planned_ = planned_.merged(sizes);
    const Index merge = net_.config().vision.merge_size;
    const Batch bound = planned_.outline(merge * merge);
    double loss = 0;
    runtime_.plan([&] { pass(bound, 1, loss); });
  }

  void pass(const Batch& batch, double weight, double& loss) {
    const auto given_back = runtime_.scope();
    const Index features = net_.config().vision.features;
    const Rows encoded = runtime_.template keep<float>(batch.patch_count(), features);
    typename Net::Saved saved;
    net_.encode_patches(runtime_, batch, encoded, saved);
    const Rows dencoded = runtime_.template scratch<float>(batch.patch_count(), features);
    if (!runtime_.measuring()) loss += contrast(batch, encoded, weight, dencoded);
    net_.encode_patches_backward(runtime_, batch, saved, dencoded);
  }

  double contrast(const Batch& batch, Rows encoded, double weight, Rows dencoded) {
    const auto width = static_cast<std::size_t>(net_.config().vision.features);
    pictures_.assign(text_of_.size() * width, 0);
    dpictures_.resize(pictures_.size());
    texts_rows_.assign(numbers_.size() * width, 0);
    dtexts_.resize(texts_rows_.size());
    const auto add = [width](const float* from, float factor, float* to) {
      for (std::size_t j = 0; j < width; ++j) to[j] += factor * from[j];
    };
    const auto each_patch = [&](auto&& f) {  // f(patch, picture, 1 / the picture's patches)
      for (std::size_t i = 0; i < text_of_.size(); ++i) {
        const Index begin = batch.tables.offsets[i], end = batch.tables.offsets[i + 1];
        for (Index patch = begin; patch < end; ++patch)
          f(static_cast<std::size_t>(patch), i, 1.0f / static_cast<float>(end - begin));
      }
    };
    const auto each_token = [&](auto&& f) {  // f(token, text, 1 / the text's tokens)
      for (const auto& [tokens, number] : numbers_)
        for (const std::int32_t token : tokens)
          f(static_cast<std::size_t>(token), static_cast<std::size_t>(number),
            1.0f / static_cast<float>(tokens.size()));
    };
    Parameter& table = texts_.store.parameters()[0];
    each_patch([&](std::size_t patch, std::size_t i, float share) {
      add(encoded.data + patch * width, share, pictures_.data() + i * width);
    });
    each_token([&](std::size_t token, std::size_t k, float share) {
      add(table.value.data() + token * width, share, texts_rows_.data() + k * width);
    });
    Parameter& learned = texts_.store.parameters()[1];
    const SigmoidContrastive::Temperature temperature{learned.value[0], learned.value[1]};
    SigmoidContrastive::Temperature gradient{0, 0};
    const double loss = loss_(static_cast<Index>(width), pictures_, texts_rows_, text_of_, temperature,
                              weight, dpictures_, dtexts_, gradient);
    std::fill_n(dencoded.data, dencoded.count(), 0.0f);
    each_patch([&](std::size_t patch, std::size_t i, float share) {
      add(dpictures_.data() + i * width, share, dencoded.data + patch * width);
    });
    each_token([&](std::size_t token, std::size_t k, float share) {
      add(dtexts_.data() + k * width, share, table.gradient.data() + token * width);
    });
    learned.gradient[0] += gradient.log_scale;
    learned.gradient[1] += gradient.bias;
    return loss;
  }

  Recipe recipe_;
  CheckpointFolder folder_;
  std::optional<Index> resumed_;
  Net net_;
  Texts texts_;
  std::vector<Parameter> parameters_;
  Processor processor_;
  Loader loader_;
  AdamWOptimizer optimizer_;
  Schedule schedule_;
  Runtime<Cpu> runtime_;
  SigmoidContrastive loss_;
  std::vector<Batch> batches_;
  BatchSizes planned_;
  std::map<std::vector<std::int32_t>, std::int32_t> numbers_;  // of the distinct texts of a batch
  std::vector<std::int32_t> text_of_;
  std::vector<float> pictures_, dpictures_, texts_rows_, dtexts_;
  RunState state_;
};

}  // namespace vlm
