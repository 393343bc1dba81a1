#include <vlm/nn/env.hpp>

#include <boost/test/unit_test.hpp>
#include <type_traits>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(nn_env)

BOOST_AUTO_TEST_CASE(names_device_formats_and_mode) {
  using E = Env<Cpu, F32, Trained, BlockInputs>;
  static_assert(std::is_same_v<E::T, float> && std::is_same_v<E::Grad, float>);
  static_assert(std::is_same_v<E::Keep, BlockInputs>);
  static_assert(std::is_same_v<Env<Cpu, F32, Trained>::Keep, Everything>);
  static_assert(std::is_same_v<Env<Cuda, Bf16, Trained>::T, bf16>);
  static_assert(std::is_same_v<Env<Cuda, Bf16, Trained>::Grad, float>);
  static_assert(std::is_same_v<In<E>, View<const float, 2, Cpu>> &&
                std::is_same_v<Out<E>, View<float, 2, Cpu>>);
  static_assert(std::is_same_v<On<E>, Runtime<Cpu>&>);
  BOOST_TEST((Env<Cpu, F32, Trained>::trained && Env<Cpu, F32, Trained>::passes));
  BOOST_TEST((!Env<Cpu, F32, Passing>::trained && Env<Cpu, F32, Passing>::passes));
  BOOST_TEST((!Env<Cpu, F32, Inert>::trained && !Env<Cpu, F32, Inert>::passes));
}

BOOST_AUTO_TEST_SUITE_END()
