#include <vlm/ops/matrix.hpp>

#include <boost/test/unit_test.hpp>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(ops_matrix)

// A view keeps its pitch: part of a wider table can be a weight.
BOOST_AUTO_TEST_CASE(of_a_view) {
  float values[20] = {};
  const View<float, 2, Cpu> part = View<float, 2, Cpu>(values, Shape<2>{{4, 5}}).columns(2, 3);
  const Matrix<Cpu> matrix = View<const float, 2, Cpu>(part);
  BOOST_TEST(matrix.data == values + 2);
  BOOST_TEST((matrix.format == DType::F32));
  BOOST_TEST(matrix.outputs == 4);
  BOOST_TEST(matrix.inputs == 3);
  BOOST_TEST(matrix.pitch == 5);
  BOOST_TEST(!matrix.input_major);
}

BOOST_AUTO_TEST_CASE(of_stored_bytes) {
  const bf16 values[6] = {};
  const Matrix<Cpu> matrix(values, DType::BF16, 2, 3);
  BOOST_TEST(matrix.data == values);
  BOOST_TEST((matrix.format == DType::BF16));
  BOOST_TEST(matrix.outputs == 2);
  BOOST_TEST(matrix.inputs == 3);
  BOOST_TEST(matrix.pitch == 3);
}

BOOST_AUTO_TEST_CASE(empty) {
  const Matrix<Cpu> matrix;
  BOOST_TEST(matrix.data == nullptr);
  BOOST_TEST(matrix.outputs == 0);
}

BOOST_AUTO_TEST_SUITE_END()
