# Install rules: headers, targets, and the package that find_package(vlm) reads.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/vlm")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/vlm" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")
install(TARGETS vlm EXPORT vlm-targets)
install(EXPORT vlm-targets NAMESPACE vlm:: DESTINATION "${package_dir}")
set(architecture ARCH_INDEPENDENT)
if(VLM_HAS_KERNELS)
  install(TARGETS vlm_kernels EXPORT vlm-kernels-targets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT vlm-kernels-targets NAMESPACE vlm:: DESTINATION "${package_dir}")
  set(architecture "")
endif()
if(TARGET vlm_video)
  install(TARGETS vlm_video EXPORT vlm-video-targets)
  install(EXPORT vlm-video-targets NAMESPACE vlm:: DESTINATION "${package_dir}")
endif()
install(FILES "${PROJECT_SOURCE_DIR}/cmake/find_ffmpeg.cmake" DESTINATION "${package_dir}")
if(VLM_HAS_IMAGE)
  install(TARGETS vlm_image EXPORT vlm-image-targets)
  install(EXPORT vlm-image-targets NAMESPACE vlm:: DESTINATION "${package_dir}")
  install(FILES "${PROJECT_SOURCE_DIR}/cmake/image.cmake" DESTINATION "${package_dir}")
endif()

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/vlm-config.cmake.in"
  "${PROJECT_BINARY_DIR}/vlm-config.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/vlm-config-version.cmake"
  COMPATIBILITY SameMinorVersion ${architecture})
install(FILES "${PROJECT_BINARY_DIR}/vlm-config.cmake" "${PROJECT_BINARY_DIR}/vlm-config-version.cmake"
  DESTINATION "${package_dir}")
