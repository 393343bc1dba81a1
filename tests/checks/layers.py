"""Rooms are layers: a header includes its own room and rooms on lower levels, and heavy headers stay behind doors."""

import re

import house

LEVELS = [["core"], ["ops", "io", "dist"], ["nn"], ["vision", "text"], ["model"], ["data", "infer"],
          ["train", "eval"], ["rl"]]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# Headers above all rooms: they gather, so they may include anything.
UMBRELLAS = {"vlm.hpp", "cpu.hpp", "cuda.cuh", "instantiate.cuh"}

LIGHT = {"core", "ops", "nn", "model"}
# (what is included, where it may be included, what to do instead)
BANNED = [
    (r"<(iostream|regex|ranges|functional)>", lambda path: path.parts[1] not in LIGHT,
     "not in core, ops, nn, model: it costs every user compile time"),
    (r"<filesystem>", lambda path: path.parts[1] in {"io", "data"}, "only io and data touch folders"),
    (r"<format>", lambda path: False, "g++ 12 has none"),
    (r"<assert\.h>|<cassert>", lambda path: False, "throw one of the errors of core/error.hpp"),
    (r"<nlohmann/.*>", lambda path: path.parts[1] == "io", "only behind io/json.hpp"),
    (r"<Eigen/.*>", lambda path: path.parts[1:3] == ("ops", "cpu"), "only in ops/cpu"),
    (r"<boost/.*>", lambda path: False, "Boost is for the tests"),
    (r"<(cuda|cublas|cub/|thrust/|nccl).*>",
     lambda path: path.suffix == ".cuh" or path.parts[1:3] == ("core", "cuda") or path.parts[1] == "dist",
     "only in .cuh files, core/cuda and dist"),
    (r'".*"', lambda path: False, "write #include <vlm/...>"),
]


def room_of(path):
    """The room of vlm/<room>/... or of its umbrella vlm/<room>.hpp."""
    return path.parts[1].split(".")[0]


def arrow_problem(path, target):
    """What is wrong with `path` including vlm/`target`, or nothing."""
    if path.name in UMBRELLAS and len(path.parts) == 2:
        return None
    if target in UMBRELLAS:
        return "a room may not include what stands above the rooms"
    room, other = room_of(path), re.split(r"[/.]", target)[0]
    if other not in LEVEL:
        return f"'{other}' is not a room"
    if room != other and LEVEL[other] >= LEVEL[room]:
        return f"{room} (level {LEVEL[room]}) may not see {other} (level {LEVEL[other]})"
    return None


def main():
    problems = []
    headers = house.headers()
    for path in headers:
        if not (len(path.parts) == 2 and path.name in UMBRELLAS) and room_of(path) not in LEVEL:
            problems.append(f"{path}: '{room_of(path)}' is not a room; rooms are {', '.join(LEVEL)}")
            continue
        for line, name in house.includes(path):
            inside = re.match(r"<vlm/(.+)>", name)
            if inside and not (house.VLM / inside.group(1)).exists():
                problems.append(f"{path}:{line}: {name} does not exist")
            problem = arrow_problem(path, inside.group(1)) if inside else None
            if problem:
                problems.append(f"{path}:{line}: {name}: {problem}")
            problems += [f"{path}:{line}: {name}: {instead}" for pattern, allowed, instead in BANNED
                         if re.fullmatch(pattern, name) and not allowed(path)]
    house.finish(problems, f"the includes of {len(headers)} headers")


if __name__ == "__main__":
    main()
