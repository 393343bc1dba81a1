"""What including the library costs: vlm/vlm.hpp and an empty main, header-only.

Bytes that g++ allocates for it, which repeat to a hundredth on any machine, however busy: 700 MB with the version of g++
for which they are known. Peak memory: 1 GB. Processor time: 6 s on a quiet machine, on which the yardstick below takes
3 s; where the yardstick takes longer, so may the library. The best of some attempts counts. Since others on the machine
change the time more than a header does, more than 6 s are told, and only twice as much fails.
"""

import os
import pathlib
import re
import subprocess
import tempfile

import house

SECONDS, MEGABYTES = 6.0, 1000
ALLOCATED, ALLOCATED_BY = 700, "12"
YARDSTICK_SECONDS = 3.0
HEADERS = ["condition_variable", "filesystem", "mutex", "nlohmann/json.hpp", "optional", "regex", "span", "thread",
           "unordered_map"]
YARDSTICK = "".join(f"#include <{header}>\n" for header in HEADERS) + "int main() { const std::regex letters(\"a+\"); }\n"
LIBRARY = "#include <vlm/vlm.hpp>\nint main() {}\n"
ATTEMPTS = 4


def cost(command):
    """User seconds and peak megabytes of a command and the processes that it starts."""
    process = subprocess.Popen([str(word) for word in command])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        house.finish([f"{' '.join(map(str, command))} ended with {process.returncode}"], "the budget")
    return usage.ru_utime, usage.ru_maxrss / 1024


def allocated(compiler, options):
    """Megabytes that g++ says it allocated; None for a compiler whose bytes are not known."""
    status, version = house.run([compiler, "-dumpfullversion"])
    _, name = house.run([compiler, "--version"])
    if status or "clang" in name or version.split(".")[0] != ALLOCATED_BY:
        return None
    _, printed = house.run([compiler, *options, "-fsyntax-only", "-ftime-report"])
    total = re.search(r"^ *TOTAL *:.*?(\d+)M *$", printed, re.MULTILINE)
    if not total:
        house.finish([f"{compiler} -ftime-report told no total:", printed[-2000:]], "the budget")
    return int(total.group(1))


def main():
    arguments = house.compiler_arguments(__doc__)
    compiler = arguments.compiler[0]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)

        def source_of(kind, text):
            source = folder / f"{kind}.cpp"
            source.write_text(text, encoding="utf-8")
            return source

        def compile_of(kind, text):
            return cost([compiler, *house.flags(arguments), "-c", source_of(kind, text), "-o", folder / f"{kind}.o"])

        seconds = yardstick = float("inf")
        for _ in range(ATTEMPTS):
            yardstick = min(yardstick, compile_of("yardstick", YARDSTICK)[0])
            spent, megabytes = compile_of("library", LIBRARY)
            seconds = min(seconds, spent)
            allowed = SECONDS * max(1.0, yardstick / YARDSTICK_SECONDS)
            if seconds <= allowed:
                break
        bytes_of = allocated(compiler, [*house.flags(arguments), source_of("library", LIBRARY)])
    what = f"vlm/vlm.hpp: {seconds:.1f} s (the yardstick: {yardstick:.1f} s), {megabytes:.0f} MB at once"
    what += f", {bytes_of} MB in all" if bytes_of is not None else f"; bytes in all not known of {compiler}"
    if seconds > allowed:
        print(f"{seconds:.1f} s is over {allowed:.1f} s; fails over {2 * allowed:.1f} s")
    problems = [f"{seconds:.1f} s is over {2 * allowed:.1f} s"] if seconds > 2 * allowed else []
    problems += [f"{megabytes:.0f} MB at once is over {MEGABYTES} MB"] if megabytes > MEGABYTES else []
    if bytes_of is not None and bytes_of > ALLOCATED:
        problems.append(f"{bytes_of} MB in all is over {ALLOCATED} MB")
    house.finish(problems, what)


if __name__ == "__main__":
    main()
