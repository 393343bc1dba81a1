"""The package works for others: tests/consumer builds and runs with the installed library, whose kernels it links where
they were built; with the source tree, header-only; with a fetched copy; with the component image, where it was built;
and, where it was found, with nvcc.

All but the last are built as on a machine without CUDA: no program of its toolkit is in the path.
"""

import argparse
import os
import pathlib
import shutil
import tempfile

import house

COPIED = ["CMakeLists.txt", "cmake", "include"]


def path_without_cuda():
    folders = os.environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not (pathlib.Path(folder) / "nvcc").exists())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cmake", default="cmake", help="the cmake program")
    parser.add_argument("--generator", default="Ninja", help="the generator of the consumer's build")
    parser.add_argument("--build", required=True, help="a build folder, built, to install from")
    parser.add_argument("--compiler", default="c++", help="the C++ compiler")
    parser.add_argument("--image", action="store_true", help="the component image was built")
    parser.add_argument("--nvcc", help="the nvcc program, where there is one")
    arguments = parser.parse_args()
    for variable in ("CUDACXX", "CUDA_PATH", "CUDA_HOME"):
        os.environ.pop(variable, None)
    os.environ["PATH"] = path_without_cuda()

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prefix, copy = folder / "prefix", folder / "copy"

        def build(kind, *options, program="consumer"):
            """What went wrong, or nothing."""
            place = folder / kind
            configure = [arguments.cmake, "-G", arguments.generator, "-S", house.ROOT / "tests" / "consumer", "-B", place,
                         "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_CXX_COMPILER={arguments.compiler}", *options]
            for command in (configure, [arguments.cmake, "--build", place, "--target", program], [place / program]):
                status, output = house.run(command)
                if status:
                    return f"{kind}: {' '.join(map(str, command))} ended with {status}:\n{output}"
            return None

        status, output = house.run([arguments.cmake, "--install", arguments.build, "--prefix", prefix])
        if status:
            house.finish([f"install ended with {status}:\n{output}"], "the installed package")
        copy.mkdir()
        for part in COPIED:
            source = house.ROOT / part
            shutil.copytree(source, copy / part) if source.is_dir() else shutil.copy(source, copy / part)
        ways = {"installed": [f"-DCMAKE_PREFIX_PATH={prefix}"], "embedded": [f"-DVLM_SOURCE={house.ROOT}"],
                "fetched": [f"-DVLM_COPY={copy}"]}
        if arguments.image:
            ways["image"] = [f"-DCMAKE_PREFIX_PATH={prefix}", "-DCONSUMER_IMAGE=ON"]
        results = house.parallel(lambda way: build(way, *ways[way]), ways)
        kinds = list(ways)
        if arguments.nvcc:
            kinds.append("nvcc")
            results.append(build("nvcc", f"-DCMAKE_PREFIX_PATH={prefix}", "-DCONSUMER_CUDA=ON",
                                 f"-DCMAKE_CUDA_COMPILER={arguments.nvcc}", "-DCMAKE_CUDA_ARCHITECTURES=80",
                                 f"-DCMAKE_CUDA_HOST_COMPILER={arguments.compiler}", program="consumer_cuda"))
        house.finish([problem for problem in results if problem], ", ".join(kinds))


if __name__ == "__main__":
    main()
