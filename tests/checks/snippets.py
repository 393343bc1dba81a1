"""What the documents show is real: each ```cpp block of README.md and docs/ that includes a header of the library
compiles, and each other one stands, line by line, in a source of examples/ or tests/ or in a header."""

import re

import house

BLOCK = re.compile(r"^```cpp\n(.*?)^```", re.MULTILINE | re.DOTALL)
SOURCES = ("examples", "tests", "include")


def snippets():
    """Pairs (where, code) of all blocks."""
    for document in [house.ROOT / "README.md", *sorted((house.ROOT / "docs").glob("*.md"))]:
        text = document.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            yield f"{document.relative_to(house.ROOT)}:{text.count(chr(10), 0, match.start()) + 1}", match.group(1)


def bare(code):
    """The code without what indentation and empty lines say."""
    return "\n".join(line.strip() for line in code.splitlines() if line.strip())


def main():
    arguments = house.compiler_arguments(__doc__)
    compiler = arguments.compiler[0]
    sources = [bare(path.read_text(encoding="utf-8")) + "\n" for folder in SOURCES
               for path in sorted((house.ROOT / folder).rglob("*.[hc]pp"))]

    def check(snippet):
        where, code = snippet
        if "#include <vlm/" not in code:
            quoted = any(bare(code) + "\n" in source for source in sources)
            return None if quoted else f"{where}: stands in no source of {', '.join(SOURCES)}"
        status, output = house.run([compiler, *house.flags(arguments), f"-I{house.ROOT}", "-fsyntax-only",
                                     "-x", "c++", "-"], code)
        return f"{where}: does not compile:\n{output}" if status else None

    found = list(snippets())
    if not found:
        house.finish(["no snippet found, though README.md has one"], "the documents")
    results = house.parallel(check, found)
    house.finish([problem for problem in results if problem], f"{len(found)} snippets")


if __name__ == "__main__":
    main()
