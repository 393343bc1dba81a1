#!/usr/bin/env python3
"""Times the library's tokenizer beside the package `tokenizers` (Rust) in the same run, interleaved, one thread.

    bench/peers/tokenizer.py TOKENIZER.JSON [--json FILE] [--rounds N] [--server PROGRAM] [--text FILE ...]

Needs the benchmarks (cmake --preset cpu, then cmake --build build/cpu) and the packages of
tests/golden/requirements.txt. The text is made here: sentences of tests/golden/tokenizer in 26 languages with their
words in new orders, the sources of this repository and of Python's standard library, and pages of /usr/share/doc where
there are any, in documents of about 8 kB, 10 MB in all; each part is a row of its own too. --text adds rows of other
files. The other side encodes the documents one by one with encode_batch_fast or encode, whichever is faster. All ids
must be equal. Each row is one JSON line: megabytes per second (load: seconds) of both sides, and the median of the
rounds' ratios. Exit status: 1 when the ids differ or a bar is missed.
"""

import argparse
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers  # noqa: E402  the threads are set before

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT, TOTAL = 8_000, 10_000_000
ENCODE_BAR, LOAD_BAR = 3.0, 0.4


def documents_of(text):
    return [text[at:at + DOCUMENT] for at in range(0, len(text), DOCUMENT)]


def languages(size):
    """Sentences of the goldens, their words shuffled; texts without spaces character by character."""
    draw = random.Random(7)
    cases = [json.loads(line)["text"] for line in open(ROOT / "tests/golden/tokenizer/cases.jsonl")][:78]
    given = map(json.loads, open(ROOT / "tests/golden/tokenizer/given.jsonl"))
    cases += [case["text"] for case in given if case["tag"] == "lang"]
    pools = []
    for text in cases:
        words = re.findall(r"\S+\s*", text)
        pools.append(words if len(words) > 2 else [c if draw.random() < 0.9 else c + "。" for c in text])
    parts, count = [], 0
    while count < size:
        pool = draw.choice(pools)
        words = [draw.choice(pool) for _ in range(draw.randint(5, 60))]
        sentence = "".join(words) + draw.choice([". ", "\n", "! ", "\n\n"])
        parts.append(sentence)
        count += len(sentence.encode())
    return "".join(parts)


def files(paths, size):
    text, count = [], 0
    for path in paths:
        try:
            text.append(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, OSError):
            continue
        count += len(text[-1].encode())
        if count >= size:
            break
    return "".join(text)


def make_parts():
    ours = sorted((ROOT / "include").rglob("*.hpp")) + sorted((ROOT / "tests").rglob("*.cpp"))
    standard = sorted(pathlib.Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    pages = [path for path in sorted(pathlib.Path("/usr/share/doc").rglob("*"))
             if path.suffix in {".txt", ".html", ".md", ""} and path.is_file()]
    parts = {"languages": documents_of(languages(TOTAL // 2)), "code": documents_of(files(ours + standard, TOTAL // 4)),
             "pages": documents_of(files(pages, TOTAL // 4))}
    mixed = [document for documents in parts.values() for document in documents]
    random.Random(11).shuffle(mixed)
    kept, count = [], 0
    for document in mixed:
        kept.append(document)
        count += len(document.encode())
        if count >= TOTAL:
            break
    return {"mixed": kept, **{name: documents for name, documents in parts.items() if documents}}


class Server:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer or answer.startswith("error"):
            sys.exit(f"{command}: {answer}")
        return answer.split()


def one_by_one(tokenizer, documents):
    return [tokenizer.encode(document, add_special_tokens=False) for document in documents]


def in_batches(tokenizer, documents):
    return [tokenizer.encode_batch_fast([document], add_special_tokens=False)[0] for document in documents]


def timed(call, *arguments):
    start = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - start, result


def checksum(results):
    value, count = 0, 0
    for result in results:
        for token in result.ids:
            value = (value * 31 + token) & 0xFFFFFFFF
        count += len(result.ids)
    return [str(count), str(value)]


def report(row, file):
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if file:
        file.write(json.dumps(row) + "\n")


def spread(values, digits=3):
    return [round(function(values), digits) for function in (statistics.median, min, max)]


def time_loading(server, path, rounds):
    pairs = []
    for _ in range(rounds):
        theirs, _ = timed(tokenizers.Tokenizer.from_file, path)
        pairs.append((float(server.ask(f"load {path}")[0]), theirs))
    ratios = [ours / theirs for ours, theirs in pairs]
    (ours, *ours_range), (peer, *peer_range) = spread([p[0] for p in pairs]), spread([p[1] for p in pairs])
    return {"name": "tokenizer load", "shape": f"{os.path.getsize(path)} bytes", "unit": "s", "ours": ours,
            "ours_range": ours_range, "peer": peer, "peer_range": peer_range, "ratio": spread(ratios)[0],
            "bar": f"<= {LOAD_BAR}"}


def time_encoding(server, tokenizer, name, documents, rounds, folder):
    path = folder / name
    path.write_bytes(b"\x1e".join(document.encode() for document in documents))
    megabytes = sum(len(document.encode()) for document in documents) / 1e6
    ways = [one_by_one, in_batches]
    first = [timed(way, tokenizer, documents) for way in ways]
    same = checksum(first[0][1]) == server.ask(f"encode {path}")[1:]
    way = ways[first[1][0] < first[0][0]]
    del first
    pairs = []
    for _ in range(rounds):
        theirs = timed(way, tokenizer, documents)[0]
        pairs.append((float(server.ask(f"encode {path}")[0]), theirs))
    (ours, *ours_range), (peer, *peer_range) = (spread([megabytes / p[i] for p in pairs], 2) for i in (0, 1))
    return same, {"name": f"tokenizer encode {name}", "shape": f"{megabytes:.2f} MB", "unit": "MB/s", "ours": ours,
                  "ours_range": ours_range, "peer": peer, "peer_range": peer_range,
                  "ratio": spread([theirs / own for own, theirs in pairs])[0], "bar": ENCODE_BAR if name == "mixed" else 0}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer", metavar="TOKENIZER.JSON")
    parser.add_argument("--json", metavar="FILE", type=argparse.FileType("w"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", type=pathlib.Path, default=ROOT / "build/cpu/bench/tokenizer_server")
    parser.add_argument("--text", metavar="FILE", type=pathlib.Path, action="append", default=[])
    arguments = parser.parse_args()
    parts = make_parts() | {path.name: documents_of(path.read_text(encoding="utf-8")) for path in arguments.text}
    server = Server(arguments.server)
    loading = time_loading(server, arguments.tokenizer, arguments.rounds)
    report(loading, arguments.json)
    passed = loading["ratio"] <= LOAD_BAR
    tokenizer = tokenizers.Tokenizer.from_file(arguments.tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        for name, documents in parts.items():
            same, row = time_encoding(server, tokenizer, name, documents, arguments.rounds, pathlib.Path(folder))
            report(row, arguments.json)
            if not same:
                print(f"{name}: the ids differ")
            passed = passed and same and row["ratio"] >= row["bar"]
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
