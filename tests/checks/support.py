"""docs/support.md is what the program `support` prints, and names every operation that the headers declare."""

import argparse
import difflib
import re

import house

PAGE = house.ROOT / "docs" / "support.md"
DECLARED = re.compile(r"^void compute\(Queue<Cpu>&, const (\w+)<", re.MULTILINE)


def declared():
    """Pairs (header, operation) of all operations."""
    return [(header, name) for header in house.headers({".hpp"}) if header.parent.as_posix() == "vlm/ops"
            for name in DECLARED.findall((house.INCLUDE / header).read_text(encoding="utf-8"))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="the program that prints the page")
    status, printed = house.run([parser.parse_args().program])
    if status != 0:
        house.finish([f"the program failed: {printed}"], "docs/support.md")
    committed = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    problems = list(difflib.unified_diff(committed.splitlines(), printed.splitlines(), str(PAGE), "descriptions",
                                         lineterm="", n=0))
    if problems:
        problems.append("write it again: build/cpu/tests/support > docs/support.md")
    operations = declared()
    problems += [f"{header}: {name} has no VLM_OPERATION in tests/ops" for header, name in operations
                 if f"`{name}`" not in printed]
    house.finish(problems, f"docs/support.md, {len(operations)} operations")


if __name__ == "__main__":
    main()
