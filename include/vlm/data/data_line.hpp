// Where a sample stands in a file, and the DataError [data-line] of everything that is wrong with it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>

namespace vlm {

struct DataPlace {
  std::string file;
  Index line = 0;  // counted from 1, as editors do
};

// What becomes of a sample that cannot be used: it is an error, or it is left out and counted.
enum class Unusable : std::uint8_t { Refuse, Skip };

namespace detail {

[[noreturn]] inline void throw_data_line(const DataPlace& place, std::string field, std::string expected,
                                         std::string got, std::string advice = "correct this line") {
  throw DataError("data-line", {{"file", place.file},
                                {"line", std::to_string(place.line)},
                                {"field", std::move(field)},
                                {"expected", std::move(expected)},
                                {"got", std::move(got)},
                                {"try", std::move(advice)}});
}

// The text of one field of an error's message, or nothing.
inline std::string field_of(const Error& error, std::string_view name) {
  const std::string_view message = error.what();
  const std::size_t line = message.find("\n  " + std::string(name) + " ");
  if (line == message.npos) return {};
  const std::size_t begin = message.find_first_not_of(' ', line + 3 + name.size());
  return std::string(message.substr(begin, message.find('\n', begin) - begin));
}

}  // namespace detail

}  // namespace vlm
