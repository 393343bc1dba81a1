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
