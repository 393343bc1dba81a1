"""clang-tidy over every header of the library, in one translation unit: vlm/vlm.hpp."""

import pathlib
import shutil
import tempfile

import house


def main():
    arguments = house.compiler_arguments(__doc__)
    program = shutil.which("clang-tidy-19")
    if not program:
        house.skip("no clang-tidy-19 on this machine")
    with tempfile.TemporaryDirectory() as name:
        source = pathlib.Path(name) / "all.cpp"
        source.write_text("#include <vlm/vlm.hpp>\nint main() {}\n", encoding="utf-8")
        command = [program, "--quiet", f"--config-file={house.ROOT / '.clang-tidy'}", source, "--", *house.flags(arguments)]
        status, output = house.run(command)
    house.finish([output] if status else [], "clang-tidy of vlm/vlm.hpp")


if __name__ == "__main__":
    main()
