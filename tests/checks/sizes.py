"""Headers stay small: none over 600 lines, nine of ten up to 350, half of them up to 150."""

import statistics

import house

HARD, NINE_OF_TEN, MEDIAN = 600, 350, 150


def main():
    lines = {path: len((house.INCLUDE / path).read_text(encoding="utf-8").splitlines()) for path in house.headers()}
    problems = [f"{path}: {count} lines, the most is {HARD}" for path, count in lines.items() if count > HARD]
    long = sorted((count, str(path)) for path, count in lines.items() if count > NINE_OF_TEN)
    if len(long) * 10 > len(lines):
        problems.append(f"more than one header in ten is over {NINE_OF_TEN} lines: "
                        + ", ".join(f"{path} ({count})" for count, path in long))
    median = statistics.median(lines.values()) if lines else 0
    if median > MEDIAN:
        problems.append(f"the median header has {median:g} lines, the most is {MEDIAN}")
    house.finish(problems, f"{len(lines)} headers, median {median:g} lines, longest {max(lines.values(), default=0)}")


if __name__ == "__main__":
    main()
