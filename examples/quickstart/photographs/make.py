"""Makes the four files beside it, a part of Fashion-MNIST, from those of Debian's package dataset-fashion-mnist.

    python3 examples/quickstart/photographs/make.py [FOLDER]

The first 100 photographs of each class of the training split, and the first 20 of the test split, in their order there.
"""

import gzip
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
PER_CLASS = {"train": 100, "t10k": 20}
CLASSES, SIDE = 10, 28


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist")

    def unpacked(name, header):
        return gzip.decompress((folder / name).read_bytes())[header:]

    def write(name, bytes_):
        (HERE / name).write_bytes(gzip.compress(bytes_, 9, mtime=0))

    for split, most in PER_CLASS.items():
        pixels = unpacked(f"{split}-images-idx3-ubyte.gz", 16)
        labels = unpacked(f"{split}-labels-idx1-ubyte.gz", 8)
        chosen, counts = [], [0] * CLASSES
        for i, label in enumerate(labels):
            if counts[label] < most:
                counts[label] += 1
                chosen.append(i)
        size = SIDE * SIDE
        write(f"{split}-images-idx3-ubyte.gz", struct.pack(">4I", 0x803, len(chosen), SIDE, SIDE)
              + b"".join(pixels[i * size:(i + 1) * size] for i in chosen))
        write(f"{split}-labels-idx1-ubyte.gz", struct.pack(">2I", 0x801, len(chosen)) + bytes(labels[i] for i in chosen))


if __name__ == "__main__":
    main()
