"""Two translation units that include vlm/vlm.hpp, header-only, link into one program: nothing is defined twice."""

import pathlib
import tempfile

import house

UNITS = {
    "main.cpp": "#include <vlm/vlm.hpp>\nint other();\nint main() { return other(); }\n",
    "other.cpp": "#include <vlm/vlm.hpp>\nint other();\nint other() { return 0; }\n",
}


def main():
    arguments = house.compiler_arguments(__doc__)
    compiler = arguments.compiler[0]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)

        def compile_unit(unit):
            (folder / unit).write_text(UNITS[unit], encoding="utf-8")
            return house.run([compiler, *house.flags(arguments), "-c", folder / unit, "-o", folder / f"{unit}.o"])

        steps = house.parallel(compile_unit, UNITS)
        objects = [folder / f"{unit}.o" for unit in UNITS]
        if all(status == 0 for status, _ in steps):
            steps.append(house.run([compiler, "-pthread", *objects, "-o", folder / "program"]))
        if all(status == 0 for status, _ in steps):
            steps.append(house.run([folder / "program"]))
        house.finish([f"status {status}:\n{output}" for status, output in steps if status], f"two units with {compiler}")


if __name__ == "__main__":
    main()
