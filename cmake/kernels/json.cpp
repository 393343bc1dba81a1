// The JSON reader and writer, compiled once.
#include <vlm/io/json_definitions.hpp>

template vlm::Json vlm::detail::parse_json<>(std::string_view, std::string_view);
template std::string vlm::detail::write_json<>(const vlm::Json&, int);
