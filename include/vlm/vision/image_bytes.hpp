// Numbers in the bytes of an image file, which may end anywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>

namespace vlm {

// Throws DataError [image-truncated] where a number lies beyond the end.
class ImageBytes {
 public:
  // `what` names the file's format in errors: "a PNG image".
  ImageBytes(std::string_view bytes, std::string_view name, std::string_view what)
      : bytes_(bytes), name_(name), what_(what) {}

  std::size_t size() const { return bytes_.size(); }
  bool has(std::size_t at, std::size_t count) const {
    return at <= bytes_.size() && count <= bytes_.size() - at;
  }
  std::string_view text(std::size_t at, std::size_t count) const {
    if (!has(at, count)) truncated();
    return bytes_.substr(at, count);
  }
  Index byte(std::size_t at) const { return number<1>(at, true); }
  Index big16(std::size_t at) const { return number<2>(at, true); }
  Index big32(std::size_t at) const { return number<4>(at, true); }
  Index little16(std::size_t at) const { return number<2>(at, false); }
  Index little24(std::size_t at) const { return number<3>(at, false); }
  Index little32(std::size_t at) const { return number<4>(at, false); }

  [[noreturn]] void truncated() const {
    throw DataError("image-truncated",
                    {{"image", std::string(name_)},
                     {"expected", std::string(what_) + " to its end"},
                     {"got", "the first " + std::to_string(bytes_.size()) + " bytes of one"},
                     {"try", "fetch or save the image again"}});
  }
  [[noreturn]] void damaged(std::string_view got) const {
    throw DataError("image-damaged", {{"image", std::string(name_)},
                                      {"expected", std::string(what_)},
                                      {"got", std::string(got)},
                                      {"try", "fetch or save the image again"}});
  }
  [[noreturn]] void unsupported(std::string_view expected, const std::string& got) const {
    throw DataError("image-kind", {{"image", std::string(name_)},
                                   {"expected", std::string(what_) + " of " + std::string(expected)},
                                   {"got", got},
                                   {"try", "save the image as PNG"}});
  }

 private:
  template <std::size_t Count>
  Index number(std::size_t at, bool big) const {
    const std::string_view part = text(at, Count);
    Index value = 0;
    for (std::size_t i = 0; i < Count; ++i)
      value = value << 8 | static_cast<std::uint8_t>(part[big ? i : Count - 1 - i]);
    return value;
  }

  std::string_view bytes_, name_, what_;
};

}  // namespace vlm
