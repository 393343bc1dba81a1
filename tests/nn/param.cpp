#include <vlm/nn/param.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

template <class P>
concept HasGradientMemory = requires(P p, float* memory) { p.bind_gradient(memory); };

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_param)

BOOST_AUTO_TEST_CASE(a_frozen_parameter_has_no_place_for_a_gradient) {
  static_assert(HasGradientMemory<Param<TrainedEnv, 2>>);
  static_assert(!HasGradientMemory<Param<PassingEnv, 2>> && !HasGradientMemory<Param<InertEnv, 2>>);
  static_assert(sizeof(Param<TrainedEnv, 2>) == sizeof(Param<PassingEnv, 2>) + sizeof(float*));
  static_assert(!Param<PassingEnv, 1>::trained && Param<TrainedEnv, 1>::trained);
  static_assert(IsParam<Param<InertEnv, 3>> && !IsParam<int>);
  const Param<PassingEnv, 2> frozen(Shape<2>{{3, 4}});
  BOOST_TEST(!frozen.gradient());
}

BOOST_AUTO_TEST_CASE(a_trained_parameter_shows_value_and_gradient_in_its_shape) {
  Param<TrainedEnv, 2> param(Shape<2>{{3, 4}});
  BOOST_TEST(param.stored_shape() == (std::vector<Index>{3, 4}));
  BOOST_TEST((param.initial() == Initial::Normal));
  float value[12], gradient[12];
  param.bind(value, DType::F32);
  param.bind_gradient(gradient);
  BOOST_TEST(param.matrix().data == value);
  BOOST_TEST(param.matrix().outputs == 3);
  BOOST_TEST(param.matrix().inputs == 4);
  BOOST_TEST(param.gradient().row(2) == gradient + 8);
}

BOOST_AUTO_TEST_CASE(a_matrix_keeps_the_format_it_is_stored_in) {
  Param<InertEnv, 2> param(Shape<2>{{2, 2}});
  const bf16 stored[4] = {};
  param.bind(stored, DType::BF16);
  BOOST_TEST((param.matrix().format == DType::BF16));
  BOOST_TEST((param.format() == DType::BF16));
  BOOST_TEST(param.data() == stored);
}

BOOST_AUTO_TEST_CASE(the_shape_in_a_file_may_have_more_dimensions) {
  const Param<InertEnv, 2> kernel(Shape<2>{{8, 24}}, std::vector<Index>{8, 3, 2, 2, 2});
  BOOST_TEST(kernel.stored_shape() == (std::vector<Index>{8, 3, 2, 2, 2}));
  BOOST_TEST(kernel.shape()[1] == 24);
}

BOOST_AUTO_TEST_CASE(a_group_of_experts_is_stored_with_input_features_first) {
  Param<InertEnv, 3> experts(Shape<3>{{5, 4, 6}});
  float values[120];
  experts.bind(values, DType::F32);
  const MatrixGroup<Cpu> group = experts.group();
  BOOST_TEST(group.first.data == values);
  BOOST_TEST(group.first.inputs == 4);
  BOOST_TEST(group.first.outputs == 6);
  BOOST_TEST(group.first.input_major);
}

BOOST_AUTO_TEST_SUITE_END()
