#!/usr/bin/env python3
"""Answering in the library, in llama.cpp and in transformers, in the same run, interleaved.

    chat.py --checkpoint FOLDER [--gguf FOLDER] [--json FILE] [--rounds N] [--tokens N] [--threads N] [--only TEXT ...]
    chat.py --gguf FOLDER --quantize     writes Q8_0.gguf and Q4_K_M.gguf there

The checkpoint is what `models.py --make` writes; the folder of --gguf holds the same weights (gguf_files.py), without
it only transformers is compared. Rows whose names contain one of the TEXTs are run, for bf16, int8 and int4 weights. The
others round activations to bf16 where weights are bf16, and so does ours; exact bf16 is ours with activations in f32,
without a bar:

    decode           tokens behind a prompt of 512, the best ones; our cells in bf16, llama.cpp's in f16
    prompt           512 tokens; our int8 against the better of Q8_0 and BF16
    image            one of 512x512 and one of 1024x1024 pixels through tower and mergers, both kinds of bf16
    first token      behind a prompt with an image of 512x512 pixels, beside transformers; decoding and resizing apart
    memory           the most that a process held that did an image of 512x512, a prompt and a few tokens

Each contender is a process of its own; transformers has sdpa attention and bf16 weights. Needs the benchmarks
(cmake --preset cpu, with CMAKE_INCLUDE_PATH and CMAKE_LIBRARY_PATH naming llama.cpp's headers and libraries; then
cmake --build build/cpu) and the packages of tests/golden/requirements.txt.

Exit status: 0 all bars are reached, 1 one is not, 2 something is missing.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

from contenders import (ROOT, Contender, Failed, memory_row, most_memory, row, serve, stop, write_inputs, write_rows)

LENGTH = 512
GRIDS = {"512x512": (32, 32), "1024x1024": (64, 64)}  # patches of 16
FORMATS = {"bf16": ("bf16", "BF16"), "exact bf16": ("stored", "BF16"), "int8": ("int8", "Q8_0"),
           "int4": ("int4", "Q4_K_M")}
DECODE_BARS = {"bf16": 1.3, "exact bf16": 0, "int8": 1.4, "int4": 1.6}
PROMPT_BARS = {"bf16": 1.6, "exact bf16": 0, "int8": 3.0, "int4": 2.0}
BF16 = ("bf16", "exact bf16")
IMAGE_BAR, MEMORY_BAR = 1.6, 1.0
TRANSFORMERS_DECODE_BAR, TRANSFORMERS_FIRST_BAR = 2.0, 1.5


class Peer:
    """transformers, with the commands of chat_server.cpp."""

    def __init__(self, threads):
        import torch
        import transformers

        self.torch, self.transformers = torch, transformers
        torch.set_num_threads(threads)

    def load(self, folder):
        start = time.perf_counter()
        config = json.loads((pathlib.Path(folder) / "config.json").read_text(encoding="utf-8"))
        self.model = getattr(self.transformers, config["architectures"][0]).from_pretrained(
            folder, dtype=self.torch.bfloat16, attn_implementation="sdpa").eval()
        self.image_token = config["image_token_id"]
        return (time.perf_counter() - start,)

    def prompt(self, path):
        from safetensors.torch import load_file

        tensors = load_file(path)
        tensors["mm_token_type_ids"] = (tensors["input_ids"] == self.image_token).int()
        self.length = tensors["input_ids"].shape[1]
        with self.torch.inference_mode():
            start = time.perf_counter()
            answer = self.model(**tensors, use_cache=True, logits_to_keep=1)
            self.token = int(answer.logits[0, -1].argmax())
            seconds = time.perf_counter() - start
        self.cells = answer.past_key_values
        return seconds, self.token

    def decode(self, count):
        tokens = [self.token]
        with self.torch.inference_mode():
            start = time.perf_counter()
            for _ in range(int(count)):
                answer = self.model(input_ids=self.torch.tensor([[tokens[-1]]]), past_key_values=self.cells,
                                    use_cache=True, logits_to_keep=1,
                                    cache_position=self.torch.tensor([self.length + len(tokens) - 1]))
                tokens.append(int(answer.logits[0, -1].argmax()))
            seconds = time.perf_counter() - start
        self.cells.crop(-int(count))
        return seconds / int(count), *tokens

    def memory(self):
        return (most_memory(),)


class Side:
    """A contender, its prompts as it reads them, and what it measured, by the row's name."""

    def __init__(self, name, command, prompts):
        self.process = Contender(name, [*command, "--threads", arguments.threads], arguments.threads)
        self.name, self.prompts, self.values = name, prompts, {}

    def load(self, *words):
        start = time.perf_counter()
        self.process.ask("load", *words)
        print(f"  {self.name}: loaded in {time.perf_counter() - start:.1f} s", flush=True)

    def keep(self, key, value):
        self.values.setdefault(key, []).append(value)

    def prompt(self, kind="prompt", keep=True):
        seconds, self.token = self.process.numbers("prompt", self.prompts[kind])
        if keep:
            self.keep(kind, 1 / seconds)

    def decode(self, keep=True):
        seconds, *self.tokens = self.process.numbers("decode", arguments.tokens)
        if keep:
            self.keep("decode", 1 / seconds)

    def image(self, size, keep=True):
        words = size.split("x") if "llama" in self.name else [self.prompts[size]]
        seconds, _ = self.process.numbers("image", *words)
        if keep:
            self.keep("image " + size, 1 / seconds)

    def memory(self):
        self.values["memory"] = self.process.numbers("memory")[0]

    def close(self):
        self.process.close()


def wanted(name):
    return not arguments.only or any(text in name for text in arguments.only)


def write_prompts(folder):
    """Of our side and of transformers; of llama.cpp."""
    config = json.loads((pathlib.Path(arguments.checkpoint) / "config.json").read_text(encoding="utf-8"))
    own = {"prompt": folder / "prompt.safetensors", "first": folder / "first.safetensors"}
    write_inputs(own["prompt"], config, 1, LENGTH, None, False)
    write_inputs(own["first"], config, 1, 256 + 32, GRIDS["512x512"], False)
    for size, grid in GRIDS.items():
        own[size] = folder / f"{size}.safetensors"
        write_inputs(own[size], config, 1, 2 + grid[0] * grid[1] // 4, grid, False)
    from safetensors.numpy import load_file
    ids = folder / "prompt.txt"
    ids.write_text(" ".join(map(str, load_file(own["prompt"])["input_ids"][0])), encoding="utf-8")
    return own, {"prompt": ids}


class Comparison:
    def __init__(self, folder):
        self.own_prompts, self.llama_prompts = write_prompts(folder)
        self.rows, self.sides = [], {}

    def open(self, name):
        """ours FORMAT, llama FORMAT, or transformers; each is opened once."""
        if name in self.sides:
            return self.sides[name]
        kind, _, form = name.partition(" ")
        if kind == "ours":
            side = Side(name, [arguments.server.resolve()], self.own_prompts)
            side.load(arguments.checkpoint, FORMATS[form][0])
        elif kind == "llama":
            side = Side(name, [arguments.llama.resolve()], self.llama_prompts)
            side.load(arguments.gguf / f"{form}.gguf", arguments.gguf / "mmproj.gguf")
        else:
            side = Side(name, [sys.executable, pathlib.Path(__file__).resolve(), "--peer"], self.own_prompts)
            side.load(arguments.checkpoint)
        self.sides[name] = side
        return side

    def close(self, name):
        if name in self.sides:
            self.sides.pop(name).close()

    def add(self, name, shape, unit, own, theirs, key, bar, amount=1):
        self.rows.append(row(name, shape, unit, [amount * v for v in own.values[key]],
                             [amount * v for v in theirs.values[key]], theirs.name, bar))

    def text(self, form):
        """Decoding and prompts of one format."""
        decodes, prompts, first = (wanted(f"{what}, {form}") for what in ("decode", "prompt", "first token"))
        first = first and form in BF16
        if not (decodes or prompts or first):
            return
        own = self.open(f"ours {form}")
        llamas = [self.open(f"llama {FORMATS[form][1]}")] if arguments.gguf and (decodes or prompts) else []
        if llamas and prompts and form == "int8":
            llamas.append(self.open("llama BF16"))
        python = [self.open("transformers")] if form in BF16 and (decodes or first) else []
        sides = [own, *llamas, *python]
        for side in sides:
            side.prompt(keep=False)
            if decodes:
                side.decode(keep=False)
        for _ in range(arguments.rounds):
            for side in sides if decodes else []:
                side.decode()
            for side in [own, *llamas] if prompts else []:
                side.prompt()
            for side in [own, *python] if first else []:
                side.prompt("first")
        if decodes:
            same = {side.name: sum(a == b for a, b in zip(own.tokens, side.tokens)) for side in sides[1:]}
            print(f"  the same tokens as ours, of {len(own.tokens)}: {same}", flush=True)
            for side in llamas[:1]:
                self.add(f"decode, {form}", f"behind {LENGTH}", "tokens/s", own, side, "decode", DECODE_BARS[form])
            for side in python:
                self.add(f"decode, {form}", f"behind {LENGTH}", "tokens/s", own, side, "decode",
                         TRANSFORMERS_DECODE_BAR if form == "bf16" else 0)
        if prompts and llamas:
            best = max(llamas, key=lambda side: sorted(side.values["prompt"])[len(side.values["prompt"]) // 2])
            self.add(f"prompt, {form}", f"{LENGTH} tokens", "tokens/s", own, best, "prompt", PROMPT_BARS[form], LENGTH)
        for side in python if first else []:
            self.add(f"first token, {form}", "an image of 512x512", "1/s", own, side, "first",
                     TRANSFORMERS_FIRST_BAR if form == "bf16" else 0)
        for name in ("transformers", "llama Q8_0", "llama Q4_K_M", f"ours {form}"):
            self.close(name)

    def images(self):
        for size, form in ((size, form) for size in GRIDS for form in BF16):
            if not wanted(f"image {size}, {form}"):
                continue
            sides = [self.open(f"ours {form}"), self.open("llama BF16")]
            for side in sides:
                side.values.pop("image " + size, None)
            for side in sides:
                side.image("512x512", keep=False)
            for _ in range(arguments.rounds):
                for side in sides:
                    side.image(size)
            self.add(f"image, {form}", size, "images/s", *sides, "image " + size, IMAGE_BAR if form == "bf16" else 0)
            self.close(f"ours {form}")

    def memory(self, form):
        if not wanted(f"answering, {form}, memory"):
            return
        sides = []
        for name in (f"ours {form}", f"llama {FORMATS[form][1]}"):
            self.close(name)
            side = self.open(name)
            side.image("512x512", keep=False)
            side.prompt(keep=False)
            side.decode(keep=False)
            side.memory()
            sides.append(side)
            self.close(name)
        self.rows.append(memory_row(f"answering, {form}", "an image and a prompt",
                                    *(side.values["memory"] for side in sides), sides[1].name, MEMORY_BAR))


def quantize():
    server = Contender("llama", [arguments.llama.resolve(), "--threads", arguments.threads], arguments.threads)
    for form in ("Q8_0", "Q4_K_M"):
        server.ask("quantize", arguments.gguf / "BF16.gguf", arguments.gguf / f"{form}.gguf", form)
    server.close()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", metavar="FOLDER")
    parser.add_argument("--gguf", metavar="FOLDER", type=pathlib.Path, help="BF16, Q8_0, Q4_K_M and mmproj .gguf")
    parser.add_argument("--quantize", action="store_true", help="make Q8_0 and Q4_K_M of BF16 and stop")
    parser.add_argument("--json", metavar="FILE", help="one line per row")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=8, help="that are decoded in a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", metavar="TEXT", nargs="*", default=[], help="rows whose names contain one of these")
    bench = ROOT / "build/cpu/bench"
    parser.add_argument("--server", metavar="PROGRAM", type=pathlib.Path, default=bench / "chat_server")
    parser.add_argument("--llama", metavar="PROGRAM", type=pathlib.Path, default=bench / "llama_server")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)  # this script as transformers' side
    return parser.parse_args()


arguments = parse_arguments()


def main():
    if arguments.peer:
        return serve(Peer(arguments.threads))
    if arguments.quantize and not arguments.gguf:
        stop("--quantize needs --gguf")
    if arguments.gguf and not arguments.llama.is_file():
        stop(f"no {arguments.llama}; it is built where cmake finds llama.cpp, see --help")
    if arguments.quantize:
        return quantize()
    if not arguments.checkpoint or arguments.rounds < 1 or arguments.tokens < 1:
        stop("--checkpoint is needed, and at least 1 round and token")
    if not arguments.server.is_file():
        stop(f"no {arguments.server}; build it: cmake --preset cpu && cmake --build build/cpu")
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(pathlib.Path(folder))
        for form in FORMATS:
            comparison.text(form)
        if arguments.gguf:
            comparison.images()
            for form in FORMATS:
                comparison.memory(form)
    if not comparison.rows:
        stop("no row matches --only; most of them need --gguf")
    if arguments.json:
        write_rows(arguments.json, comparison.rows)
    return not all(r["reached"] for r in comparison.rows)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        stop(error)
