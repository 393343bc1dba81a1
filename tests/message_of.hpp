// The whole message of the library's error that an action ends in, for tests that assert it.
#pragma once

#include <string>

#include <vlm/core/error.hpp>

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const vlm::Error& error) {
    return error.what();
  }
  return "no error";
}
