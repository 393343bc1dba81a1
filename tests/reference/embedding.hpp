// y[i] = table[ids[i]]; backward: the rows of dy added up by id.
#pragma once

#include "table.hpp"

namespace reference {

inline Table embedding(const Table& ids, const Table& table) {
  Table y(ids.rows, table.columns);
  for (Index i = 0; i < ids.rows; ++i)
    for (Index j = 0; j < table.columns; ++j) y(i, j) = table(ids.at(i), j);
  return y;
}

inline Table embedding_backward(const Table& ids, const Table& dy, Index vocabulary) {
  Table dtable(vocabulary, dy.columns);
  for (Index i = 0; i < ids.rows; ++i)
    for (Index j = 0; j < dy.columns; ++j) dtable(ids.at(i), j) += dy(i, j);
  return dtable;
}

}  // namespace reference
