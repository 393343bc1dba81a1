// Session<Net>: one sequence that grows. A prompt passes in chunks, but for what the cells hold already, from the
// prompt before or in the shared cache; then tokens are added one by one. The logits after the last token hang on the
// tokens and pictures alone, bit for bit: not on chunks, nor on what was kept, shared or loaded, but for a saved cache of
// another kind of processor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/infer/model_identity.hpp>
#include <vlm/infer/prefix_cache.hpp>
#include <vlm/infer/prompt.hpp>
#include <vlm/model/batch.hpp>
#include <vlm/model/passes.hpp>
#include <vlm/ops/matmul.hpp>
#include <vlm/ops/sample.hpp>

namespace vlm {

struct SessionSettings {
  int threads = 0;                       // 0: one for each processor; each session has threads of its own
  CellFormat cells = CellFormat::F32;    // BF16 takes half the memory of F32, I8 about a quarter
  Index chunk_tokens = 512;              // of a prompt that pass at once
  Index tower_patches = 4096;            // that the tower takes at once; a larger image passes alone
  std::shared_ptr<PrefixCache> cache{};  // shared with other sessions of the model; else one of its own
};

struct PrefillCounts {
  Index reused = 0, passed = 0;  // tokens
  Index encoded = 0;             // pictures; others were known, or not needed
};

// Net is any Model; it is only read, so that many sessions, each used by one thread at a time, may share it.
template <class Net>
class Session {
 public:
  using Device = typename Net::Device;
  using T = typename Net::T;

  // Of the tokens to come, cells are reserved for so many; more are made room for when they come.
  static constexpr Index most_reserved = Index{1} << 18;

  // Throws ConfigError [session-settings], [cache-model]. The net must outlive the session.
  Session(const Net& net, const SessionSettings& settings)
      : net_(&net),
        settings_(settings),
        runtime_(settings.threads),
        cache_(settings.cache ? settings.cache : std::make_shared<PrefixCache>()),
        logits_(static_cast<std::size_t>(net.config().text.vocabulary)) {
    if (settings.chunk_tokens < 1 || settings.tower_patches < 1)
      throw ConfigError("session-settings", {{"expected", "chunk_tokens and tower_patches of at least 1"},
                                             {"got", std::to_string(settings.chunk_tokens) + " and " +
                                                         std::to_string(settings.tower_patches)},
                                             {"try", "the values that SessionSettings begins with"}});
    runtime_.keep_activations(false);
    const TextSizes& text = net.config().text;
    pages_view_.format = settings.cells;
    pages_view_.heads = text.kv_heads;
    pages_view_.head_dim = text.head_dim;
    page_bytes_ = pages_view_.page_bytes(text.layers);
    cache_->bind({.model = model_identity(net),
                  .format = settings.cells,
                  .page_bytes = page_bytes_,
                  .picture_features = picture_features()});
  }

  Session(const Net&&, const SessionSettings&) = delete;  // a net that is gone with the statement

  const Net& net() const { return *net_; }
  Runtime<Device>& runtime() { return runtime_; }
  PrefixCache& cache() { return *cache_; }
  // Cells in use; each token has one.
  Index length() const { return static_cast<Index>(cells_.size()); }
  std::span<const Cell> cells() const { return cells_; }
  // Logits after the last token, [1, vocabulary].
  View<T, 2, Device> logits() { return {logits_.data(), Shape<2>{{1, net_->config().text.vocabulary}}}; }
  // Bytes of the cells of so many tokens.
  std::size_t cell_bytes(Index tokens) const {
    return static_cast<std::size_t>((tokens + CellPages<Device>::cells - 1) / CellPages<Device>::cells) *
           page_bytes_;
  }

  // How many tokens of a prompt need not pass.
  Index reusable(const PromptLayout& layout) {
    const Index known = static_cast<Index>(cache_->find(layout.cells).size()) * CellPages<Device>::cells;
    return std::min(static_cast<Index>(layout.cells.size()) - 1, std::max(kept(layout), known));
  }

  // Makes the sequence that of the prompt, with room for `growth` more tokens. Where `stop` asks for it, the rest of the
  // prompt is left out between two chunks, pictures or steps of a clip, and false returned: then there are no logits.
  // Errors are those of lay_out.
  bool prefill(const Prompt& prompt, Index growth, const std::stop_token& stop = {}) {
    const PromptLayout layout = lay_out(prompt, net_->config());
    const Index tokens = static_cast<Index>(layout.cells.size());
    NumberedPicture encoded;
    counts_ = {};
    next_position_ = -1;  // until all has passed
    adopt(layout);
    reserve(tokens + std::min(growth, most_reserved));
    for (Index begin = length(); begin < tokens;) {
      if (stop.stop_requested()) return false;
      const Index end = std::min(begin + settings_.chunk_tokens, tokens);
      if (!gather_pictures(prompt, layout, begin, end, stop, encoded)) return false;
      pass_chunk(prompt, layout, begin, end, end == tokens);
      begin = end;
    }
    share();
    next_position_ = layout.next_position;
    return true;
  }
  // Of the last prefill.
  const PrefillCounts& counts() const { return counts_; }

  // Adds a token; a step after the first allocates nothing as long as there is room. Throws DataError [prompt] for a token
  // that the model lacks, and behind a prompt that was left.
  void step(std::int32_t token) {
    check_prompt_token(token, net_->config());
    if (next_position_ < 0)
      throw DataError("prompt", {{"expected", "a prompt that has passed"},
                                 {"got", "one that was left after " + std::to_string(length()) + " tokens"},
                                 {"try", "prefill with it again"}});
    if (length() == capacity()) reserve(length() + CellPages<Device>::cells);
    batch_.clear();
    batch_.tokens.push_back(token);
    batch_.offsets.push_back(1);
    for (auto& axis : batch_.axes) axis.push_back(next_position_);
    describe(1);
    if (!step_planned_) runtime_.plan([&] { pass(true); });
    step_planned_ = true;
    pass(true);
    cells_.push_back({token, -1, {}});
    ++next_position_;
  }

  // Shares the full pages with the other sessions of the cache.
  void share() {
    const std::size_t full = cells_.size() / PrefixCache::page_cells;
    shared_ = std::max(shared_, full);  // whatever fails below
    try {
      cache_->share(cells_, std::span(pages_).first(full));
    } catch (...) {
      write_table();  // of pages that were replaced
      throw;
    }
    write_table();
  }

  // The memory that passes take at their peak, beside cells, weights and pictures: chunks of a prompt, the tower, and
  // answering.
  std::size_t activation_bytes(const Prompt& prompt, Index passing) {
    Batch chunk;
    const auto tokens = static_cast<std::size_t>(std::clamp<Index>(passing, 1, settings_.chunk_tokens));
    chunk.tokens.resize(tokens);
    chunk.offsets = {0, static_cast<std::int32_t>(tokens)};
    std::size_t most =
        std::max({step_bytes(), runtime_.measure([&] { pass_batch(chunk, {}, true); }),
                  runtime_.measure([&] { runtime_.run(SampleTokens<Device, T>{.logits = logits()}); })});
    for (const std::vector<Picture>* pictures : {&prompt.images, &prompt.videos})
      for (const Picture& picture : *pictures) {
        Grid part = picture.grid;
        part.frames = frames_at_once(picture.grid);
        const BatchSizes sizes{.patches = static_cast<std::size_t>(part.patches()),
                               .samples = 1,
                               .segments = static_cast<std::size_t>(part.frames) + 1};
        const Index merge = net_->config().vision.merge_size;
        const Batch batch = sizes.outline(merge * merge);
        most = std::max(most, runtime_.measure([&] { run_tower(batch, part, nullptr, part.patches()); }));
      }
    return most;
  }
  // What the pictures of a prompt take: their patch rows, a copy of those that the tower takes at once, and its rows for the
  // visual tokens of one picture and of a chunk.
  std::size_t prompt_picture_bytes(const Prompt& prompt) const {
    const VisionSizes& vision = net_->config().vision;
    std::size_t rows = 0, part = 0, tokens = 0, most = 0;
    for (const std::vector<Picture>* pictures : {&prompt.images, &prompt.videos})
      for (const Picture& picture : *pictures) {
        const Grid& grid = picture.grid;
        rows += picture.rows ? picture.rows->size() : 0;
        part = std::max(part, static_cast<std::size_t>(frames_at_once(grid) * grid.height * grid.width *
                                                       vision.patch_features()));
        const auto visual = static_cast<std::size_t>(grid.visual_tokens(vision.merge_size));
        tokens += visual;
        most = std::max(most, visual);
      }
    tokens = most + std::min(tokens, static_cast<std::size_t>(settings_.chunk_tokens));
    return (rows + part) * sizeof(float) + tokens * static_cast<std::size_t>(picture_features()) * sizeof(T);
  }
  // What a step takes; it does not hang on the length of the sequence.
  std::size_t step_bytes() {
    Batch one;
    one.tokens.resize(1);
    one.offsets = {0, 1};
    return runtime_.measure([&] { pass_batch(one, {}, true); });
  }

 private:
  using Rows = View<T, 2, Device>;
  static constexpr int streams = 1 + Net::deepstack_taps;
  static constexpr Index page_cells = CellPages<Device>::cells;

  // A picture that passed the tower, and which of the prompt's it is.
  struct NumberedPicture {
    std::int32_t number = -1;
    std::shared_ptr<const EncodedPicture> picture;
  };

  Index picture_features() const { return streams * net_->features(); }
  Index capacity() const { return static_cast<Index>(pages_.size()) * page_cells; }

  // How far the cells agree with a prompt.
  Index kept(const PromptLayout& layout) const {
    const std::size_t most = std::min(cells_.size(), layout.cells.size());
    const auto end = cells_.begin() + static_cast<std::ptrdiff_t>(most);
    return std::mismatch(cells_.begin(), end, layout.cells.begin()).first - cells_.begin();
  }

  // Keeps and finds the cells of a prompt that are known. Its last token passes in any case: logits are kept nowhere.
  void adopt(const PromptLayout& layout) {
    const auto most = static_cast<Index>(layout.cells.size()) - 1;
    Index known = std::min(kept(layout), most);
    std::vector<PrefixCache::Page> found = cache_->find(layout.cells);
    cells_.clear();  // what fails below leaves an empty sequence
    if (static_cast<Index>(found.size()) * page_cells > known) {
      known = std::min(static_cast<Index>(found.size()) * page_cells, most);
      shared_ = found.size();
      pages_ = std::move(found);
    }
    const auto used = static_cast<std::size_t>((known + page_cells - 1) / page_cells);
    pages_.resize(std::min(pages_.size(), used));
    // What is shared is not written to.
    if (known % page_cells != 0 && shared_ >= used)
      pages_.back() = std::make_shared<CachePage>(*pages_.back());
    shared_ = std::min(shared_, static_cast<std::size_t>(known / page_cells));
    cells_.assign(layout.cells.begin(), layout.cells.begin() + known);
    counts_.reused = known;
  }

  // Memory for so many cells, which costs nothing before it is written to.
  void reserve(Index tokens) {
    try {
      const auto wanted = static_cast<std::size_t>((tokens + page_cells - 1) / page_cells);
      const std::size_t count = std::max(wanted, pages_.size());
      std::vector<PrefixCache::Page> more;
      for (std::size_t i = pages_.size(); i < count; ++i)
        more.push_back(std::make_shared<CachePage>(page_bytes_));
      pages_.reserve(count);
      cells_.reserve(count * static_cast<std::size_t>(page_cells));
      table_.reserve(count);
      pages_.insert(pages_.end(), more.begin(), more.end());  // nothing fails from here on
      write_table();
    } catch (const std::bad_alloc&) {
      throw DeviceError("out-of-memory",
                        {{"device", Device::name},
                         {"expected", std::to_string(cell_bytes(tokens)) + " bytes, for " +
                                          std::to_string(tokens) + " cells"},
                         {"try", "fewer max_tokens or thinking_tokens, or smaller SessionSettings::cells"}});
    }
  }
  void write_table() {
    table_.clear();
    for (const PrefixCache::Page& page : pages_) table_.push_back(page->data());
  }

  // Tokens [begin, end) of a prompt, whose pictures are gathered.
  void pass_chunk(const Prompt& prompt, const PromptLayout& layout, Index begin, Index end, bool last) {
    const auto part = [&](const auto& list) { return std::pair(list.begin() + begin, list.begin() + end); };
    const auto [first_token, last_token] = part(prompt.tokens);
    batch_.tokens.assign(first_token, last_token);
    batch_.offsets.push_back(static_cast<std::int32_t>(end - begin));
    for (int axis = 0; axis < 3; ++axis) {
      const auto [first, after] = part(layout.axes[axis]);
      batch_.axes[axis].assign(first, after);
    }
    describe(end - begin);
    step_planned_ = false;
    runtime_.plan([&] { pass(last); });
    pass(last);
    const auto [first_cell, last_cell] = part(layout.cells);
    cells_.insert(cells_.end(), first_cell, last_cell);
    counts_.passed += end - begin;
  }

  // Begins a chunk with the encoded rows of its visual tokens, [streams][visual tokens, features]; false where `stop` asked
  // to leave that. `encoded` is the picture that the chunk before ended in, and then that of this one.
  bool gather_pictures(const Prompt& prompt, const PromptLayout& layout, Index begin, Index end,
                       const std::stop_token& stop, NumberedPicture& encoded) {
    batch_.clear();
    for (Index i = begin; i < end; ++i)
      if (layout.pictures[static_cast<std::size_t>(i)] >= 0)
        batch_.visual_places.push_back(static_cast<std::int32_t>(i - begin));
    const std::size_t places = batch_.visual_places.size(),
                      features = static_cast<std::size_t>(net_->features());
    visual_.resize(static_cast<std::size_t>(streams) * places * features);
    for (std::size_t place = 0; place < places; ++place) {
      const auto token = static_cast<std::size_t>(begin + batch_.visual_places[place]);
      if (const std::int32_t number = layout.pictures[token]; !encoded.picture || encoded.number != number) {
        encoded = {number, encoded_picture(picture_at(prompt, number), stop)};
        if (!encoded.picture) return false;
      }
      const auto tokens = static_cast<std::size_t>(encoded.picture->tokens),
                 row = static_cast<std::size_t>(layout.cells[token].row);
      for (std::size_t stream = 0; stream < static_cast<std::size_t>(streams); ++stream)
        std::memcpy(visual_.data() + (stream * places + place) * features,
                    encoded.picture->rows.data() + (stream * tokens + row) * features, features * sizeof(T));
    }
    return true;
  }
  static const Picture& picture_at(const Prompt& prompt, std::int32_t number) {
    const auto at = static_cast<std::size_t>(number);
    return at < prompt.images.size() ? prompt.images[at] : prompt.videos[at - prompt.images.size()];
  }

  // Null where `stop` asked to leave it.
  std::shared_ptr<const EncodedPicture> encoded_picture(const Picture& picture, const std::stop_token& stop) {
    const Index merge = net_->config().vision.merge_size, features = net_->features();
    auto encoded = std::make_shared<EncodedPicture>();
    encoded->tokens = picture.grid.visual_tokens(merge);
    encoded->rows.resize(static_cast<std::size_t>(streams * encoded->tokens * features));
    // A cache can come from a file: what it says of a picture must fit.
    if (auto known = cache_->find_picture(picture.key);
        known && known->tokens == encoded->tokens && known->rows.size() == encoded->rows.size())
      return known;
    const Index step = frames_at_once(picture.grid), patch = net_->config().vision.patch_features();
    const std::span<const float> rows(*picture.rows);
    for (Index frame = 0; frame < picture.grid.frames; frame += step) {
      if (stop.stop_requested()) return nullptr;
      Grid part = picture.grid;
      part.frames = std::min(step, picture.grid.frames - frame);
      const Index before = frame * picture.grid.height * picture.grid.width;
      Batch batch;
      detail::append_picture(batch, part,
                             rows.subspan(static_cast<std::size_t>(before * patch),
                                          static_cast<std::size_t>(part.patches() * patch)),
                             net_->config().vision);
      float* into = encoded->rows.data() + before / (merge * merge) * features;
      runtime_.plan([&] { run_tower(batch, part, into, picture.grid.patches()); });
      run_tower(batch, part, into, picture.grid.patches());
    }
    ++counts_.encoded;
    cache_->keep_picture(picture.key, encoded);
    return encoded;
  }
  Index frames_at_once(const Grid& grid) const {
    return std::clamp<Index>(settings_.tower_patches / std::max<Index>(1, grid.height * grid.width), 1,
                             grid.frames);
  }
  // Encodes steps of a picture of `patches` patches into the rows from `into` on.
  void run_tower(const Batch& batch, const Grid& part, T* into, Index patches) {
    const auto given_back = runtime_.scope();
    const Index merge = net_->config().vision.merge_size, features = net_->features();
    T fake{};  // while measuring: views of what is wanted are not null
    const auto stream = [&](Index index) {
      T* rows = into ? into + index * (patches / (merge * merge)) * features : &fake;
      return Rows(rows, Shape<2>{{part.visual_tokens(merge), features}});
    };
    Rows taps[Net::deepstack_taps + 1];
    for (int j = 0; j < Net::deepstack_taps; ++j) taps[j] = stream(1 + j);
    typename Net::Saved saved;
    net_->encode(runtime_, batch, stream(0), taps, saved);
  }

  // Rotary tables and cells of a batch that follows the cells in use.
  void describe(Index rows) {
    text_ = net_->text_sequences(batch_, tables_);
    places_.clear();
    for (Index i = 0; i < rows; ++i) places_.push_back(static_cast<std::int32_t>(length() + i));
    key_count_ = static_cast<std::int32_t>(length() + rows);
    text_.key_counts = {&key_count_, Shape<1>{{1}}};
    text_.pages = pages_view_;
    text_.pages.table = {table_.data(), Shape<1>{{static_cast<Index>(table_.size())}}};
    text_.pages.first = {&first_page_, Shape<1>{{1}}};
    text_.pages.places = detail::on_device<Device>(places_);
  }
  void pass(bool wants_logits) { pass_batch(batch_, text_, wants_logits); }
  void pass_batch(const Batch& batch, Sequences<Device> text, bool wants_logits) {
    const auto given_back = runtime_.scope();
    if (!text.query_offsets) text.query_offsets = detail::on_device<Device>(batch.offsets);
    const Index places = static_cast<Index>(batch.visual_places.size()), features = net_->features();
    last_offsets_[1] = wants_logits ? 1 : 0;
    text.last_offsets = {last_offsets_, Shape<1>{{2}}};
    if (!text.key_counts) text.key_counts = {&key_count_, Shape<1>{{1}}};
    const Rows last = runtime_.template keep<T>(last_offsets_[1], features);
    {
      const auto given_back_before_logits = runtime_.scope();
      const auto stream = [&](Index index) {
        return places > 0 ? Rows(visual_.data() + index * places * features, Shape<2>{{places, features}})
                          : Rows();
      };
      Rows taps[Net::deepstack_taps + 1];
      for (int j = 0; j < Net::deepstack_taps; ++j) taps[j] = stream(1 + j);
      net_->forward_last(runtime_, batch, text, stream(0), taps, last);
    }
    if (wants_logits)
      runtime_.run(LinearForward<Device, T>{.x = last, .weight = net_->head(), .y = logits()});
  }

  const Net* net_;
  SessionSettings settings_;
  Runtime<Device> runtime_;
  std::shared_ptr<PrefixCache> cache_;
  CellPages<Device> pages_view_;  // format and sizes
  std::size_t page_bytes_ = 0;
  std::vector<Cell> cells_;
  std::vector<PrefixCache::Page> pages_;
  std::size_t shared_ = 0;  // the first so many pages are shared
  std::int32_t next_position_ = 0;
  PrefillCounts counts_;
  bool step_planned_ = false;

  Batch batch_;
  Sequences<Device> text_;
  typename Net::RopeTables tables_;
  std::vector<std::byte*> table_;
  std::vector<std::int32_t> places_;
  std::int32_t key_count_ = 0, first_page_ = 0, last_offsets_[2] = {0, 1};
  std::vector<T, Unzeroed<T>> visual_;  // [streams][visual tokens of a chunk, features]
  std::vector<T> logits_;
};

}  // namespace vlm
