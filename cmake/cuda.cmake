# VLM_HAS_NVCC: whether the CUDA language is on. The library itself never needs it.
set(VLM_HAS_NVCC OFF)
if(NOT VLM_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND EXISTS /usr/local/cuda/bin/nvcc)
    set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc CACHE FILEPATH "nvcc")
  endif()
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES "80;90a")  # "native" fails on a machine without a GPU
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    set(VLM_HAS_NVCC ON)
  elseif(VLM_CUDA STREQUAL "ON")
    message(FATAL_ERROR "VLM_CUDA is ON, but no nvcc was found.\n"
      "  try  name it with -DCMAKE_CUDA_COMPILER=<path of nvcc>, or configure with -DVLM_CUDA=OFF")
  endif()
endif()
