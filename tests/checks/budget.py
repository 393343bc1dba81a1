"""What including the library costs: vlm/vlm.hpp and an empty main, header-only, within 6 s of processor time and 1 GB.

The seconds are those of a quiet machine, on which the yardstick below takes 3 s. A machine that is slower or busy takes
longer for both, so the budget grows with the yardstick; the best of some attempts counts, since others on the machine can
only add to it.
"""

import os
import pathlib
import subprocess
import tempfile

import house

SECONDS, MEGABYTES = 6.0, 1000
YARDSTICK_SECONDS = 3.0
HEADERS = ["condition_variable", "filesystem", "mutex", "nlohmann/json.hpp", "optional", "regex", "span", "thread",
           "unordered_map"]
YARDSTICK = "".join(f"#include <{header}>\n" for header in HEADERS) + "int main() { const std::regex letters(\"a+\"); }\n"
LIBRARY = "#include <vlm/vlm.hpp>\nint main() {}\n"
ATTEMPTS = 8


def cost(command):
    """User seconds and peak megabytes of a command and the processes that it starts."""
    process = subprocess.Popen([str(word) for word in command])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        house.finish([f"{' '.join(map(str, command))} ended with {process.returncode}"], "the budget")
    return usage.ru_utime, usage.ru_maxrss / 1024


def main():
    arguments = house.compiler_arguments(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)

        def compile_of(kind, text):
            source = folder / f"{kind}.cpp"
            source.write_text(text, encoding="utf-8")
            return cost([arguments.compiler[0], *house.flags(arguments), "-c", source, "-o", folder / f"{kind}.o"])

        seconds = yardstick = float("inf")
        for _ in range(ATTEMPTS):
            yardstick = min(yardstick, compile_of("yardstick", YARDSTICK)[0])
            spent, megabytes = compile_of("library", LIBRARY)
            seconds = min(seconds, spent)
            allowed = SECONDS * max(1.0, yardstick / YARDSTICK_SECONDS)
            if seconds <= allowed:
                break
    what = f"vlm/vlm.hpp: {seconds:.1f} s and {megabytes:.0f} MB (the yardstick: {yardstick:.1f} s)"
    problems = [f"{seconds:.1f} s is over {allowed:.1f} s"] if seconds > allowed else []
    problems += [f"{megabytes:.0f} MB is over {MEGABYTES} MB"] if megabytes > MEGABYTES else []
    house.finish(problems, what)


if __name__ == "__main__":
    main()
