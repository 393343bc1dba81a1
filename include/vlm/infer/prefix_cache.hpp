// PrefixCache: what was computed for prompts, for all chats of one model: full pages of keys and values, as a tree of
// the cells that they hold, and encoded pictures. Pages are found by the cells themselves, token ids and picture keys,
// and never by a hash of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <vlm/core/cell_pages.hpp>
#include <vlm/core/error.hpp>
#include <vlm/core/siphash.hpp>
#include <vlm/core/unzeroed.hpp>
#include <vlm/infer/prompt.hpp>

namespace vlm {

// Memory of one page; see CellPages. It is written by the sequence that owns it and by nobody once it is shared.
using CachePage = std::vector<std::byte, Unzeroed<std::byte>>;

// The tower's output for a picture, and what each tap makes of it: [1 + taps][visual tokens, features].
struct EncodedPicture {
  Index tokens = 0;
  std::vector<float, Unzeroed<float>> rows;
};

// Which model, and which form of its cells, a cache belongs to.
struct CacheIdentity {
  Hash128 model;  // model_identity
  CellFormat format = CellFormat::F32;
  std::size_t page_bytes = 0;
  Index picture_features = 0;  // of a visual token, taps included
  friend bool operator==(const CacheIdentity&, const CacheIdentity&) = default;
};

struct PrefixCacheSettings {
  std::size_t page_bytes = std::size_t{1} << 30;     // most memory of pages; those in use stay in any case
  std::size_t picture_bytes = std::size_t{1} << 28;  // most memory of encoded pictures, one of which stays
};

// Many threads may use one object.
class PrefixCache {
 public:
  using Page = std::shared_ptr<CachePage>;
  static constexpr std::size_t page_cells = static_cast<std::size_t>(CellPages<Cpu>::cells);

  explicit PrefixCache(const PrefixCacheSettings& settings = {}) : settings_(settings) {}

  // Whoever uses the cache says first what for. Throws ConfigError [cache-model] where others use it for another model.
  void bind(const CacheIdentity& identity) {
    const std::lock_guard lock(mutex_);
    if (!identity_) identity_ = identity;
    if (*identity_ == identity) return;
    throw ConfigError("cache-model", {{"expected", "the model and the format of cells that the cache is for"},
                                      {"got", identity_->model == identity.model
                                                  ? "cells in " + std::string(name_of(identity.format)) +
                                                        ", not in " + std::string(name_of(identity_->format))
                                                  : "another model: other weights, or formats of weights"},
                                      {"try", "a cache of its own for each model and format"}});
  }
  std::optional<CacheIdentity> identity() const {
    const std::lock_guard lock(mutex_);
    return identity_;
  }

  // The pages of the longest known beginning of `cells`.
  std::vector<Page> find(std::span<const Cell> cells) {
    const std::lock_guard lock(mutex_);
    std::vector<Page> pages;
    Node* node = &root_;
    while ((node = child(*node, cells.subspan(pages.size() * page_cells)))) {
      node->last_use = ++clock_;
      pages.push_back(node->page);
    }
    return pages;
  }
  // Shares the full pages of a sequence, and replaces those by equal ones that are shared already.
  void share(std::span<const Cell> cells, std::span<Page> pages) {
    const std::lock_guard lock(mutex_);
    Node* node = &root_;
    for (std::size_t i = 0; i < pages.size() && (i + 1) * page_cells <= cells.size(); ++i) {
      const std::span<const Cell> part = cells.subspan(i * page_cells, page_cells);
      Node* next = child(*node, part);
      if (next)
        pages[i] = next->page;
      else
        next = add(*node, part, pages[i]);
      next->last_use = ++clock_;
      node = next;
    }
    forget_pages();
  }

  std::shared_ptr<const EncodedPicture> find_picture(const Hash128& key) {
    const std::lock_guard lock(mutex_);
    for (KnownPicture& known : pictures_)
      if (known.key == key) {
        known.last_use = ++clock_;
        return known.picture;
      }
    return nullptr;
  }
  void keep_picture(const Hash128& key, std::shared_ptr<const EncodedPicture> picture) {
    const std::lock_guard lock(mutex_);
    for (const KnownPicture& known : pictures_)
      if (known.key == key) return;
    pictures_.push_back({key, std::move(picture), ++clock_});
    picture_bytes_ += pictures_.back().picture->rows.size() * sizeof(float);
    while (picture_bytes_ > settings_.picture_bytes && pictures_.size() > 1) {
      const auto oldest =
          std::min_element(pictures_.begin(), pictures_.end(),
                           [](const auto& a, const auto& b) { return a.last_use < b.last_use; });
      picture_bytes_ -= oldest->picture->rows.size() * sizeof(float);
      pictures_.erase(oldest);
    }
  }

  std::size_t page_count() const {
    const std::lock_guard lock(mutex_);
    return page_count_;
  }
  std::size_t picture_count() const {
    const std::lock_guard lock(mutex_);
    return pictures_.size();
  }

  // Everything that is known: pages after those that they follow, `parent` -1 for a beginning.
  struct StoredPage {
    std::ptrdiff_t parent = -1;
    std::vector<Cell> cells;
    Page page;
  };
  struct StoredPicture {
    Hash128 key;
    std::shared_ptr<const EncodedPicture> picture;
  };
  std::pair<std::vector<StoredPage>, std::vector<StoredPicture>> content() const {
    const std::lock_guard lock(mutex_);
    std::pair<std::vector<StoredPage>, std::vector<StoredPicture>> all;
    const auto visit = [&](const auto& self, const Node& node, std::ptrdiff_t parent) -> void {
      for (const auto& next : node.children) {
        all.first.push_back({parent, next->cells, next->page});
        self(self, *next, static_cast<std::ptrdiff_t>(all.first.size()) - 1);
      }
    };
    visit(visit, root_, -1);
    for (const KnownPicture& known : pictures_) all.second.push_back({known.key, known.picture});
    return all;
  }

 private:
  struct Node {
    std::vector<Cell> cells;
    Page page;
    std::uint64_t last_use = 0;
    std::vector<std::unique_ptr<Node>> children;
  };
  struct KnownPicture {
    Hash128 key;
    std::shared_ptr<const EncodedPicture> picture;
    std::uint64_t last_use = 0;
  };

  static Node* child(Node& node, std::span<const Cell> cells) {
    if (cells.size() < page_cells) return nullptr;
    for (const auto& next : node.children)
      if (std::equal(next->cells.begin(), next->cells.end(), cells.begin())) return next.get();
    return nullptr;
  }
  Node* add(Node& node, std::span<const Cell> cells, const Page& page) {
    auto next = std::make_unique<Node>();
    next->cells.assign(cells.begin(), cells.end());
    next->page = page;
    node.children.push_back(std::move(next));
    ++page_count_;
    page_bytes_ += page->size();
    return node.children.back().get();
  }

  // Forgets the pages used longest ago that no sequence holds and none follows, until the rest fits.
  void forget_pages() {
    while (page_bytes_ > settings_.page_bytes) {
      Node* parent = nullptr;
      std::size_t index = 0;
      std::uint64_t oldest = clock_ + 1;
      const auto visit = [&](const auto& self, Node& node) -> void {
        for (std::size_t i = 0; i < node.children.size(); ++i) {
          Node& next = *node.children[i];
          self(self, next);
          if (!next.children.empty() || next.page.use_count() > 1 || next.last_use >= oldest) continue;
          parent = &node;
          index = i;
          oldest = next.last_use;
        }
      };
      visit(visit, root_);
      if (!parent) return;
      page_bytes_ -= parent->children[index]->page->size();
      --page_count_;
      parent->children.erase(parent->children.begin() + static_cast<std::ptrdiff_t>(index));
    }
  }

  mutable std::mutex mutex_;
  PrefixCacheSettings settings_;
  std::optional<CacheIdentity> identity_;
  Node root_;
  std::vector<KnownPicture> pictures_;
  std::uint64_t clock_ = 0;
  std::size_t page_count_ = 0, page_bytes_ = 0, picture_bytes_ = 0;
};

}  // namespace vlm
