"""What the house checks share: where the tree is, which includes a header has, how a compiler is run."""

import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
VLM = INCLUDE / "vlm"
HEADER_SUFFIXES = {".hpp", ".cuh"}
SKIPPED = 77  # the exit status that ctest reads as "skipped"
JOBS = 2
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
# One architecture, and leave to call std::bit_cast in kernels; 1675: a pragma of g++ is unknown to it.
NVCC_FLAGS = ["--expt-relaxed-constexpr", "-arch=compute_80", "-diag-suppress", "1675"]
# What vlm::video adds, for checks that get --video.
VIDEO_DEFINITION = "-DVLM_HAS_VIDEO=1"
VIDEO_LIBRARIES = ["-lavformat", "-lavcodec", "-lswscale", "-lavutil"]
# What vlm::image adds, for checks that get --image.
IMAGE_DEFINITION = "-DVLM_HAS_IMAGE=1"
IMAGE_LIBRARIES = ["-ljpeg", "-lpng", "-lz", "-lwebpdemux", "-lwebp", "-lgif"]

_INCLUDE_LINE = re.compile(r'^\s*#\s*include\s*(<[^>]+>|"[^"]+")')


def headers(suffixes=HEADER_SUFFIXES):
    """All headers of the library, as paths relative to include/."""
    found = [p.relative_to(INCLUDE) for p in VLM.rglob("*") if p.suffix in suffixes]
    return sorted(found)


def includes(header):
    """Pairs (line number, included name with its brackets) of one header."""
    lines = (INCLUDE / header).read_text(encoding="utf-8").splitlines()
    matches = ((number, _INCLUDE_LINE.match(line)) for number, line in enumerate(lines, 1))
    return [(number, match.group(1)) for number, match in matches if match]


def compiler_arguments(description, options=None, **extra):
    """The command line that the compiling checks have in common; `options` and `extra` are further (positional) ones."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--compiler", action="append", help="a C++ compiler; may be given again (default: g++)")
    parser.add_argument("--system", action="append", default=[], help="folder of a dependency's headers")
    for name, text in (options or {}).items():
        flag = {"action": "store_true"} if text.startswith("only ") else {}
        parser.add_argument(f"--{name}", help=text, **flag)
    for name, text in extra.items():
        parser.add_argument(name, help=text)
    arguments = parser.parse_args()
    arguments.compiler = arguments.compiler or ["g++"]
    return arguments


def flags(arguments, nvcc=False):
    """Options of every compilation of the library's headers."""
    system = [word for folder in arguments.system for word in ("-isystem", folder)]
    return ["-std=c++20", *([] if nvcc else ["-pthread"]), f"-I{INCLUDE}", *system]


def run(command, text=None):
    """Runs a command; returns (exit status, everything it printed)."""
    done = subprocess.run([str(word) for word in command], input=text, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


def parallel(function, items):
    """Results of function(item) in the order of the items, a few at a time."""
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(function, items))


def finish(problems, looked_at):
    """Prints the problems, or what was looked at, and ends the program with the status that ctest reads."""
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(f"{len(problems)} problem(s) in {looked_at}")
    print(f"ok: {looked_at}")
    sys.exit(0)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)
