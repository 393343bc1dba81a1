# vlm::vlm, the headers, and vlm::kernels, the operations compiled ahead.
find_package(Threads REQUIRED)
if(NOT TARGET nlohmann_json::nlohmann_json)
  find_package(nlohmann_json 3.11 REQUIRED)
endif()

add_library(vlm INTERFACE)
add_library(vlm::vlm ALIAS vlm)
target_include_directories(vlm INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
target_link_libraries(vlm INTERFACE Threads::Threads nlohmann_json::nlohmann_json)
# Where nlohmann-json is a single file, its scanner must not come from another copy that is installed.
get_target_property(vlm_json_folders nlohmann_json::nlohmann_json INTERFACE_INCLUDE_DIRECTORIES)
string(REGEX REPLACE "\\$<(BUILD|INSTALL)_INTERFACE:([^>]*)>" "\\2" vlm_json_folders "${vlm_json_folders}")
foreach(folder IN LISTS vlm_json_folders)
  if(EXISTS "${folder}/nlohmann/json.hpp" AND NOT EXISTS "${folder}/nlohmann/detail/input/lexer.hpp")
    target_compile_definitions(vlm INTERFACE VLM_WHOLE_JSON=1)
  endif()
endforeach()
# nvcc gets a flag, since CMake 3.25 knows no C++20 for nvcc 13, and leave to call std::bit_cast in kernels.
target_compile_features(vlm INTERFACE cxx_std_20)
target_compile_options(vlm INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;--expt-relaxed-constexpr>")

# Each file in cmake/kernels instantiates one family of operations. Whoever links the target sees declarations only.
file(GLOB kernel_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/kernels/*.cpp")
set(VLM_HAS_KERNELS OFF)
if(VLM_BUILD_KERNELS AND kernel_sources)
  set(VLM_HAS_KERNELS ON)
  add_library(vlm_kernels STATIC ${kernel_sources})
  add_library(vlm::kernels ALIAS vlm_kernels)
  set_target_properties(vlm_kernels PROPERTIES EXPORT_NAME kernels POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(vlm_kernels PUBLIC vlm)
  target_compile_definitions(vlm_kernels INTERFACE VLM_COMPILED=1)
endif()

# vlm::image, the headers with the decoders of JPEG, PNG, WebP and GIF, where all four libraries are found.
include("${CMAKE_CURRENT_LIST_DIR}/image.cmake")
if(VLM_IMAGE STREQUAL "OFF")
  set(VLM_HAS_IMAGE OFF)
else()
  vlm_find_image_libraries(VLM_HAS_IMAGE image_missing)
  if(VLM_IMAGE STREQUAL "ON" AND NOT VLM_HAS_IMAGE)
    message(FATAL_ERROR "VLM_IMAGE is ON, but these were not found: ${image_missing}\n"
      "  try  on Debian: apt-get install libjpeg62-turbo-dev libpng-dev libwebp-dev libgif-dev")
  endif()
endif()
if(VLM_HAS_IMAGE)
  add_library(vlm_image INTERFACE)
  add_library(vlm::image ALIAS vlm_image)
  set_target_properties(vlm_image PROPERTIES EXPORT_NAME image)
  target_link_libraries(vlm_image INTERFACE vlm ${VLM_IMAGE_LIBRARIES})
  target_compile_definitions(vlm_image INTERFACE VLM_HAS_IMAGE=1)
endif()
