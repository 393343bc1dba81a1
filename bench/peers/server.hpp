// What the programs that a comparison starts have in common: commands come on standard input, one a line, and each is
// answered by one line.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <string>

#include "../measure.hpp"

namespace bench {

// An answer: numbers with blanks between.
inline std::string numbers(std::initializer_list<double> values) {
  std::string line;
  for (const double value : values) {
    char text[32];
    std::snprintf(text, sizeof text, "%s%.9g", line.empty() ? "" : " ", value);
    line += text;
  }
  return line;
}

template <class Work>
double seconds_of(Work&& work) {
  const double start = seconds_now();
  work();
  return seconds_now() - start;
}

// The high-water mark of this process's memory, in MB.
inline double most_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      double kilobytes = 0;
      status >> kilobytes;
      return kilobytes / 1024;
    }
  return 0;
}

// The main function of a program whose Server is made with a number of threads and answers lines; what it throws
// becomes the answer "error ...".
template <class Server>
int serve(int count, char** arguments) {
  const int threads = count == 3 && std::string(arguments[1]) == "--threads" ? std::atoi(arguments[2]) : 2;
  if ((count != 1 && count != 3) || threads < 1) {
    std::fprintf(stderr, "%s [--threads N], commands on standard input; see its source\n", arguments[0]);
    return count == 2 && std::string(arguments[1]) == "--help" ? 0 : 2;
  }
  Server server(threads);
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << server.answer(line) << std::endl;
    } catch (const std::exception& error) {
      std::string text = error.what();
      for (char& c : text)
        if (c == '\n') c = ';';
      std::cout << "error " << text << std::endl;
    }
  }
  return 0;
}

}  // namespace bench
