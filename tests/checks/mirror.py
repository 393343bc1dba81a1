"""Tests mirror the headers: include/vlm/<room>/<name>.hpp has tests/<room>/<name>.cpp.

The definitions of operations, vlm/ops/cpu/<name>.hpp, are tested with their contract in tests/ops/<name>.cpp.
Headers without a twin stand in mirror_exceptions.txt, each with its reason.
"""

import pathlib

import house

EXCEPTIONS = pathlib.Path(__file__).with_name("mirror_exceptions.txt")


def read_exceptions():
    """The table header -> reason, and what is wrong with the file itself."""
    reasons, problems = {}, []
    for number, line in enumerate(EXCEPTIONS.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        path, _, reason = line.partition(" ")
        if not reason.strip():
            problems.append(f"{EXCEPTIONS.name}:{number}: {path} has no reason")
        reasons[path] = reason.strip()
    return reasons, problems


def has_twin(path):
    """Whether a test file mirrors the header; the door to a compiled definition shares its contract's test."""
    inside = path.relative_to("vlm")
    places = {inside, pathlib.Path(*(part for part in inside.parts if part != "cpu"))}
    return any((house.ROOT / "tests" / place.with_suffix(".cpp")).exists() for place in places)


def main():
    reasons, problems = read_exceptions()
    rooms = [path for path in house.headers({".hpp"}) if len(path.parts) > 2]
    for path in rooms:
        if has_twin(path) and str(path) in reasons:
            problems.append(f"{path}: has a test; take it out of {EXCEPTIONS.name}")
        elif not has_twin(path) and str(path) not in reasons:
            twin = pathlib.Path("tests") / path.relative_to("vlm").with_suffix(".cpp")
            problems.append(f"{path}: no {twin}; write it, or give a reason in {EXCEPTIONS.name}")
    problems += [f"{EXCEPTIONS.name}: {path} does not exist" for path in reasons if not (house.INCLUDE / path).exists()]
    house.finish(problems, f"{len(rooms)} headers, {len(reasons)} exceptions")


if __name__ == "__main__":
    main()
