# What tests, examples and benchmarks have in common: the library they link and their warnings.
add_library(vlm_program INTERFACE)
if(VLM_HAS_KERNELS)
  target_link_libraries(vlm_program INTERFACE vlm::kernels)
else()
  target_link_libraries(vlm_program INTERFACE vlm::vlm)
endif()
if(VLM_HAS_IMAGE)
  target_link_libraries(vlm_program INTERFACE vlm::image)
endif()

set(warnings -Wall -Wextra -Wconversion -Wshadow)
if(VLM_WERROR)
  list(APPEND warnings -Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Guesses of g++'s optimiser, often wrong about std::string and std::vector: shown, not fatal.
    foreach(guess restrict array-bounds stringop-overflow stringop-overread maybe-uninitialized)
      list(APPEND warnings -Wno-error=${guess})
    endforeach()
  endif()
endif()
target_compile_options(vlm_program INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${warnings}>")

# One program per source, named as its file, in the folder `folder` of the build.
function(vlm_add_program source folder)
  cmake_path(GET source STEM name)
  add_executable(${name} "${source}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${folder}")
  target_link_libraries(${name} PRIVATE vlm_program)
  # The time goes into the kernels, which are compiled at full optimisation.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()
