"""clang-tidy over the headers of the library in one translation unit: all of them, or with --changed those that differ from
the last commit but one, so that a change is read before and after it is committed."""

import json
import pathlib
import shutil
import tempfile

import house


def changed_headers():
    """Headers that differ from the last commit but one (or, where history ends, the last), and new ones."""
    git = ["git", "-C", house.ROOT]
    base = "HEAD~1" if house.run([*git, "rev-parse", "--verify", "--quiet", "HEAD~1"])[0] == 0 else "HEAD"
    status, changed = house.run([*git, "diff", "--name-only", "--relative", base, "--", "include"])
    _, added = house.run([*git, "ls-files", "--others", "--exclude-standard", "--", "include"])
    if status:
        house.skip("no git history to tell what changed")
    names = {pathlib.Path(name).relative_to("include") for name in (changed + added).split()}
    return [path for path in house.headers({".hpp"}) if path in names]


def main():
    arguments = house.compiler_arguments(__doc__, {"changed": "only headers that changed"})
    program = shutil.which("clang-tidy-19")
    if not program:
        house.skip("no clang-tidy-19 on this machine")
    headers = changed_headers() if arguments.changed else house.headers({".hpp"})
    if not headers:
        house.finish([], "no changed header")
    with tempfile.TemporaryDirectory() as name:
        source = pathlib.Path(name) / "all.cpp"
        source.write_text("".join(f"#include <{path}>\n" for path in headers) + "int main() {}\n", encoding="utf-8")
        only = json.dumps([{"name": f"include/{path}"} for path in headers])
        command = [program, "--quiet", f"--config-file={house.ROOT / '.clang-tidy'}", f"--line-filter={only}", source, "--",
                   *house.flags(arguments)]
        status, output = house.run(command)
    house.finish([output] if status else [], f"clang-tidy of {len(headers)} headers")


if __name__ == "__main__":
    main()
