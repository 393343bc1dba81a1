"""What the documents show compiles: each ```cpp block of README.md and docs/ that includes a header of the library."""

import re

import house

BLOCK = re.compile(r"^```cpp\n(.*?)^```", re.MULTILINE | re.DOTALL)


def snippets():
    """Pairs (where, code) of all blocks that are whole programs."""
    for document in [house.ROOT / "README.md", *sorted((house.ROOT / "docs").glob("*.md"))]:
        text = document.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            if "#include <vlm/" in match.group(1):
                yield f"{document.relative_to(house.ROOT)}:{text.count(chr(10), 0, match.start()) + 1}", match.group(1)


def main():
    arguments = house.compiler_arguments(__doc__)
    compiler = arguments.compiler[0]

    def check(snippet):
        where, code = snippet
        status, output = house.run([compiler, *house.flags(arguments), "-fsyntax-only", "-x", "c++", "-"], code)
        return f"{where}: does not compile:\n{output}" if status else None

    found = list(snippets())
    if not found:
        house.finish(["no snippet found, though README.md has one"], "the documents")
    results = house.parallel(check, found)
    house.finish([problem for problem in results if problem], f"{len(found)} snippets")


if __name__ == "__main__":
    main()
