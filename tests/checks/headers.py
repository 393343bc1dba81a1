"""Each header stands alone, without warnings, and bears the macros that other people's headers define.

One compilation per header and compiler, syntax only. min and max are not among the macros: libstdc++ takes them away.
"""

import house

POISON = ["-DI=vlm_poison(", "-Dsmall=vlm_poison(", "-DB0=vlm_poison("]
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]


def check(compiler, path, arguments):
    command = [compiler, *house.flags(arguments), *POISON, *WARNINGS, "-fsyntax-only", "-x", "c++", "-include", path, "-"]
    status, output = house.run(command, "int main() {}\n")
    return f"{path} does not compile alone with {compiler}:\n{output}" if status else None


def main():
    arguments = house.compiler_arguments(__doc__)
    headers = house.headers({".hpp"})
    work = [(compiler, path) for compiler in arguments.compiler for path in headers]
    results = house.parallel(lambda item: check(*item, arguments), work)
    house.finish([problem for problem in results if problem], f"{len(headers)} headers, {len(work)} compilations")


if __name__ == "__main__":
    main()
