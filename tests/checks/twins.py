"""Wrong use has a test: SOURCE compiles as it is, and with -DWRONG it fails with the words of its comment.

The comment is one or more lines `// expected: words` in the source; all of them must stand in the compiler's output.
Where an option is what is wrong, a line `// wrong: -option` names it in the place of -DWRONG.
"""

import pathlib
import re

import house


def comments(source, kind):
    """What stands behind `// kind: ` in the lines of the source."""
    text = pathlib.Path(source).read_text(encoding="utf-8")
    return [words.strip() for words in re.findall(rf"^// {kind}: (.+)$", text, re.MULTILINE)]


def flatten(text):
    """One line, so that a message which the compiler wraps is still found."""
    return " ".join(text.split())


def check(compiler, source, arguments):
    words, wrong = comments(source, "expected"), comments(source, "wrong") or ["-DWRONG"]
    command = [compiler, *house.flags(arguments), "-fsyntax-only", source]
    status, output = house.run(command)
    if status:
        return [f"{compiler}: {source} must compile as it is:\n{output}"]
    problems = []
    for option in wrong:
        status, output = house.run([*command, option])
        if status == 0:
            problems.append(f"{compiler}: {source} must not compile with {option}")
            continue
        missing = [line for line in words if flatten(line) not in flatten(output)]
        problems += [f"{compiler}: {source} with {option} must print '{line}'; it printed:\n{output}" for line in missing]
    return problems


def main():
    arguments = house.compiler_arguments(__doc__, source="a file of tests/errors")
    if not comments(arguments.source, "expected"):
        house.finish([f"{arguments.source}: no line '// expected: words'"], arguments.source)
    results = house.parallel(lambda compiler: check(compiler, arguments.source, arguments), arguments.compiler)
    house.finish([problem for problems in results for problem in problems], arguments.source)


if __name__ == "__main__":
    main()
