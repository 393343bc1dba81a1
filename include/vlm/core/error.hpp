// Errors: five kinds, each message answers what, where, expected, got, try.
//
//   vlm::FileError [weights-shape]
//     tensor    model.language_model.norm.weight
//     expected  [2048]
//     got       [4096]
//     try       download config and weights from one place
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

#include <vlm/core/config.hpp>

namespace vlm {

// One line of a message: a short field name and its text.
struct ErrorField {
  std::string_view name;
  std::string text;
};

// Base of everything the library throws. `id()` is a stable word that programs may compare.
class Error : public std::runtime_error {
 public:
  const std::string& id() const noexcept { return id_; }

 protected:
  Error(std::string_view kind, std::string_view id, std::initializer_list<ErrorField> fields)
      : std::runtime_error(compose(kind, id, fields)), id_(id) {}

 private:
  static std::string compose(std::string_view kind, std::string_view id,
                             std::initializer_list<ErrorField> fields) {
    std::string text = "vlm::";
    text.append(kind).append(" [").append(id).append("]");
    for (const ErrorField& field : fields) {
      if (field.text.empty()) continue;
      text.append("\n  ").append(field.name);
      text.append(field.name.size() < 10 ? 10 - field.name.size() : 1, ' ').append(field.text);
    }
    return text;
  }

  std::string id_;
};

// A configuration, recipe or argument that contradicts itself or the type it is used with.
struct ConfigError : Error {
  ConfigError(std::string_view id, std::initializer_list<ErrorField> fields)
      : Error("ConfigError", id, fields) {}
};
// A file that is missing, damaged, or not what its name says.
struct FileError : Error {
  FileError(std::string_view id, std::initializer_list<ErrorField> fields) : Error("FileError", id, fields) {}
};
// Tensors whose extents do not fit each other.
struct ShapeError : Error {
  ShapeError(std::string_view id, std::initializer_list<ErrorField> fields)
      : Error("ShapeError", id, fields) {}
};
// A device that is absent, out of memory, or failed.
struct DeviceError : Error {
  DeviceError(std::string_view id, std::initializer_list<ErrorField> fields)
      : Error("DeviceError", id, fields) {}
};
// A sample, line or image that cannot be used.
struct DataError : Error {
  DataError(std::string_view id, std::initializer_list<ErrorField> fields) : Error("DataError", id, fields) {}
};

}  // namespace vlm
