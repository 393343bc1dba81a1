// Version, the only feature macros of the library, and the compiler options that it refuses.
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

// 1 where video files are decoded, by FFmpeg's libraries, which come with the target vlm::video. A part of a program that
// has them serves all of it: this adds functions and changes no type.
#ifndef VLM_HAS_VIDEO
#define VLM_HAS_VIDEO 0
#endif

// 1 where JPEG, PNG, WebP and GIF are decoded, by the libraries that come with the target vlm::image. A part of a program
// that has them serves all of it: this adds functions and changes no type.
#ifndef VLM_HAS_IMAGE
#define VLM_HAS_IMAGE 0
#endif

// The bits of a result are promised, so additions keep their order, and NaN and infinity are values.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0)
#error "vlm: compile without -ffast-math and what it implies (-fassociative-math, -ffinite-math-only)"
#endif

// Errors are thrown.
#if !defined(__cpp_exceptions)
#error "vlm: compile with exceptions, not with -fno-exceptions"
#endif
