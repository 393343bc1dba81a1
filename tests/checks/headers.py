"""Each header stands alone, without warnings, and bears the macros that other people's headers define.

One compilation per header and compiler, syntax only: every C++ compiler that is given, and nvcc where it was found, whose
warnings about pragmas of g++ do not count; one more for what vlm::image and vlm::video add, where they were built. min and
max are not among the macros: libstdc++ takes them away.
"""

import pathlib
import tempfile

import house

POISON = ["-DI=vlm_poison(", "-Dsmall=vlm_poison(", "-DB0=vlm_poison("]


def alone(compiler, path, arguments, folder, *more):
    """The command that compiles one header as a source; nvcc has no syntax-only and leaves its output in the folder."""
    if compiler == arguments.nvcc:
        output = folder / ("_".join(path.parts) + ".ptx")
        return [compiler, *house.NVCC_FLAGS, *house.flags(arguments, nvcc=True), "-x", "cu", "-ptx", "-o", output,
                house.INCLUDE / path]
    return [compiler, *house.flags(arguments), *more, *POISON, *house.WARNINGS, "-fsyntax-only", "-x", "c++", "-include", path,
            "/dev/null"]


def check(compiler, path, arguments, folder, *more):
    status, output = house.run(alone(compiler, path, arguments, folder, *more))
    return f"{path} does not compile alone with {' '.join([compiler, *more])}:\n{output}" if status else None


def main():
    arguments = house.compiler_arguments(__doc__, {"nvcc": "the nvcc program, where there is one",
                                                   "image": "only where vlm::image was built",
                                                   "video": "only where vlm::video was built"})
    headers = house.headers({".hpp"})
    work = [(compiler, path) for compiler in arguments.compiler for path in headers]
    if arguments.nvcc:
        work += [(arguments.nvcc, path) for path in house.headers()]
    for built, definition in ((arguments.image, house.IMAGE_DEFINITION), (arguments.video, house.VIDEO_DEFINITION)):
        switch = "#if " + definition.removeprefix("-D").removesuffix("=1")
        gated = [path for path in headers if built and switch in (house.INCLUDE / path).read_text(encoding="utf-8")]
        work += [(compiler, path, definition) for compiler in arguments.compiler for path in gated]
    with tempfile.TemporaryDirectory() as name:
        results = house.parallel(lambda item: check(*item[:2], arguments, pathlib.Path(name), *item[2:]), work)
    house.finish([problem for problem in results if problem], f"{len(house.headers())} headers, {len(work)} compilations")


if __name__ == "__main__":
    main()
