"""What comparisons of whole programs share: processes that answer one line with one line, and rows of their results."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAUSE = 0.05  # until the threads of the contender before sleep
IGNORED = -100  # the label of what is not predicted


def stop(message):
    print(f"{pathlib.Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(2)


class Failed(Exception):
    pass


class Contender:
    def __init__(self, name, command, threads):
        self.name = name
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TORCHINDUCTOR_COMPILE_THREADS": "1",
                       "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, bufsize=1, env=environment)

    def ask(self, *words):
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if not answer or answer.startswith("error"):
            raise Failed(f"{self.name}, asked '{words[0]}': {answer or 'no answer'}")
        return answer

    def numbers(self, *words):
        time.sleep(PAUSE)
        return [float(number) for number in self.ask(*words).split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def most_memory():
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


def serve(peer):
    """The side of a Python package: methods of `peer` are the commands, what they return is the answer."""
    for line in sys.stdin:
        command, *words = line.split()
        try:
            answer = " ".join(f"{value:.9g}" for value in getattr(peer, command)(*words))
        except Exception as error:  # whatever stops one form; the comparison says it
            answer = "error " + (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        print(answer, flush=True)


def spread(values):
    return statistics.median(values), min(values), max(values)


def row(name, shape, unit, own, theirs, against, bar, larger_is_better=True, **more):
    """One row of the table; `own` and `theirs` are values of the rounds."""
    ratio, least, most = spread([a / b for a, b in zip(own, theirs)])
    reached = ratio >= bar if larger_is_better else ratio <= bar
    reached = reached or more.get("share_of_peak", 0) >= more.get("peak_bar", 2)
    result = {"name": name, "shape": shape, "unit": unit, "ours": statistics.median(own), "ours_range": spread(own)[1:],
              "peer": statistics.median(theirs), "peer_range": spread(theirs)[1:], "against": against, "ratio": ratio,
              "ratio_range": [least, most], "bar": bar, "reached": reached, **more}
    share = f", {more['share_of_peak']:.0%} of the peak" if "share_of_peak" in more else ""
    print(f"{name:34} {shape:24} ours {result['ours']:10.4g} {unit}, {against} {result['peer']:10.4g}: ratio "
          f"{ratio:.3f} ({least:.2f} to {most:.2f}; bar {'' if larger_is_better else 'at most '}{bar}){share}"
          + ("" if reached else "  MISSED"), flush=True)
    return result


def memory_row(name, shape, own, theirs, against, bar):
    return row(name + ", memory", shape, "MB", [own], [theirs], against, bar, larger_is_better=False)


def write_rows(path, rows):
    pathlib.Path(path).write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


def write_inputs(path, config, samples, length, grid, labelled):
    """Samples of `length` tokens; with a grid, each begins with an image. All words are labelled, or nothing is."""
    import numpy as np
    from safetensors.numpy import save_file

    rng = np.random.default_rng(7)
    ids = rng.integers(2, config["vision_start_token_id"], (samples, length), dtype=np.int64)
    tensors = {"input_ids": ids}
    if grid:
        vision = config["vision_config"]
        visual = grid[0] * grid[1] // vision["spatial_merge_size"]**2
        ids[:, 0] = config["vision_start_token_id"]
        ids[:, 1:1 + visual] = config["image_token_id"]
        ids[:, 1 + visual] = config["vision_end_token_id"]
        features = vision["in_channels"] * vision["temporal_patch_size"] * vision["patch_size"]**2
        tensors["pixel_values"] = rng.uniform(-1, 1, (samples * grid[0] * grid[1], features)).astype(np.float32)
        tensors["image_grid_thw"] = np.array([[1, *grid]] * samples, np.int64)
    if labelled:
        tensors["labels"] = np.where(ids < config["vision_start_token_id"], ids, IGNORED)
    save_file(tensors, path)
    return int((tensors["labels"][:, 1:] != IGNORED).sum()) if labelled else 0
