"""vlm/vlm.hpp reaches every .hpp of the library: nobody needs a second include."""

import pathlib
import re

import house


def reached_from(start):
    """All headers of the library that `start` includes, directly or through others, whatever the macros say."""
    seen, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path in seen or not (house.INCLUDE / path).exists():
            continue
        seen.add(path)
        targets = (re.match(r"<(vlm/.+)>", name) for _, name in house.includes(path))
        waiting += [pathlib.Path(target.group(1)) for target in targets if target]
    return seen


def main():
    umbrella = pathlib.Path("vlm/vlm.hpp")
    if not (house.INCLUDE / umbrella).exists():
        house.finish([f"{umbrella} is missing"], "the umbrella")
    headers = house.headers({".hpp"})
    missing = sorted(set(headers) - reached_from(umbrella))
    house.finish([f"{path}: not reached from {umbrella}" for path in missing], f"{len(headers)} headers")


if __name__ == "__main__":
    main()
