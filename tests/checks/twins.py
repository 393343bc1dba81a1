"""Wrong use has a test: SOURCE compiles as it is, and with -DWRONG it fails with the words of its comment.

The comment is one or more lines `// expected: words` in the source; all of them must stand in the compiler's output.
"""

import pathlib
import re

import house


def expected_words(source):
    text = pathlib.Path(source).read_text(encoding="utf-8")
    return [words.strip() for words in re.findall(r"^// expected: (.+)$", text, re.MULTILINE)]


def flatten(text):
    """One line, so that a message which the compiler wraps is still found."""
    return " ".join(text.split())


def check(compiler, source, words, arguments):
    command = [compiler, *house.flags(arguments), "-fsyntax-only", source]
    status, output = house.run(command)
    if status:
        return [f"{compiler}: {source} must compile as it is:\n{output}"]
    status, output = house.run([*command, "-DWRONG"])
    if status == 0:
        return [f"{compiler}: {source} must not compile with -DWRONG"]
    missing = [line for line in words if flatten(line) not in flatten(output)]
    return [f"{compiler}: {source} with -DWRONG must print '{line}'; it printed:\n{output}" for line in missing]


def main():
    arguments = house.compiler_arguments(__doc__, source="a file of tests/errors")
    words = expected_words(arguments.source)
    if not words:
        house.finish([f"{arguments.source}: no line '// expected: words'"], arguments.source)
    results = house.parallel(lambda compiler: check(compiler, arguments.source, words, arguments), arguments.compiler)
    house.finish([problem for problems in results for problem in problems], arguments.source)


if __name__ == "__main__":
    main()
