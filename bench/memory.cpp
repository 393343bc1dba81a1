// The peak memory of a chat at a long context: weights in 4-bit blocks, cells in int8, and all that a prompt and an answer
// need beside them. The cells of all but the last chunk are put into the shared cache as they would be found there;
// that chunk of the prompt passes, then some tokens are answered. The peak is that of the process, loading included.
//
//   memory FOLDER [--context N] [--threads N] [--json FILE]
//
// FOLDER holds a Qwen3VL model. Exit status 1: more than weights + cells + 500 MB.
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <vlm/vlm.hpp>

using namespace vlm;

namespace {

struct Options {
  std::string folder, json;
  Index context = 32768;
  int threads = 2;
};

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024e-6;
}

// The pages of the first `count` cells, every byte of them written; scales are those of keys and values around 1.
void share_pages(PrefixCache& cache, std::span<const Cell> cells, const ModelConfig& config) {
  const CellPages<Cpu> layout{
      .format = CellFormat::I8, .heads = config.text.kv_heads, .head_dim = config.text.head_dim};
  const std::size_t part = layout.part_bytes(), bytes = layout.page_bytes(config.text.layers);
  std::vector<PrefixCache::Page> pages;
  std::uint32_t state = 1;
  for (std::size_t first = 0; first + PrefixCache::page_cells <= cells.size();
       first += PrefixCache::page_cells) {
    pages.push_back(std::make_shared<CachePage>(bytes));
    for (std::byte* at = pages.back()->data(); at < pages.back()->data() + bytes; at += part) {
      for (std::size_t i = 0; i < layout.scales_offset(); ++i) {
        state = state * 1664525u + 1013904223u;
        at[i] = static_cast<std::byte>(state >> 24);
      }
      const std::vector<float> scales(PrefixCache::page_cells, 0.01f);
      std::memcpy(at + layout.scales_offset(), scales.data(), scales.size() * sizeof(float));
    }
  }
  cache.share(cells, pages);
}

int measure(const Options& options) {
  const auto net = Model<Qwen3VL, Cpu>::load(options.folder, FrozenWeights::Int4);
  const double weights = 1e-6 * static_cast<double>(net.weight_bytes()), after_loading = peak_megabytes();
  const auto cache = std::make_shared<PrefixCache>(PrefixCacheSettings{.page_bytes = std::size_t{1} << 40});
  Session session(net, {.threads = options.threads, .cells = CellFormat::I8, .cache = cache});
  constexpr Index answer = 16;
  Prompt prompt;
  for (Index i = 0; i < options.context - answer; ++i)
    prompt.tokens.push_back(static_cast<std::int32_t>(i * 7919 % 150000));
  const Index chunk = SessionSettings{}.chunk_tokens;
  const PromptLayout layout = lay_out(prompt, net.config());
  const std::size_t page = static_cast<std::size_t>(PrefixCache::page_cells);  // those of whole pages
  const std::size_t known = (layout.cells.size() - static_cast<std::size_t>(chunk) + page - 1) / page * page;
  share_pages(*cache, std::span(layout.cells).first(known), net.config());
  session.prefill(prompt, answer);
  for (Index i = 0; i < answer; ++i) session.step(100);

  const double cells = 1e-6 * static_cast<double>(session.cell_bytes(options.context)),
               peak = peak_megabytes(), rest = peak - weights - cells;
  std::printf("context %lld, %lld tokens passed in the last chunk\n",
              static_cast<long long>(session.length()), static_cast<long long>(session.counts().passed));
  std::printf(
      "weights %.0f MB (peak while loading %.0f), cells %.0f MB, peak %.0f MB: %.0f MB beside (bar 500%s)\n",
      weights, after_loading, cells, peak, rest, rest <= 500 ? "" : ", above");
  if (!options.json.empty()) {
    std::FILE* file = std::fopen(options.json.c_str(), "w");
    if (!file) {
      std::fprintf(stderr, "cannot write %s\n", options.json.c_str());
      return 2;
    }
    std::fprintf(
        file,
        "{\"name\": \"memory, int4 weights, int8 cells\", \"shape\": \"%lld tokens\", \"unit\": \"MB\", "
        "\"ours\": %.6g, \"ceiling\": %.6g, \"ratio\": %.4g}\n",
        static_cast<long long>(options.context), peak, weights + cells + 500, peak / (weights + cells + 500));
    std::fclose(file);
  }
  return rest <= 500 ? 0 : 1;
}

[[noreturn]] void fail(const char* program) {
  std::fprintf(stderr, "%s FOLDER [--context N] [--threads N] [--json FILE]\n", program);
  std::exit(2);
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string option = arguments[i];
    if (option == "--help") {
      std::printf("%s FOLDER [--context N] [--threads N] [--json FILE]\n", arguments[0]);
      return 0;
    }
    if (!option.starts_with("--") && options.folder.empty()) {
      options.folder = option;
      continue;
    }
    if (++i >= count) fail(arguments[0]);
    if (option == "--context")
      options.context = std::max(1024, std::atoi(arguments[i]));
    else if (option == "--threads")
      options.threads = std::max(1, std::atoi(arguments[i]));
    else if (option == "--json")
      options.json = arguments[i];
    else
      fail(arguments[0]);
  }
  if (options.folder.empty()) fail(arguments[0]);
  try {
    return measure(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
