"""All C++ sources are formatted as .clang-format says."""

import shutil

import house

FOLDERS = ["include", "tests", "examples", "bench", "cmake"]
SUFFIXES = {".hpp", ".cpp", ".cuh", ".cu"}


def main():
    program = shutil.which("clang-format-19")
    if not program:
        house.skip("no clang-format-19 on this machine")
    sources = sorted(path for folder in FOLDERS for path in (house.ROOT / folder).rglob("*") if path.suffix in SUFFIXES)
    status, output = house.run([program, "--style=file", "--dry-run", "-Werror", *sources])
    wrong = sorted({line.split(":")[0] for line in output.splitlines() if "clang-format-violations" in line})
    problems = [f"{path}: run clang-format-19 -i on it" for path in wrong]
    house.finish(problems or ([output] if status else []), f"{len(sources)} sources")


if __name__ == "__main__":
    main()
