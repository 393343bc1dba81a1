// The smallest program of a user: one include, no option set, and an error of the library caught.
#include <vlm/vlm.hpp>

#include <string_view>

#if defined(CUDART_VERSION) || defined(__DRIVER_TYPES_H__)
#error "vlm/vlm.hpp includes headers of CUDA in a program that does not use it"
#endif
#if defined(PACKAGE_VERSION)
static_assert(std::string_view(PACKAGE_VERSION) == VLM_VERSION,
              "the package and its headers are of one version");
#endif

// What a file that is not there is called, with the component vlm::video and without.
static const char* missing_video = VLM_HAS_VIDEO ? "video-file" : "video-support";

int main() {
  if ((vlm::image_codec(vlm::ImageFormat::Jpeg) != nullptr) != CONSUMER_IMAGE) return 1;
  try {
    vlm::open_video("missing.mp4");
  } catch (const vlm::FileError& error) {
    if (error.id() != missing_video) return 2;
  }
  try {
    vlm::parse_json("{", "settings.json");
  } catch (const vlm::FileError& error) {
    return error.id() == "json-syntax" ? 0 : 1;
  }
  return 1;
}
