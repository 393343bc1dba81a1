// Fuzz target: any bytes are an archive of WebDataset, or one error; so is each sample in it.
#include <cstdint>
#include <string_view>

#include <unistd.h>

#include <vlm/data/web_dataset.hpp>
#include <vlm/io/json_definitions.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string path = "/tmp/vlm-fuzz-tar-" + std::to_string(::getpid()) + ".tar";
  vlm::write_file_atomically(path, {reinterpret_cast<const char*>(data), size});
  try {
    const vlm::WebDatasetShard shard(path);
    for (vlm::Index i = 0; i < shard.size(); ++i) try {
        shard.conversation(i);
      } catch (const vlm::DataError&) {
      }
  } catch (const vlm::FileError&) {
  }
  ::unlink(path.c_str());
  return 0;
}
