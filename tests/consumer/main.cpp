// The smallest program of a user: one include, no option set, and an error of the library caught.
#include <vlm/vlm.hpp>

int main() {
  try {
    vlm::parse_json("{", "settings.json");
  } catch (const vlm::FileError& error) {
    return error.id() == "json-syntax" ? 0 : 1;
  }
  return 1;
}
