// Version and the only feature macros of the library.
#pragma once

#define VLM_VERSION_MAJOR 0
#define VLM_VERSION_MINOR 1
#define VLM_VERSION_PATCH 0
#define VLM_VERSION "0.1.0"

// Functions that both the host and a CUDA kernel may call.
#if defined(__CUDACC__)
#define VLM_HD __host__ __device__
#else
#define VLM_HD
#endif

// 1 where the definitions of operations come from the compiled target vlm::kernels.
#ifndef VLM_COMPILED
#define VLM_COMPILED 0
#endif
