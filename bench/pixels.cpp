// A photograph of 4000 x 3000 pixels from the bytes of a JPEG file to patch rows, beside its parts: decoding alone, and copying
// as many bytes as the rows have. With --serve it answers bench/peers/pixels.py, which times it beside the image
// processor of transformers.
//   pixels [--json FILE] [--rounds N] [--threads N] [--only TEXT]
//   pixels --serve FILE THREADS
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <vlm/vlm.hpp>

#include "measure.hpp"

namespace {

using vlm::Index;

#if VLM_HAS_IMAGE

// Waves and a little noise, as a file of the size and detail that cameras write.
std::string photograph(Index height, Index width) {
  vlm::Image image(height, width);
  std::uint32_t noise = 1;
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x)
      for (Index c = 0; c < 3; ++c) {
        noise = noise * 1664525u + 1013904223u;
        const double wave = 128 + 60 * std::sin(0.011 * static_cast<double>(x + 40 * c)) +
                            50 * std::cos(0.017 * static_cast<double>(y)) + static_cast<double>(noise >> 28);
        image.at(y, x)[c] = static_cast<std::uint8_t>(wave);
      }
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.image_height = static_cast<JDIMENSION>(height);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 90, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  for (Index y = 0; y < height; ++y) {
    JSAMPROW row = image.at(y, 0);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  const std::string file(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&jpeg);
  std::free(bytes);
  return file;
}

void decode_only(const std::string& file) {
  const std::unique_ptr<vlm::ImageRows> rows = vlm::open_image(file, "photograph");
  std::vector<std::uint8_t> some(static_cast<std::size_t>(16 * 4 * rows->width()));
  for (Index y = 0; y < rows->height(); y += 16)
    rows->read(some.data(), std::min<Index>(16, rows->height() - y), 4 * rows->width());
}

int compare(int count, char** arguments) {
  bench::Report report("pixels", count, arguments);
  vlm::Queue<vlm::Cpu> queue(report.threads());
  const std::string file = photograph(3000, 4000);
  for (const Index budget : {Index{16777216}, Index{1048576}}) {
    vlm::ImageSettings settings;
    settings.budget.max_pixels = budget;
    const vlm::Grid grid = vlm::image_grid(3000, 4000, settings);
    const auto bytes = static_cast<std::size_t>(grid.patches() * settings.features()) * sizeof(float);
    std::vector<char, vlm::Unzeroed<char>> from(bytes), to(bytes);
    std::memset(from.data(), 1, bytes);
    std::memset(to.data(), 1, bytes);
    const bench::Row row{
        .name = "JPEG to patch rows",
        .shape = "3000x4000 to " + std::to_string(grid.visual_tokens(settings.merge_size)) + " tokens",
        .unit = "megapixels/s",
        .work = 12};
    report.compare(row,
                   {"ours", [&] { vlm::patchify(*vlm::open_image(file, "photograph"), settings, queue); }},
                   {{"decoding", [&] { decode_only(file); }},
                    {"copying", [&] { std::memcpy(to.data(), from.data(), bytes); }}});
  }
  return 0;
}

// Answers each line "go" with the seconds of one image, from the file to rows in new memory; at the end of the input with the
// most memory that the process held.
int serve(const std::string& path, int threads) {
  vlm::Queue<vlm::Cpu> queue(threads);
  char line[16];
  double sum = 0;
  while (std::fgets(line, sizeof line, stdin)) {
    const double start = bench::seconds_now();
    const vlm::MappedFile file(path);
    const vlm::PatchedImage image = vlm::patchify(*vlm::open_image(file.text(), path), {}, queue);
    const double seconds = bench::seconds_now() - start;
    sum += image.rows[image.rows.size() / 2];
    std::printf("%.9f\n", seconds);
    std::fflush(stdout);
  }
  char text[4096] = "";
  if (std::FILE* file = std::fopen("/proc/self/status", "r")) {
    text[std::fread(text, 1, sizeof text - 1, file)] = 0;
    std::fclose(file);
  }
  const char* most = std::strstr(text, "VmHWM:");
  std::printf("%ld %g\n", most ? std::atol(most + 6) : 0, sum);
  return 0;
}

#endif

}  // namespace

int main(int count, char** arguments) {
#if VLM_HAS_IMAGE
  if (count == 4 && std::strcmp(arguments[1], "--serve") == 0)
    return serve(arguments[2], std::atoi(arguments[3]));
  return compare(count, arguments);
#else
  std::fprintf(stderr, "%s: built without vlm::image\n", count > 0 ? arguments[0] : "pixels");
  return 2;
#endif
}
