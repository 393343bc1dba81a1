#!/usr/bin/env python3
"""Times a photograph of 4000 x 3000 pixels, from the file to patch rows, in the library and in the image processor of
transformers (torchvision), interleaved; and compares the most memory that a process of each held.

    pixels.py [--json FILE] [--rounds N] [--threads N] [--server PROGRAM]

Exit status: 0 both bars are reached, 1 one is not, 2 something is missing.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEED_BAR, MEMORY_BAR = 3.0, 0.5

PEER = r'''
import sys, time
import torch
from PIL import Image, ImageOps
from transformers import Qwen2VLImageProcessor
torch.set_num_threads(int(sys.argv[2]))
processor = Qwen2VLImageProcessor(patch_size=16, merge_size=2, temporal_patch_size=2, image_mean=[0.5] * 3,
                                  image_std=[0.5] * 3, size={"shortest_edge": 65536, "longest_edge": 16777216})
for line in sys.stdin:
    start = time.perf_counter()
    image = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
    rows = processor(images=[image], return_tensors="pt")["pixel_values"]
    seconds = time.perf_counter() - start
    del image, rows
    print(f"{seconds:.9f}", flush=True)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")), flush=True)
'''

# What the process of the reference holds before it reads an image, its libraries, is measured apart and printed beside.
IDLE = PEER.replace("for line in sys.stdin:", "for line in ():")


def photograph(path):
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[0:3000, 0:4000]
    rng = np.random.default_rng(5)
    waves = [128 + 60 * np.sin(0.011 * (x + 40 * c)) + 50 * np.cos(0.017 * y) for c in range(3)]
    pixels = np.stack(waves, axis=-1) + rng.normal(0, 4, (3000, 4000, 3))
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, quality=90)


class Process:
    def __init__(self, command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def seconds(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def megabytes(self):
        self.process.stdin.close()
        kilobytes = int(self.process.stdout.readline().split()[0])
        self.process.wait()
        return kilobytes / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--server", default=ROOT / "build/cpu/bench/pixels", type=pathlib.Path)
    arguments = parser.parse_args()
    if not arguments.server.exists():
        print(f"{arguments.server} is missing: cmake --preset cpu && cmake --build build/cpu", file=sys.stderr)
        sys.exit(2)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "photograph.jpg"
        photograph(path)
        idle = Process([sys.executable, "-c", IDLE, path, arguments.threads]).megabytes()
        ours = Process([arguments.server, "--serve", path, arguments.threads])
        peer = Process([sys.executable, "-c", PEER, path, arguments.threads])
        ours.seconds(), peer.seconds()
        rounds = [(ours.seconds(), peer.seconds()) for _ in range(arguments.rounds)]
        memory = {"ours": ours.megabytes(), "peer": peer.megabytes()}
    ratio = statistics.median(theirs / own for own, theirs in rounds)
    own, theirs = (statistics.median(column) for column in zip(*rounds))
    share = memory["ours"] / memory["peer"]
    print(f"4000x3000 JPEG to patch rows, {arguments.threads} threads, {arguments.rounds} rounds")
    print(f"time    ours {1e3 * own:.0f} ms, transformers {1e3 * theirs:.0f} ms: {ratio:.2f} times its speed"
          f" (bar {SPEED_BAR})")
    print(f"memory  ours {memory['ours']:.0f} MB, transformers {memory['peer']:.0f} MB: {share:.2f} of its memory"
          f" (bar {MEMORY_BAR}); without its libraries ({idle:.0f} MB) {memory['ours'] / (memory['peer'] - idle):.2f}")
    if arguments.json:
        shape = "3000x4000"
        rows = [{"name": "JPEG to patch rows", "shape": shape, "unit": "images/s", "ours": 1 / own, "peer": 1 / theirs,
                 "against": "transformers", "ratio": ratio, "bar": SPEED_BAR},
                {"name": "JPEG to patch rows, memory", "shape": shape, "unit": "MB", "ours": memory["ours"],
                 "peer": memory["peer"], "libraries": idle, "against": "transformers", "ratio": share, "bar": MEMORY_BAR}]
        pathlib.Path(arguments.json).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    sys.exit(ratio < SPEED_BAR or share > MEMORY_BAR)


if __name__ == "__main__":
    main()
