// The pixel pass of vlm/vision/pixel_pass.hpp, compiled once.
#include <vlm/vision/cpu/pixel_pass.hpp>

template void vlm::detail::resize_rows<>(vlm::ImageRows&, vlm::Image&, vlm::Queue<vlm::Cpu>&);
template void vlm::detail::patch_rows<>(vlm::ImageRows&, const vlm::detail::PatchTarget&,
                                        vlm::Queue<vlm::Cpu>&);
