// Fuzz target: any bytes are an answer; what is read from it lies inside the picture and in order.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <vlm/io/json_definitions.hpp>
#include <vlm/vision/draw.hpp>
#include <vlm/vision/grounding_parser.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vlm::Image image(8, 12);
  const vlm::Grounding found = vlm::parse_grounding({reinterpret_cast<const char*>(data), size}, {8, 12});
  for (const vlm::Box& box : found.boxes)
    if (!(0 <= box.left && box.left <= box.right && box.right <= 12 && 0 <= box.top &&
          box.top <= box.bottom && box.bottom <= 8))
      std::abort();
  for (const vlm::Point& point : found.points)
    if (!(0 <= point.x && point.x <= 12 && 0 <= point.y && point.y <= 8)) std::abort();
  for (const vlm::Span& span : found.spans)
    if (!(0 <= span.start && span.start <= span.end)) std::abort();
  vlm::draw(image, found);
  if (!found.spans.empty()) vlm::draw_spans(image, found, found.spans.front().start);
  return 0;
}
