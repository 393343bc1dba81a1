// Rows written to, added to, read from and zeroed at given places.
#pragma once

#include "table.hpp"

namespace reference {

inline Table place_rows(Table into, const Table& at, const Table& from) {
  for (Index i = 0; i < at.rows; ++i)
    for (Index j = 0; j < into.columns; ++j) into(at.at(i), j) = from(i, j);
  return into;
}

inline Table add_rows(Table into, const Table& at, const Table& from) {
  for (Index i = 0; i < at.rows; ++i)
    for (Index j = 0; j < into.columns; ++j) into(at.at(i), j) += from(i, j);
  return into;
}

inline Table take_rows(const Table& from, const Table& at) {
  Table into(at.rows, from.columns);
  for (Index i = 0; i < at.rows; ++i)
    for (Index j = 0; j < from.columns; ++j) into(i, j) = from(at.at(i), j);
  return into;
}

inline Table zero_rows(Table into, const Table& at) {
  for (Index i = 0; i < at.rows; ++i)
    for (Index j = 0; j < into.columns; ++j) into(at.at(i), j) = 0;
  return into;
}

}  // namespace reference
