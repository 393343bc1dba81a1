// The libraries that products are compared with, each where it was found when the benchmark was built.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#if defined(VLM_BENCH_EIGEN)
#include <Eigen/Core>
#endif
#if defined(VLM_BENCH_OPENBLAS)
#include <cblas.h>
extern "C" void openblas_set_num_threads(int);
#endif
#if defined(VLM_BENCH_ONEDNN)
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#endif

namespace bench {

struct Peer {
  std::string name;
  // C[m, n] = A[m, k] B[k, n] + beta C, all row-major and dense; a turned operand is stored [k, m] or [n, k].
  void (*multiply)(const float* a, bool a_turned, const float* b, bool b_turned, float* c, long m, long n,
                   long k, float beta);
};

// Settings that the libraries read when they are loaded: OpenBLAS's kernels for AVX-512, and idle threads that sleep
// rather than spin beside the one that is measured.
inline void prepare_peers(char** arguments) {
  if (std::getenv("OPENBLAS_CORETYPE")) return;
  setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
  setenv("OPENBLAS_THREAD_TIMEOUT", "12", 1);
  setenv("GOMP_SPINCOUNT", "20000", 1);
  execv("/proc/self/exe", arguments);
}

#if defined(VLM_BENCH_EIGEN)
inline void multiply_eigen(const float* a, bool a_turned, const float* b, bool b_turned, float* c, long m,
                           long n, long k, float beta) {
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const Rows> left(a, a_turned ? k : m, a_turned ? m : k);
  const Eigen::Map<const Rows> right(b, b_turned ? n : k, b_turned ? k : n);
  Eigen::Map<Rows> result(c, m, n);
  if (beta == 0) {
    if (a_turned)
      result.noalias() = left.transpose() * right;
    else if (b_turned)
      result.noalias() = left * right.transpose();
    else
      result.noalias() = left * right;
  } else {
    if (a_turned)
      result.noalias() += left.transpose() * right;
    else if (b_turned)
      result.noalias() += left * right.transpose();
    else
      result.noalias() += left * right;
  }
}
#endif
#if defined(VLM_BENCH_OPENBLAS)
inline void multiply_openblas(const float* a, bool a_turned, const float* b, bool b_turned, float* c, long m,
                              long n, long k, float beta) {
  cblas_sgemm(CblasRowMajor, a_turned ? CblasTrans : CblasNoTrans, b_turned ? CblasTrans : CblasNoTrans,
              static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), 1, a,
              static_cast<int>(a_turned ? m : k), b, static_cast<int>(b_turned ? k : n), beta, c,
              static_cast<int>(n));
}
#endif
#if defined(VLM_BENCH_ONEDNN)
inline void multiply_onednn(const float* a, bool a_turned, const float* b, bool b_turned, float* c, long m,
                            long n, long k, float beta) {
  dnnl_sgemm(a_turned ? 'T' : 'N', b_turned ? 'T' : 'N', m, n, k, 1, a, a_turned ? m : k, b, b_turned ? k : n,
             beta, c, n);
}
#endif

inline std::vector<std::unique_ptr<Peer>> product_peers([[maybe_unused]] int threads) {
  std::vector<std::unique_ptr<Peer>> peers;
#if defined(VLM_BENCH_EIGEN)
  Eigen::setNbThreads(threads);
  peers.push_back(std::make_unique<Peer>(Peer{"Eigen", multiply_eigen}));
#endif
#if defined(VLM_BENCH_ONEDNN)
  omp_set_num_threads(threads);
  peers.push_back(std::make_unique<Peer>(Peer{"oneDNN", multiply_onednn}));
#endif
#if defined(VLM_BENCH_OPENBLAS)
  openblas_set_num_threads(threads);
  peers.push_back(std::make_unique<Peer>(Peer{"OpenBLAS", multiply_openblas}));
#endif
  return peers;
}

}  // namespace bench
