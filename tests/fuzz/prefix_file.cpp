// Fuzz target: any bytes are a saved cache or an Error that leaves the cache as it was; what is loaded can be found and
// read to its end. Checksums are made right first, or nearly every input would end there.
#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include <vlm/infer/prefix_file.hpp>
#include <vlm/io/json_definitions.hpp>

#include "memory_file.hpp"

namespace {

constexpr vlm::CacheIdentity identity{
    .model = {1, 2}, .format = vlm::CellFormat::F32, .page_bytes = 8, .picture_features = 2};

// Of the file that `data` was written to.
void correct_checksums(const MemoryFile& input, const std::uint8_t* data) {
  const vlm::SafetensorsFile file(input.path());
  const vlm::StoredTensor* sums = file.find("checksums");
  if (!sums) return;
  std::vector<std::int64_t> right;
  const std::byte* first = sums->bytes.data();  // of all tensors, which stand without gaps behind the header
  for (const vlm::StoredTensor& tensor : file.tensors()) {
    if (&tensor != sums) right.push_back(vlm::crc32c(tensor.bytes));
    if (!tensor.bytes.empty()) first = std::min(first, tensor.bytes.data());
  }
  right.resize(sums->bytes.size() / sizeof(std::int64_t));
  std::uint64_t header = 0;
  std::memcpy(&header, data, sizeof header);
  input.write_at(8 + static_cast<std::size_t>(header) + static_cast<std::size_t>(sums->bytes.data() - first),
                 std::as_bytes(std::span(right)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile input;
  input.write(data, size);
  vlm::PrefixCache cache;
  cache.bind(identity);
  try {
    correct_checksums(input, data);
    vlm::load_prefix_cache(cache, input.path());
  } catch (const vlm::Error&) {
    if (cache.page_count() > 0 || cache.picture_count() > 0) std::abort();
    return 0;
  }
  const auto [pages, pictures] = cache.content();
  std::size_t bytes = 0, ones = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (pages[i].parent >= static_cast<std::ptrdiff_t>(i) ||
        pages[i].cells.size() != vlm::PrefixCache::page_cells || pages[i].page->size() != identity.page_bytes)
      std::abort();
    if (pages[i].parent < 0 && cache.find(pages[i].cells).empty()) std::abort();
    for (const std::byte byte : *pages[i].page) ones += byte == std::byte{1};
    bytes += pages[i].page->size();
  }
  for (const auto& known : pictures) {
    if (cache.find_picture(known.key) != known.picture) std::abort();
    if (known.picture->rows.size() !=
        static_cast<std::size_t>(known.picture->tokens * identity.picture_features))
      std::abort();
    bytes += known.picture->rows.size() * sizeof(float);
  }
  if (bytes > size || ones > bytes) std::abort();
  return 0;
}
