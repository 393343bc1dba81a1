// A parameter's matrices as rows of outputs in f32, whatever tensors and orientation they are stored in.
#pragma once

#include <cstring>
#include <vector>

#include <vlm/model/copy_weights.hpp>
#include <vlm/model/weight_index.hpp>
#include <vlm/nn/param.hpp>

namespace vlm::detail {

class SourceRows {
 public:
  // The source must fit the record, whose orientation is set.
  SourceRows(const ParamRecord& record, const WeightSource& source)
      : source_(&source), sizes_(record), turned_(record.turned()) {}

  const MatrixSizes& sizes() const { return sizes_; }

  // Outputs [first, first + rows) of matrix `group` to `to`, [rows, inputs].
  void read(Index group, Index first, Index rows, float* to) const {
    for (Index output = first; output < first + rows; ++output, to += sizes_.inputs) {
      const Index pieces = static_cast<Index>(source_->pieces.size());
      switch (source_->kind) {
        case WeightSource::Kind::Experts:
        case WeightSource::Kind::Stacked: {
          const Index parts = pieces / sizes_.count, each = sizes_.outputs / parts;
          copy(*piece(group * parts + output / each), output % each * sizes_.inputs, 1, to);
          break;
        }
        default: {
          const Index matrix = group * sizes_.outputs * sizes_.inputs;
          if (sizes_.grouped && !turned_)
            copy(*piece(0), matrix + output, sizes_.outputs, to);
          else
            copy(*piece(0), matrix + output * sizes_.inputs, 1, to);
        }
      }
    }
  }

 private:
  const StoredTensor* piece(Index i) const { return source_->pieces[static_cast<std::size_t>(i)]; }
  void copy(const StoredTensor& tensor, Index first, Index stride, float* to) const {
    const std::byte* bytes = tensor.bytes.data();
    if (stride == 1 && tensor.dtype == DType::BF16)
      return widen(bytes + static_cast<std::size_t>(first) * sizeof(bf16), to,
                   static_cast<std::size_t>(sizes_.inputs));
    for (Index i = 0; i < sizes_.inputs; ++i) {
      const auto at = static_cast<std::size_t>(first + i * stride);
      to[i] = tensor.dtype == DType::F32 ? element<float>(bytes, at)
                                         : static_cast<float>(element<bf16>(bytes, at));
    }
  }

  const WeightSource* source_;
  MatrixSizes sizes_;
  bool turned_;
};

}  // namespace vlm::detail
