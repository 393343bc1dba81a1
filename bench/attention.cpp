// Attention in f32: useful GFLOP/s beside the rate of multiply-adds (forward 4 S^2 d for each head, backward
// 10 S^2 d, causal half of that), and decoding from rows and from pages of cells beside the rate of reads.
#include <vlm/core/config.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/core/unzeroed.hpp>
#include <vlm/ops/attention.hpp>
#include <vlm/ops/store_cells.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ceilings.hpp"
#include "measure.hpp"

using namespace vlm;

namespace {

struct Case {
  const char* name;
  Index queries, keys, heads, kv_heads, head_dim;
  bool causal;
};

// Tensors of one sequence, and the operations on them.
class Attention {
 public:
  Attention(const Case& c, int threads) : c_(c), runtime_(threads) {
    const Index wide = c.heads * c.head_dim, narrow = c.kv_heads * c.head_dim;
    q_ = values(c.queries, wide, 1), dy_ = values(c.queries, wide, 2);
    k_ = values(c.keys, narrow, 3), v_ = values(c.keys, narrow, 4);
    y_ = dq_ = dy_;
    dk_ = dv_ = k_;
    logsumexp_.resize(static_cast<std::size_t>(c.queries * c.heads));
    offsets_ = {0, static_cast<std::int32_t>(c.queries)};
    counts_ = {static_cast<std::int32_t>(c.keys)};
    runtime_.plan([&] { forward(), backward(); });
    forward();
  }

  void forward() {
    AttentionForward<Cpu, float> op{.q = read(q_, c_.heads),
                                    .k = read(k_, c_.kv_heads),
                                    .v = read(v_, c_.kv_heads),
                                    .y = write(y_, c_.heads),
                                    .logsumexp = {logsumexp_.data(), {{c_.queries, c_.heads}}},
                                    .layout = layout()};
    if (c_.keys != c_.queries) {
      op.layout.key_begin = {offsets_.data(), {{1}}};
      op.layout.key_counts = {counts_.data(), {{1}}};
    }
    runtime_.run(op);
  }
  void backward() {
    if (c_.keys != c_.queries) return;
    runtime_.run(AttentionBackward<Cpu, float>{.dy = read(dy_, c_.heads),
                                               .y = read(y_, c_.heads),
                                               .q = read(q_, c_.heads),
                                               .k = read(k_, c_.kv_heads),
                                               .v = read(v_, c_.kv_heads),
                                               .logsumexp = {logsumexp_.data(), {{c_.queries, c_.heads}}},
                                               .dq = write(dq_, c_.heads),
                                               .dk = write(dk_, c_.kv_heads),
                                               .dv = write(dv_, c_.kv_heads),
                                               .layout = layout()});
  }

 private:
  static std::vector<float> values(Index rows, Index columns, std::uint32_t seed) {
    std::vector<float> values(static_cast<std::size_t>(rows * columns));
    std::uint32_t state = seed;
    for (float& value : values) {
      state = state * 1664525 + 1013904223;
      value = static_cast<float>(state >> 8) * 0x1p-23f - 1;
    }
    return values;
  }
  AttentionLayout<Cpu> layout() const {
    return {.query_offsets = {offsets_.data(), {{2}}},
            .heads = c_.heads,
            .kv_heads = c_.kv_heads,
            .head_dim = c_.head_dim,
            .scale = 1 / std::sqrt(static_cast<float>(c_.head_dim)),
            .causal = c_.causal};
  }
  View<const float, 2, Cpu> read(const std::vector<float>& values, Index heads) const {
    return {values.data(), {{static_cast<Index>(values.size()) / heads / c_.head_dim, heads * c_.head_dim}}};
  }
  View<float, 2, Cpu> write(std::vector<float>& values, Index heads) const {
    return {values.data(), {{static_cast<Index>(values.size()) / heads / c_.head_dim, heads * c_.head_dim}}};
  }

  Case c_;
  Runtime<Cpu> runtime_;
  std::vector<float> q_, k_, v_, y_, dy_, dq_, dk_, dv_, logsumexp_;
  std::vector<std::int32_t> offsets_, counts_;
};

// One query against the cells of a sequence in pages, block after block as a decoder does: so many blocks that no cache
// holds them.
class PagedDecode {
 public:
  PagedDecode(const Case& c, CellFormat format, int threads) : c_(c), runtime_(threads) {
    constexpr Index cells = CellPages<Cpu>::cells;
    pages_.format = format;
    pages_.heads = c.kv_heads;
    pages_.head_dim = c.head_dim;
    const Index pages = (c.keys + cells - 1) / cells;
    const auto block_bytes = static_cast<double>(pages_.page_bytes(1)) * static_cast<double>(pages);
    blocks_ = std::max<Index>(1, static_cast<Index>(384e6 / block_bytes));
    work_ = static_cast<double>(blocks_ * c.keys) / static_cast<double>(cells) *
            static_cast<double>(pages_.page_bytes(1));
    memory_.resize(static_cast<std::size_t>(pages), Page(pages_.page_bytes(blocks_)));
    for (Page& page : memory_) table_.push_back(page.data());
    pages_.table = {table_.data(), {{pages}}};
    pages_.first = {&zero_, {{1}}};
    q_.assign(static_cast<std::size_t>(c.heads * c.head_dim), 0.5f);
    y_ = q_;
    store();
    runtime_.plan([&] { runtime_.run(forward(0)); });
  }
  PagedDecode(const PagedDecode&) = delete;
  PagedDecode& operator=(const PagedDecode&) = delete;

  void run() {
    for (Index block = 0; block < blocks_; ++block) runtime_.run(forward(block));
  }
  double bytes() const { return work_; }

 private:
  using Page = std::vector<std::byte, Unzeroed<std::byte>>;

  void store() {
    const Index features = c_.kv_heads * c_.head_dim;
    std::vector<float> rows(static_cast<std::size_t>(c_.keys * features));
    std::uint32_t state = 1;
    for (float& value : rows) {
      state = state * 1664525 + 1013904223;
      value = static_cast<float>(state >> 8) * 0x1p-23f - 1;
    }
    std::vector<std::int32_t> places;
    for (Index i = 0; i < c_.keys; ++i) places.push_back(static_cast<std::int32_t>(i));
    const View<const float, 2, Cpu> view(rows.data(), {{c_.keys, features}});
    pages_.places = {places.data(), {{c_.keys}}};
    for (Index block = 0; block < blocks_; ++block)
      runtime_.run(StoreCells<Cpu, float>{.keys = view, .values = view, .pages = pages_, .block = block});
    pages_.places = {};
  }
  AttentionForward<Cpu, float> forward(Index block) {
    return {.q = {q_.data(), {{1, c_.heads * c_.head_dim}}},
            .y = {y_.data(), {{1, c_.heads * c_.head_dim}}},
            .layout = {.query_offsets = {offsets_, {{2}}},
                       .key_counts = {&keys_, {{1}}},
                       .heads = c_.heads,
                       .kv_heads = c_.kv_heads,
                       .head_dim = c_.head_dim,
                       .scale = 1 / std::sqrt(static_cast<float>(c_.head_dim)),
                       .causal = true},
            .pages = pages_,
            .block = block};
  }

  Case c_;
  Runtime<Cpu> runtime_;
  CellPages<Cpu> pages_;
  Index blocks_ = 1;
  double work_ = 0;
  std::vector<Page> memory_;
  std::vector<std::byte*> table_;
  std::vector<float> q_, y_;
  const std::int32_t zero_ = 0, offsets_[2] = {0, 1}, keys_ = static_cast<std::int32_t>(c_.keys);
};

std::string shape_of(const Case& c) {
  return std::to_string(c.queries) + "x" + std::to_string(c.keys) + " d" + std::to_string(c.head_dim) + " " +
         std::to_string(c.heads) + "/" + std::to_string(c.kv_heads);
}

}  // namespace

int main(int count, char** arguments) {
  bench::Report report("attention", count, arguments);
  bench::Ceilings ceilings(report.threads());
  const std::vector<Case> cases = {{"causal", 2048, 2048, 16, 8, 128, true},
                                   {"full", 2048, 2048, 16, 16, 72, false},
                                   {"full", 2048, 2048, 12, 4, 64, false},
                                   {"causal", 2048, 2048, 12, 4, 64, true},
                                   {"causal", 8192, 8192, 2, 1, 128, true}};
  for (const Case& c : cases) {
    const double useful =
        1e-9 * static_cast<double>(c.queries * c.keys * c.head_dim * c.heads) * (c.causal ? 0.5 : 1);
    const std::string name = c.name;
    const bench::Row forward{name + " forward", shape_of(c), "GFLOP/s", 4 * useful, 0.6};
    const bench::Row backward{name + " backward", shape_of(c), "GFLOP/s", 10 * useful, 0.6};
    if (!report.wants(forward) && !report.wants(backward)) continue;
    Attention attention(c, report.threads());
    report.compare(forward, {"ours", [&] { attention.forward(); }}, {ceilings.multiply_adds()});
    report.compare(backward, {"ours", [&] { attention.backward(); }}, {ceilings.multiply_adds()});
  }
  // Decoding reads keys and values once.
  for (const Case& c :
       {Case{"decode", 1, 4096, 16, 8, 128, true}, Case{"decode", 1, 32768, 32, 8, 128, true}}) {
    const double bytes = 1e-9 * 8 * static_cast<double>(c.keys * c.kv_heads * c.head_dim);
    const bench::Row row{c.name, shape_of(c), "GB/s", bytes, 0};
    if (!report.wants(row)) continue;
    Attention attention(c, report.threads());
    report.compare(row, {"ours", [&] { attention.forward(); }}, {ceilings.read()});
  }
  // The same from pages: bytes of keys, values and scales.
  for (const Case& c :
       {Case{"decode", 1, 512, 16, 8, 128, true}, Case{"decode", 1, 4096, 16, 8, 128, true},
        Case{"decode", 1, 32768, 16, 8, 128, true}, Case{"decode", 1, 32768, 32, 8, 128, true},
        Case{"decode", 1, 32768, 8, 1, 128, true}})
    for (const CellFormat format : {CellFormat::F32, CellFormat::BF16, CellFormat::I8}) {
      bench::Row row{"decode, pages of " + std::string(name_of(format)), shape_of(c), "GB/s", 0, 0};
      if (!report.wants(row)) continue;
      PagedDecode decode(c, format, report.threads());
      row.work = 1e-9 * decode.bytes();
      report.compare(row, {"ours", [&] { decode.run(); }}, {ceilings.read()});
    }
}
