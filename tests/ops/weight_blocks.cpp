#include <vlm/ops/weight_blocks.hpp>

#include <algorithm>
#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <vlm/core/buffer.hpp>
#include <vlm/core/random.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/ops/cpu/bf16_tile.hpp>
#include <vlm/ops/embedding.hpp>
#include <vlm/ops/grouped_matmul.hpp>
#include <vlm/ops/matmul.hpp>
#if !defined(VLM_COMPILED)
#include <vlm/cpu.hpp>
#endif

#include "message_of.hpp"

using namespace vlm;

namespace {

std::vector<IsaLevel> levels() {
  std::vector<IsaLevel> result;
  for (int level = 0; level <= static_cast<int>(best_isa_level()); ++level)
    result.push_back(static_cast<IsaLevel>(level));
  return result;
}

std::vector<float> normal(Index count, float size, std::uint64_t seed) {
  const Random random(seed, "tests");
  std::vector<float> values;
  for (Index i = 0; i < count; ++i)
    values.push_back(size * static_cast<float>(random.normal(static_cast<std::uint64_t>(i))));
  return values;
}

View<const float, 2, Cpu> view(const std::vector<float>& values, Index rows, Index columns) {
  return {values.data(), Shape<2>{{rows, columns}}};
}
View<float, 2, Cpu> view(std::vector<float>& values, Index rows, Index columns) {
  return {values.data(), Shape<2>{{rows, columns}}};
}

// A weight of blocks, and its numbers as an embedding reads them.
struct Weight {
  Weight(DType type, Index rows, Index columns, const std::vector<float>& values,
         IsaLevel level = best_isa_level())
      : format(type), outputs(rows), inputs(columns), panels(matrix_bytes(type, rows, columns)) {
    Queue<Cpu> queue(2, level);
    holds = make_blocks<float>(queue, view(values, rows, columns), type, panels.data());
  }
  Matrix<Cpu> matrix() const { return Matrix<Cpu>(panels.data(), format, outputs, inputs); }
  std::vector<float> numbers() const {
    std::vector<std::int32_t> ids;
    for (Index i = 0; i < outputs; ++i) ids.push_back(static_cast<std::int32_t>(i));
    std::vector<float> y(static_cast<std::size_t>(outputs * inputs));
    Runtime<Cpu> runtime(1);
    runtime.run(EmbeddingForward<Cpu, float>{
        .ids = {ids.data(), Shape<1>{{outputs}}}, .table = matrix(), .y = view(y, outputs, inputs)});
    return y;
  }
  DType format;
  Index outputs, inputs;
  Buffer<Cpu> panels;
  bool holds = false;
};

struct Run {
  IsaLevel level = best_isa_level();
  int threads = 1;
};
std::vector<float> product(const Run& run, const std::vector<float>& x, Index rows, const Weight& weight,
                           const std::vector<float>& bias = {}, Activation activation = Activation::None) {
  std::vector<float> y(static_cast<std::size_t>(rows * weight.outputs), 12345);
  LinearForward<Cpu, float> op{.x = view(x, rows, weight.inputs),
                               .weight = weight.matrix(),
                               .y = view(y, rows, weight.outputs),
                               .activation = activation};
  if (!bias.empty()) op.bias = {bias.data(), Shape<1>{{weight.outputs}}};
  Runtime<Cpu> runtime(run.threads, run.level);
  runtime.plan([&] { runtime.run(op); });
  runtime.run(op);
  return y;
}

// The rows as the product takes them: rounded to bf16, or blocks of 32 in steps of the largest over 127.
std::vector<double> in_steps(DType format, const std::vector<float>& x, Index inputs) {
  std::vector<double> result(x.begin(), x.end());
  if (is_bf16_blocks(format)) {
    for (double& value : result) value = static_cast<float>(bf16(static_cast<float>(value)));
    return result;
  }
  for (Index row = 0; row < static_cast<Index>(x.size()) / inputs; ++row)
    for (Index first = 0; first < inputs; first += 32) {
      const Index last = std::min(inputs, first + 32);
      float most = 0;
      for (Index i = first; i < last; ++i)
        most = std::max(most, std::abs(x[static_cast<std::size_t>(row * inputs + i)]));
      for (Index i = first; i < last && most > 0; ++i) {
        const auto at = static_cast<std::size_t>(row * inputs + i);
        result[at] = static_cast<double>(most) / 127 * std::nearbyint(x[at] * (127 / most));
      }
    }
  return result;
}

// || a - x w' || / || x w' ||
double error(const std::vector<float>& a, const std::vector<double>& x, const std::vector<float>& weight,
             Index rows, Index outputs, Index inputs) {
  double difference = 0, size = 0;
  for (Index row = 0; row < rows; ++row)
    for (Index o = 0; o < outputs; ++o) {
      double sum = 0;
      for (Index i = 0; i < inputs; ++i)
        sum +=
            x[static_cast<std::size_t>(row * inputs + i)] * weight[static_cast<std::size_t>(o * inputs + i)];
      difference += std::pow(a[static_cast<std::size_t>(row * outputs + o)] - sum, 2);
      size += sum * sum;
    }
  return size > 0 ? std::sqrt(difference / size) : difference;
}

double error(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(a[i] - b[i], 2);
    size += std::pow(b[i], 2);
  }
  return std::sqrt(difference / size);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_weight_blocks)

BOOST_AUTO_TEST_CASE(bytes_of_a_matrix) {
  BOOST_TEST(matrix_bytes(DType::F32, 3, 5) == 60);
  BOOST_TEST(matrix_bytes(DType::BF16, 3, 5) == 30);
  BOOST_TEST(matrix_bytes(DType::I8Blocks, 2048, 2048) == 2048 * 2048 / 32 * 34);
  BOOST_TEST(matrix_bytes(DType::I4Blocks, 2048, 2048) == 2048 * (2048 / 32 * 35 / 2 + 8));
  BOOST_TEST(matrix_bytes(DType::I8Blocks, 1, 1) == 576);
  BOOST_TEST(matrix_bytes(DType::I4Blocks, 17, 33) == 2 * 704);
  BOOST_TEST(matrix_bytes(DType::I4Blocks, 16, 96) == 1024);
  BOOST_TEST(matrix_bytes(DType::Bf16Blocks, 2048, 2048) == 2048 * 2048 * 2);
  BOOST_TEST(matrix_bytes(DType::Bf16Blocks, 17, 33) == 2 * 2048);
  BOOST_TEST(matrix_bytes(DType::Bf16CodeBlocks, 2048, 2048) == 2048 / 16 * (128 + 64 * 752 + 512));
  BOOST_TEST(matrix_bytes(DType::Bf16CodeBlocks, 17, 257) == 2 * (64 + 9 * 752 + 16 + 512));
}

// Whole steps of a scale that bf16 holds come back exactly; so do steps of 15 above a minimum, and any number of bf16.
BOOST_AUTO_TEST_CASE(numbers_that_fit_come_back) {
  std::vector<float> values;
  for (int i = 0; i < 32 * 20; ++i)
    values.push_back(static_cast<float>(i % 32 == 0 ? 127 : i * 37 % 255 - 127) / 64);
  BOOST_TEST(Weight(DType::I8Blocks, 20, 32, values).numbers() == values, boost::test_tools::per_element());
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i % 32 < 2 ? 15 * (i % 2) : i * 7 % 16) / 8 - 1;
  const std::vector<float> back = Weight(DType::I4Blocks, 20, 32, values).numbers();
  for (std::size_t i = 0; i < values.size(); ++i) BOOST_TEST(std::abs(back[i] - values[i]) < 1e-6f);
}

// Every scale with one minimum or another, and every minimum in each place of four blocks.
BOOST_AUTO_TEST_CASE(steps_that_fit_come_back) {
  const int blocks = 128, rows = 5;
  std::vector<float> values;
  for (int row = 0; row < rows; ++row)
    for (int block = 0; block < blocks; ++block) {
      const int scale = block < 2 ? 63 : (block + row) % 63 + 1,
                minimum = block < 2 ? 63 : std::min(15 * scale, (block / 4 * 5 + block % 4 + row * 11) % 64);
      for (int i = 0; i < 32; ++i)
        values.push_back(static_cast<float>(scale * (i < 2 ? 15 * i : i * 7 % 16) - minimum) / 1024);
    }
  for (const IsaLevel level : levels()) {
    const std::vector<float> back = Weight(DType::I4Blocks, rows, 32 * blocks, values, level).numbers();
    for (std::size_t i = 0; i < values.size(); ++i) BOOST_TEST(std::abs(back[i] - values[i]) < 1e-5f);
  }
}

// Numbers whose squares overflow or vanish.
BOOST_AUTO_TEST_CASE(sizes_of_numbers) {
  const Index outputs = 20, inputs = 100;
  for (const float size : {1e-30f, 1e-20f, 1e20f, 1e37f}) {
    std::vector<float> values = normal(outputs * inputs, 1, 19);
    for (float& value : values) value *= size;
    for (const IsaLevel level : levels())
      for (const DType format : {DType::I8Blocks, DType::I4Blocks}) {
        std::vector<float> back = Weight(format, outputs, inputs, values, level).numbers(), same = values;
        for (std::vector<float>* of : {&back, &same})
          for (float& value : *of) value /= size;
        BOOST_TEST(error(back, same) < (format == DType::I8Blocks ? 0.0075 : 0.09));
      }
  }
}

// Every bit pattern as it is, and what lies between two as bf16's constructor rounds it.
BOOST_AUTO_TEST_CASE(bf16_keeps_every_number) {
  const Index outputs = 2 * 256, inputs = 129;
  std::vector<float> values(static_cast<std::size_t>(outputs * inputs));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i << 16) |
                                     (i < 0x10000 ? 0u : 0x8000u + static_cast<std::uint32_t>(i % 3) - 1));
  for (const IsaLevel level : levels()) {
    const std::vector<float> back = Weight(DType::Bf16Blocks, outputs, inputs, values, level).numbers();
    for (std::size_t i = 0; i < values.size(); ++i)
      BOOST_REQUIRE_EQUAL(bf16(back[i]).bits, bf16(values[i]).bits);
  }
}

// Numbers of every bit pattern here and there, whose exponents are rare: not finite, zero, denormal, huge.
void put_rare(std::vector<float>& values, std::size_t first, std::size_t count, std::size_t step) {
  const float rare[] = {std::numeric_limits<float>::infinity(), -0.0f, 1e-40f, -3e38f, 1e-20f};
  for (std::size_t i = 0; i < count && first < values.size(); ++i, first += step) values[first] = rare[i % 5];
}

// Codes give the bits of bf16, also where a slab has no rare exponent, as many as its room takes, or more.
BOOST_AUTO_TEST_CASE(codes_are_exact) {
  for (const auto& [outputs, inputs] :
       {std::pair<Index, Index>{37, 1030}, {16, 256}, {1, 1}, {20, 31}, {64, 512}, {16, 2048}})
    for (const std::size_t step : {1000000u, 40u, 17u, 3u}) {
      std::vector<float> values = normal(outputs * inputs, 0.02f, 17);
      put_rare(values, 0, std::min<std::size_t>(100, values.size() / 60), step);
      for (const IsaLevel level : levels()) {
        const Weight codes(DType::Bf16CodeBlocks, outputs, inputs, values, level),
            plain(DType::Bf16Blocks, outputs, inputs, values, level);
        BOOST_TEST(codes.holds);
        const std::vector<float> numbers = codes.numbers(), expected = plain.numbers();
        BOOST_TEST(std::memcmp(numbers.data(), expected.data(), 4 * numbers.size()) == 0);
      }
    }
}

// Products of few rows and of many have the bits of bf16 blocks.
BOOST_AUTO_TEST_CASE(products_with_codes) {
  for (const auto& [outputs, inputs] :
       {std::pair<Index, Index>{123, 1030}, {16, 32}, {33, 256}, {64, 2080}}) {
    std::vector<float> values = normal(outputs * inputs, 0.02f, 16);
    for (std::size_t i = 0; i < values.size(); i += 29)
      values[i] *= std::ldexp(1.0f, static_cast<int>(i % 41) - 30);
    for (const IsaLevel level : levels())
      for (const Index rows : {Index{1}, Index{2}, Index{5}, Index{210}}) {
        const std::vector<float> x = normal(rows * inputs, 1, 18);
        const Weight codes(DType::Bf16CodeBlocks, outputs, inputs, values);
        BOOST_TEST(codes.holds);
        BOOST_TEST((product({level, 2}, x, rows, codes) ==
                    product({level, 2}, x, rows, Weight(DType::Bf16Blocks, outputs, inputs, values))));
      }
  }
}

// 128 rare exponents within a slab, and 32 times the 10 blocks of a panel behind its two slabs.
BOOST_AUTO_TEST_CASE(codes_have_room) {
  const Index outputs = 48, inputs = 320;
  std::vector<float> even(static_cast<std::size_t>(outputs * inputs));
  for (std::size_t i = 0; i < even.size(); ++i) even[i] = std::ldexp(1.0f, static_cast<int>(i % 7));
  // Of the second panel; each exponent is seen less often than the seven.
  const auto with = [&](Index first_slab, Index second_slab) {
    std::vector<float> values = even;
    for (Index i = 0; i < first_slab + second_slab; ++i) {
      const bool second = i >= first_slab;
      const Index at = second ? i - first_slab : i, width = second ? 64 : 256;
      values[static_cast<std::size_t>((16 + at / width) * inputs + (second ? 256 : 0) + at % width)] =
          std::ldexp(1.0f, -20 - static_cast<int>(i % 40));
    }
    return values;
  };
  for (const auto& [first, second] :
       {std::pair<Index, Index>{0, 0}, {128, 32}, {129, 32}, {129, 33}, {320, 32}, {287, 33}}) {
    const std::vector<float> values = with(first, second);
    BOOST_TEST(Weight(DType::Bf16CodeBlocks, outputs, inputs, values).holds);
    BOOST_TEST((Weight(DType::Bf16CodeBlocks, outputs, inputs, values).numbers() == values));
  }
  for (const auto& [first, second] : {std::pair<Index, Index>{321, 0}, {288, 33}}) {
    BOOST_TEST(!Weight(DType::Bf16CodeBlocks, outputs, inputs, with(first, second)).holds);
    BOOST_TEST(Weight(DType::Bf16Blocks, outputs, inputs, with(first, second)).holds);
  }
}

// Bytes that no encoder wrote give some numbers, the same on every road, and touch no memory of others.
BOOST_AUTO_TEST_CASE(codes_of_any_bytes) {
  const Random random(3, "bytes");
  for (const auto& [outputs, inputs] : {std::pair<Index, Index>{16, 1024}, {33, 300}, {5, 31}})
    for (const int round : {0, 1, 2, 3}) {
      const Weight weight(DType::Bf16CodeBlocks, outputs, inputs, normal(outputs * inputs, 1, 19));
      std::byte* bytes = const_cast<std::byte*>(weight.panels.data());
      const auto fill = [&](std::byte* first, std::byte* last, unsigned all) {
        for (std::byte* at = first; at < last; ++at)
          *at = static_cast<std::byte>(round < 2 ? 255u * static_cast<unsigned>(round)
                                                 : random.bits(static_cast<std::uint64_t>(at - bytes)) & all);
      };
      for (Index i = 0; i < panels_of(outputs); ++i) {
        std::byte* first = bytes + i * panel_bytes(weight.format, inputs);
        const CodePanel<std::byte> panel(first, inputs);
        // Exponents of numbers that no sum makes infinite.
        for (std::byte* at = panel.far(); at < first + panel_bytes(weight.format, inputs); ++at)
          *at = static_cast<std::byte>(0x38u + random.bits(static_cast<std::uint64_t>(at - bytes)) % 8);
        for (Index slab = 0; slab < panel.slabs(); ++slab) {
          fill(panel.units(slab), panel.units(slab) + panel.blocks(slab) * code_block_bytes, 0xff);
          const auto behind = static_cast<std::uint32_t>(
              panel.last_rare() - first -
              static_cast<Index>(random.bits(static_cast<std::uint64_t>(slab)) % 70) * (round % 2));
          std::memcpy(panel.rare_places(slab), &behind, sizeof behind);
        }
      }
      const std::vector<float> numbers = weight.numbers();
      const Weight plain(DType::Bf16Blocks, outputs, inputs, numbers);
      for (const IsaLevel level : levels())
        for (const Index rows : {1, 2, 9}) {
          const std::vector<float> x = normal(rows * inputs, 1, 20);
          BOOST_TEST((product({level}, x, rows, weight) == product({level}, x, rows, plain)));
        }
    }
}

// Products of several weights at once have the bits of each alone, whatever their formats.
BOOST_AUTO_TEST_CASE(products_together) {
  const Index inputs = 300, widths[] = {70, 16, 33};
  using enum DType;
  const std::vector<std::vector<DType>> lists = {{Bf16CodeBlocks, Bf16Blocks, Bf16CodeBlocks},
                                                 {I8Blocks, I4Blocks, I8Blocks},
                                                 {I8Blocks, Bf16Blocks},
                                                 {Bf16Blocks, I4Blocks, Bf16CodeBlocks},
                                                 {I4Blocks}};
  for (const std::vector<DType>& formats : lists)
    for (const IsaLevel level : levels())
      for (const Index rows : {0, 1, 7, 600}) {
        const std::vector<float> x = normal(rows * inputs, 1, 21), bias = normal(widths[1], 1, 22);
        std::vector<Weight> weights;
        weights.reserve(formats.size());
        std::vector<std::vector<float>> results, expected;
        LinearForwards<Cpu, float> op{.x = view(x, rows, inputs)};
        for (std::size_t i = 0; i < formats.size(); ++i) {
          weights.emplace_back(formats[i], widths[i], inputs, normal(widths[i] * inputs, 0.1f, 23 + i));
          const std::vector<float> added = i == 1 ? bias : std::vector<float>();
          expected.push_back(product({level, 2}, x, rows, weights.back(), added));
          results.emplace_back(static_cast<std::size_t>(rows * (widths[i] + 3)), 12345);
        }
        for (std::size_t i = 0; i < formats.size(); ++i) {
          op.products[i] = {.weight = weights[i].matrix(),
                            .y = view(results[i], rows, widths[i] + 3).columns(0, widths[i])};
          if (i == 1) op.products[i].bias = {bias.data(), Shape<1>{{widths[1]}}};
          ++op.count;
        }
        Runtime<Cpu> runtime(2, level);
        runtime.plan([&] { runtime.run(op); });
        runtime.run(op);
        for (std::size_t i = 0; i < formats.size(); ++i)
          for (Index row = 0; row < rows; ++row) {
            const float* y = results[i].data() + row * (widths[i] + 3);
            BOOST_TEST(std::equal(y, y + widths[i], expected[i].data() + row * widths[i]));
            BOOST_TEST(y[widths[i]] == 12345);
          }
      }
}

// Of normal numbers; every level agrees but for the last bits.
BOOST_AUTO_TEST_CASE(numbers_stay_close) {
  const Index outputs = 37, inputs = 300;
  const std::vector<float> values = normal(outputs * inputs, 0.02f, 1);
  for (const IsaLevel level : levels()) {
    BOOST_TEST(error(Weight(DType::I8Blocks, outputs, inputs, values, level).numbers(), values) < 0.0055);
    BOOST_TEST(error(Weight(DType::I4Blocks, outputs, inputs, values, level).numbers(), values) < 0.072);
    for (const DType format : {DType::Bf16Blocks, DType::Bf16CodeBlocks})
      BOOST_TEST(error(Weight(format, outputs, inputs, values, level).numbers(), values) < 0.002);
  }
  const std::vector<float> zeros(static_cast<std::size_t>(outputs * inputs));
  for (const DType format : block_formats)
    BOOST_TEST((Weight(format, outputs, inputs, zeros).numbers() == zeros));
}

// Against fp64 of the numbers that the blocks stand for: exact but for f32 with the rows in their steps, and close
// with the rows as they are.
BOOST_AUTO_TEST_CASE(products_agree) {
  struct Sizes {
    Index rows, inputs, outputs;
  };
  for (const DType format : block_formats)
    for (const Sizes& s : {Sizes{0, 64, 32},
                           {1, 1, 1},
                           {1, 64, 96},
                           {1, 97, 49},
                           {1, 64, 113},
                           {1, 300, 130},
                           {5, 31, 17},
                           {6, 288, 64},
                           {2, 515, 37},
                           {3, 33, 16},
                           {7, 96, 49},
                           {13, 700, 130},
                           {50, 1030, 33},
                           {800, 40, 20}}) {
      const std::vector<float> x = normal(s.rows * s.inputs, 1, 2);
      const Weight weight(format, s.outputs, s.inputs, normal(s.outputs * s.inputs, 0.1f, 3));
      BOOST_TEST(weight.holds);
      for (const IsaLevel level : levels()) {
        const std::vector<float> y = product({level, 2}, x, s.rows, weight), numbers = weight.numbers();
        BOOST_TEST(error(y, in_steps(format, x, s.inputs), numbers, s.rows, s.outputs, s.inputs) < 1e-5);
        if (s.inputs > 30)
          BOOST_TEST(error(y, {x.begin(), x.end()}, numbers, s.rows, s.outputs, s.inputs) < 0.012);
      }
    }
}

// Each element against fp64: the products of a pair are exact, and each of the chain's additions rounds by at most
// 2^-23 of the sum of magnitudes.
BOOST_AUTO_TEST_CASE(bf16_chains_are_as_near_as_their_length) {
  const Index rows = 7, inputs = 1030, outputs = 50;
  const std::vector<float> x = normal(rows * inputs, 1, 13);
  const Weight weight(DType::Bf16Blocks, outputs, inputs, normal(outputs * inputs, 0.1f, 14));
  const std::vector<double> rounded = in_steps(DType::Bf16Blocks, x, inputs);
  const std::vector<float> numbers = weight.numbers();
  for (const IsaLevel level : levels()) {
    const std::vector<float> y = product({level}, x, rows, weight);
    for (Index row = 0; row < rows; ++row)
      for (Index o = 0; o < outputs; ++o) {
        double sum = 0, size = 0;
        for (Index i = 0; i < inputs; ++i) {
          const double term = rounded[static_cast<std::size_t>(row * inputs + i)] *
                              numbers[static_cast<std::size_t>(o * inputs + i)];
          sum += term;
          size += std::abs(term);
        }
        BOOST_TEST(std::abs(y[static_cast<std::size_t>(row * outputs + o)] - sum) <=
                   static_cast<double>(inputs) * 0x1p-23 * size);
      }
  }
}

// The kernels without the processor's own products of bf16, of which a machine that has these takes some nowhere: near
// fp64, and few rows as many.
BOOST_AUTO_TEST_CASE(bf16_tiles_of_floats) {
  const Index rows = 15, panels = 3, inputs = 192;
  const std::vector<float> x = normal(rows * inputs, 1, 15);
  const Weight weight(DType::Bf16Blocks, panels * panel_outputs, inputs,
                      normal(panels * panel_outputs * inputs, 0.1f, 16));
  Buffer<Cpu> memory(cpu::Bf16Rows::bytes(rows, inputs));
  const cpu::Bf16Rows a(memory.data(), rows, inputs);
  for (const IsaLevel level : levels()) {
    cpu::dispatch<cpu::Bf16RowsKernel>(level, x.data(), inputs, a, Index{0}, rows);
    const auto multiply = [&](Index count) {
      std::vector<float> sums(static_cast<std::size_t>(rows * cpu::Bf16Tile::sum_pitch), 12345);
      cpu::Bf16Tile tile{.panel = weight.panels.data(),
                         .panel_pitch = panel_bytes(DType::Bf16Blocks, inputs),
                         .panels = panels,
                         .a = a.at(0, 0),
                         .pairs = 16,
                         .begins = true,
                         .sums = sums.data(),
                         .to = sums.data()};
      cpu::dispatch<cpu::Bf16TileKernel>(level, static_cast<const cpu::Bf16Tile*>(&tile), count);
      tile.panel += 4 * panel_outputs * tile.pairs;  // the inputs that follow
      tile.a += 2 * tile.pairs;
      tile.pairs = inputs / 2 - tile.pairs;
      tile.begins = false;
      cpu::dispatch<cpu::Bf16TileKernel>(level, static_cast<const cpu::Bf16Tile*>(&tile), count);
      std::vector<float> y;
      for (Index row = 0; row < count; ++row) {
        const float* from = sums.data() + row * cpu::Bf16Tile::sum_pitch;
        y.insert(y.end(), from, from + panels * panel_outputs);
        BOOST_TEST(from[panels * panel_outputs] == 12345);
      }
      return y;
    };
    const std::vector<float> many = multiply(rows), few = multiply(2);
    BOOST_TEST(error(many, in_steps(DType::Bf16Blocks, x, inputs), weight.numbers(), rows, weight.outputs,
                     inputs) < 1e-6);
    BOOST_TEST(std::equal(few.begin(), few.end(), many.begin()));
  }
}

BOOST_AUTO_TEST_CASE(bias_and_activation_follow) {
  const Index rows = 9, inputs = 70, outputs = 45;
  const std::vector<float> x = normal(rows * inputs, 1, 4), bias = normal(outputs, 1, 5);
  for (const DType format : block_formats) {
    const Weight weight(format, outputs, inputs, normal(outputs * inputs, 0.1f, 6));
    for (const IsaLevel level : levels()) {
      const std::vector<float> plain = product({level}, x, rows, weight),
                               y = product({level}, x, rows, weight, bias, Activation::GeluErf);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double sum = plain[i] + bias[i % static_cast<std::size_t>(outputs)];
        BOOST_TEST(std::abs(y[i] - sum * 0.5 * (1 + std::erf(sum / std::sqrt(2.0)))) < 1e-5);
      }
    }
  }
}

// A row's bits depend on that row alone.
BOOST_AUTO_TEST_CASE(rows_do_not_depend_on_others) {
  const Index rows = 50, inputs = 1030, outputs = 75;
  const std::vector<float> x = normal(rows * inputs, 1, 7);
  for (const DType format : block_formats) {
    const Weight weight(format, outputs, inputs, normal(outputs * inputs, 0.1f, 8));
    for (const IsaLevel level : levels()) {
      const std::vector<float> together = product({level, 2}, x, rows, weight);
      BOOST_TEST((product({level, 7}, x, rows, weight) == together));
      for (Index first = 0, count = 1; first < rows;
           first += count, count = std::min(count + 3, rows - first)) {
        const std::vector<float> some(x.begin() + first * inputs, x.begin() + (first + count) * inputs);
        const std::vector<float> y = product({level, 1}, some, count, weight);
        BOOST_TEST(std::equal(y.begin(), y.end(), together.begin() + first * outputs));
      }
    }
  }
}

// What is not finite shows in its own row and in no other.
BOOST_AUTO_TEST_CASE(numbers_that_are_not_finite) {
  const Index rows = 7, inputs = 64, outputs = 20;
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    for (const DType format : block_formats) {
      std::vector<float> x = normal(rows * inputs, 1, 9);
      const Weight weight(format, outputs, inputs, normal(outputs * inputs, 0.1f, 10));
      for (const IsaLevel level : levels()) {
        x[2 * 64 + 5] = 0;
        const std::vector<float> before = product({level}, x, rows, weight);
        x[2 * 64 + 5] = bad;
        const std::vector<float> y = product({level}, x, rows, weight);
        for (std::size_t i = 0; i < y.size(); ++i)
          BOOST_TEST((i / 20 == 2 ? !std::isfinite(y[i]) : y[i] == before[i]));
      }
    }
}

// The largest finite numbers are numbers, and a product without inputs is zero.
BOOST_AUTO_TEST_CASE(large_numbers_and_none) {
  for (const DType format : block_formats) {
    const Weight weight(format, 1, 32, std::vector<float>(32, 0.5f)), nothing(format, 3, 0, {});
    std::vector<float> x(32);
    x[7] = 3e38f;
    for (const IsaLevel level : levels()) {
      BOOST_TEST(std::abs(product({level}, x, 1, weight)[0] / 1.5e38f - 1) < 0.01f);
      for (const float y : product({level}, {}, 2, nothing)) BOOST_TEST(y == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(groups_go_through_their_own_blocks) {
  const Index groups = 3, inputs = 96, outputs = 40, rows = 11;
  const std::vector<std::int32_t> offsets = {0, 4, 4, 11};
  const std::vector<float> x = normal(rows * inputs, 1, 11);
  for (const DType format : block_formats) {
    const std::size_t each = matrix_bytes(format, outputs, inputs);
    Buffer<Cpu> all(groups * each);
    std::vector<Weight> weights;
    for (Index g = 0; g < groups; ++g) {
      weights.emplace_back(format, outputs, inputs,
                           normal(outputs * inputs, 0.1f, 12 + static_cast<std::uint64_t>(g)));
      std::memcpy(all.data() + static_cast<std::size_t>(g) * each, weights.back().panels.data(), each);
    }
    for (const IsaLevel level : levels()) {
      std::vector<float> y(static_cast<std::size_t>(rows * outputs));
      Runtime<Cpu> runtime(2, level);
      const GroupedForward<Cpu, float> op{
          .x = view(x, rows, inputs),
          .weights = {Matrix<Cpu>(all.data(), format, outputs, inputs), outputs * inputs, groups},
          .offsets = {offsets.data(), Shape<1>{{groups + 1}}},
          .y = view(y, rows, outputs)};
      runtime.plan([&] { runtime.run(op); });
      runtime.run(op);
      for (std::size_t g = 0; g < 3; ++g) {
        const Index first = offsets[g], count = offsets[g + 1] - first;
        const std::vector<float> some(x.begin() + first * inputs, x.begin() + (first + count) * inputs);
        const std::vector<float> expected = product({level}, some, count, weights[g]);
        BOOST_TEST(std::equal(expected.begin(), expected.end(), y.begin() + first * outputs));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(gradients_do_not_pass) {
  const Weight weight(DType::I8Blocks, 16, 32, std::vector<float>(512, 1));
  const std::vector<float> dy(16);
  std::vector<float> dx(32);
  Runtime<Cpu> runtime(1);
  const LinearBackwardInput<Cpu, float> op{
      .dy = view(dy, 1, 16), .weight = weight.matrix(), .dx = view(dx, 1, 32)};
  runtime.plan([&] { runtime.run(op); });
  BOOST_TEST(message_of([&] { runtime.run(op); }) ==
             "vlm::ConfigError [weight-blocks]\n"
             "  expected  F32 or BF16 weights where gradients pass\n"
             "  got       I8_BLOCKS\n"
             "  try       loading the model without a weight format");
}

BOOST_AUTO_TEST_SUITE_END()
