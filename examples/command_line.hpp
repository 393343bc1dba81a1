// What every example does around its work: read arguments, print errors. Exit status: 0 done, 1 a check failed,
// 2 wrong use or input, 130 stopped by ctrl-C with everything saved.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>

namespace example {

// Reads the arguments of `app`, then calls `work`, whose result is the exit status.
template <class Work>
int run(CLI::App& app, int count, char** arguments, Work&& work) try {
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return work();
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}

}  // namespace example
