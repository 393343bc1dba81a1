"""The package works for others: tests/consumer builds and runs with the installed library, whose kernels it links
where they were built, and with the source tree, header-only."""

import argparse
import pathlib
import tempfile

import house


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cmake", default="cmake", help="the cmake program")
    parser.add_argument("--generator", default="Ninja", help="the generator of the consumer's build")
    parser.add_argument("--build", required=True, help="a build folder, built, to install from")
    parser.add_argument("--compiler", default="c++", help="the C++ compiler")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prefix = folder / "prefix"
        consumer = house.ROOT / "tests" / "consumer"

        def attempt(kind, *options):
            build = folder / kind
            configure = [arguments.cmake, "-G", arguments.generator, "-S", consumer, "-B", build,
                         f"-DCMAKE_CXX_COMPILER={arguments.compiler}", *options]
            for command in (configure, [arguments.cmake, "--build", build], [build / "consumer"]):
                status, output = house.run(command)
                if status:
                    return f"{kind}: {' '.join(map(str, command))} ended with {status}:\n{output}"
            return None

        status, output = house.run([arguments.cmake, "--install", arguments.build, "--prefix", prefix])
        problems = [f"install ended with {status}:\n{output}"] if status else [
            attempt("installed", f"-DCMAKE_PREFIX_PATH={prefix}"), attempt("embedded", f"-DVLM_SOURCE={house.ROOT}")]
        house.finish([problem for problem in problems if problem], "installed and embedded")


if __name__ == "__main__":
    main()
