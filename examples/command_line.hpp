// What every example does around its work: read arguments, print errors. Exit status: 0 done, 1 a check failed,
// 2 wrong use or input, 130 stopped by ctrl-C with everything saved.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

namespace example {

// Calls work(line) for each line of standard input. Before an error of it stands which line it was.
template <class Work>
void for_each_line(Work&& work) {
  int number = 1;
  try {
    for (std::string line; std::getline(std::cin, line); ++number) work(line);
  } catch (const std::exception&) {
    std::fprintf(stderr, "line %d of the input:\n", number);
    throw;
  }
  if (std::ferror(stdin)) throw std::runtime_error("standard input cannot be read");
}

// Reads the arguments of `app`, then calls `work`, whose result is the exit status.
template <class Work>
int run(CLI::App& app, int count, char** arguments, Work&& work) try {
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const int status = work();
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return status;
  throw std::runtime_error("standard output cannot be written");
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}

}  // namespace example
