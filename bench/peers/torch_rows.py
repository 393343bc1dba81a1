#!/usr/bin/env python3
"""Times the operations of rows.txt in PyTorch and in the library, interleaved; run.sh starts it.

PyTorch takes part eager and compiled (torch.compile); the better of the two counts. Backward rows are the backward
alone: torch.autograd.grad on a kept graph. Before a row is timed the results of both sides are compared. The other
side's threads sleep meanwhile: PyTorch's spin for some milliseconds after their work, so there is a pause before ours.

Each row becomes one JSON line: the median seconds of one call of each contender (and NAME_range: least and most), the
ratio (PyTorch's time by ours, the median over the rounds) and, for products, our share of the peak, which is the
highest rate that anything in this run reached.
"""

import argparse
import gc
import json
import logging
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

ROUND_SECONDS = 0.075  # the calls of one contender in one round
PAUSE = 0.05           # until PyTorch's threads sleep
BAR, MEAN_BAR, PEAK_BAR = 0.95, 1.3, 0.8
TOLERANCE, BF16_TOLERANCE = 1e-4, 1e-2  # max |a - b| / max |b|; PyTorch rounds the result of a bf16 product


def parse_arguments():
    parser = argparse.ArgumentParser(description="the library's operations beside PyTorch's", prog="bench/peers/run.sh")
    parser.add_argument("--json", metavar="FILE", help="one line per row")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", metavar="EXPRESSION", type=re.compile, default="", help="rows that match this")
    parser.add_argument("--server", metavar="PROGRAM", type=pathlib.Path,
                        default=ROOT / "build/cpu/bench/operations_server")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.threads < 1:
        parser.error("--rounds and --threads are at least 1")
    if not arguments.server.is_file():
        parser.error(f"no {arguments.server}; build it: cmake --preset cpu && cmake --build build/cpu")
    return arguments


arguments = parse_arguments()
os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no compiling processes beside the timing

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch._functorch.config  # noqa: E402
import torch.nn.functional as F  # noqa: E402

logging.getLogger("torch").setLevel(logging.ERROR)
torch.set_num_threads(arguments.threads)
torch._functorch.config.donated_buffer = False  # a compiled backward can run again on a kept graph


def stop(message):
    print(f"bench/peers/run.sh: {message}", file=sys.stderr)
    sys.exit(2)


# ---- inputs: the numbers of vlm::Random(0, name)

def mix_bits(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hash_text(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def high_bits(name, count):
    """The upper 24 bits of each number, in parts that fit the cache."""
    with np.errstate(over="ignore"):
        key = mix_bits(np.uint64(hash_text(name)))
        result, part = np.empty(count, np.uint32), 1 << 16
        for first in range(0, count, part):
            at = np.arange(first + 1, min(first + part, count) + 1, dtype=np.uint64)
            result[first:first + part] = mix_bits(key + at * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)
    return result


def draw(name, *shape, spread=1.0, middle=0.0):
    values = high_bits(name, math.prod(shape)).astype(np.float32)
    values *= np.float32(2**-23)
    values -= np.float32(1)
    values *= np.float32(spread)
    values += np.float32(middle)
    return torch.from_numpy(values).reshape(shape)


def draw_indices(name, *shape, bound):
    high = high_bits(name, math.prod(shape)).astype(np.uint64)
    return torch.from_numpy(((high * np.uint64(bound)) >> np.uint64(24)).astype(np.int64)).reshape(shape)


# ---- the operations. Each takes `wrap`, the identity or torch.compile, and the sizes of its row; it returns a function
# that computes the row once and returns what operations_server.cpp calls the row's results, in that order.

def forward(wrap, function, *inputs):
    function = wrap(function)
    return lambda: [function(*inputs)]


def backward(wrap, function, *inputs):
    inputs = [x.requires_grad_() for x in inputs]
    output = wrap(function)(*inputs)
    dy = draw("dy", *output.shape)
    return lambda: torch.autograd.grad(output, inputs, dy, retain_graph=True)


def linear_forward(wrap, rows, inputs, outputs):
    weight = draw("weight", outputs, inputs, spread=np.float32(1) / np.sqrt(np.float32(inputs)))
    return forward(wrap, F.linear, draw("x", rows, inputs), weight)


def linear_forward_bf16(wrap, rows, inputs, outputs):
    weight = draw("weight", outputs, inputs, spread=np.float32(1) / np.sqrt(np.float32(inputs)))
    return forward(wrap, F.linear, draw("x", rows, inputs).bfloat16(), weight.bfloat16())


def linear_backward_input(wrap, rows, inputs, outputs):
    weight = draw("weight", outputs, inputs, spread=np.float32(1) / np.sqrt(np.float32(inputs)))
    return forward(wrap, torch.mm, draw("dy", rows, outputs), weight)


def linear_backward_weight(wrap, rows, inputs, outputs):
    dweight = torch.zeros(outputs, inputs)
    add = wrap(lambda dweight, dy, x: dweight.addmm_(dy.t(), x))
    dy, x = draw("dy", rows, outputs), draw("x", rows, inputs)
    return lambda: [add(dweight, dy, x)]


def attention(wrap, direction, causal, rows, heads, kv_heads, head_dim):
    def attend(q, k, v):
        q, k, v = (x.view(1, rows, -1, head_dim).transpose(1, 2) for x in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=heads != kv_heads)
        return y.transpose(1, 2).reshape(rows, -1)

    return direction(wrap, attend, draw("q", rows, heads * head_dim, spread=2),
                     draw("k", rows, kv_heads * head_dim, spread=2), draw("v", rows, kv_heads * head_dim))


def rms_norm(wrap, direction, rows, features):
    def norm(x, weight):
        return F.rms_norm(x, (features,), weight, 1e-6)

    return direction(wrap, norm, draw("x", rows, features), draw("weight", features, spread=0.2, middle=1))


def layer_norm(wrap, direction, rows, features):
    def norm(x, weight, bias):
        return F.layer_norm(x, (features,), weight, bias, 1e-6)

    return direction(wrap, norm, draw("x", rows, features), draw("weight", features, spread=0.2, middle=1),
                     draw("bias", features))


def gelu(wrap, direction, rows, features):
    return direction(wrap, lambda x: F.gelu(x, approximate="tanh"), draw("x", rows, features, spread=3))


def swiglu(wrap, direction, rows, features):
    return direction(wrap, lambda gate, up: F.silu(gate) * up, draw("gate", rows, features, spread=3),
                     draw("up", rows, features))


def rotary(wrap, rows, heads, head_dim):
    angles = draw("angles", rows, head_dim // 2, spread=3)
    cosine, sine = (torch.cat((x, x), -1)[:, None, :] for x in (angles.cos(), angles.sin()))

    def rotate(x):
        first, second = x.chunk(2, -1)
        return x * cosine + torch.cat((-second, first), -1) * sine

    return forward(wrap, rotate, draw("x", rows, heads, head_dim))


def embedding_forward(wrap, rows, vocabulary, features):
    return forward(wrap, F.embedding, draw_indices("ids", rows, bound=vocabulary), draw("table", vocabulary, features))


def embedding_backward(wrap, rows, vocabulary, features):
    """Adds into a gradient that is there, as the library does."""
    dtable = torch.zeros(vocabulary, features)
    add = wrap(lambda dtable, ids, dy: dtable.index_add_(0, ids, dy))
    ids, dy = draw_indices("ids", rows, bound=vocabulary), draw("dy", rows, features)
    return lambda: [add(dtable, ids, dy)]


def cross_entropy(wrap, rows, vocabulary):
    """The loss and the gradient of the logits."""
    logits = draw("logits", rows, vocabulary, spread=3).requires_grad_()
    targets = draw_indices("targets", rows, bound=vocabulary)
    loss = wrap(F.cross_entropy)
    return lambda: torch.autograd.grad(loss(logits, targets), logits)


def adamw(wrap, count):
    parameter = draw("parameter", count).requires_grad_()
    parameter.grad = draw("gradient", count)
    optimizer = torch.optim.AdamW([parameter], lr=1e-3, weight_decay=0.01, fused=wrap is eager)
    step = wrap(optimizer.step)

    def update():
        step()
        state = optimizer.state[parameter]
        return parameter.detach(), state["exp_avg"], state["exp_avg_sq"]

    return update


def interpolate(wrap, rows, positions, features):
    y = torch.zeros(rows, features)
    if wrap is eager:
        def add(y, table, corners, weights):
            return y.add_(F.embedding_bag(corners, table, per_sample_weights=weights, mode="sum"))
    else:
        def add(y, table, corners, weights):
            return y.add_((table[corners] * weights[..., None]).sum(1))
    return forward(wrap, add, y, draw("table", positions, features), draw_indices("corners", rows, 4, bound=positions),
                   draw("weights", rows, 4, spread=0.5, middle=0.5))


def route(wrap, rows, experts, k):
    """Probabilities, the k best experts with their weights, and the permutation that sorts rows by expert."""
    def choose(logits):
        probabilities = logits.softmax(-1)
        weights, chosen = probabilities.topk(k)
        by_expert, order = chosen.flatten().sort(stable=True)
        offsets = torch.searchsorted(by_expert, torch.arange(experts + 1))
        slots = torch.empty_like(order).scatter_(0, order, torch.arange(rows * k))
        return probabilities, chosen, weights / weights.sum(-1, keepdim=True), offsets, order // k, slots.view(rows, k)

    choose = wrap(choose)
    logits = draw("logits", rows, experts, spread=3)
    return lambda: choose(logits)


OPERATIONS = {
    "linear_forward": linear_forward,
    "linear_forward_bf16": linear_forward_bf16,
    "linear_backward_input": linear_backward_input,
    "linear_backward_weight": linear_backward_weight,
    "causal_attention_forward": lambda wrap, *sizes: attention(wrap, forward, True, *sizes),
    "causal_attention_backward": lambda wrap, *sizes: attention(wrap, backward, True, *sizes),
    "full_attention_forward": lambda wrap, *sizes: attention(wrap, forward, False, *sizes),
    "full_attention_backward": lambda wrap, *sizes: attention(wrap, backward, False, *sizes),
    "rms_norm_forward": lambda wrap, *sizes: rms_norm(wrap, forward, *sizes),
    "rms_norm_backward": lambda wrap, *sizes: rms_norm(wrap, backward, *sizes),
    "layer_norm_forward": lambda wrap, *sizes: layer_norm(wrap, forward, *sizes),
    "layer_norm_backward": lambda wrap, *sizes: layer_norm(wrap, backward, *sizes),
    "gelu_forward": lambda wrap, *sizes: gelu(wrap, forward, *sizes),
    "gelu_backward": lambda wrap, *sizes: gelu(wrap, backward, *sizes),
    "swiglu_forward": lambda wrap, *sizes: swiglu(wrap, forward, *sizes),
    "swiglu_backward": lambda wrap, *sizes: swiglu(wrap, backward, *sizes),
    "rotary": rotary,
    "embedding_forward": embedding_forward,
    "embedding_backward": embedding_backward,
    "cross_entropy": cross_entropy,
    "adamw": adamw,
    "interpolate": interpolate,
    "route": route,
}


def eager(function):
    return function


def compiled(function):
    return torch.compile(function, dynamic=False)


# ---- the two sides

class Server:
    """The library, in a process of its own that answers one line to each line."""

    def __init__(self, program, threads):
        self.process = subprocess.Popen([program.resolve(), "--threads", str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if not answer or answer.startswith("error"):
            stop(f"operations_server, asked '{line}': {answer or 'no answer'}")
        return answer

    def number(self, line):
        return float(self.ask(line))

    def seconds(self):
        return self.number("time")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """One form of a row in PyTorch."""

    def __init__(self, wrap, name, sizes):
        self.call = OPERATIONS[name](wrap, *sizes)
        self.results = [x.detach().clone() for x in self.call()]
        self.calls = 0

    def seconds_of(self, calls):
        start = time.perf_counter()
        for _ in range(calls):
            self.call()
        return time.perf_counter() - start

    def seconds(self):
        self.call()
        if not self.calls:
            self.calls = max(1, min(100000, int(ROUND_SECONDS / max(self.seconds_of(1), 1e-9))))
        return self.seconds_of(self.calls) / self.calls


def largest_difference(server, peer, folder):
    """Of our results and a peer's: max |a - b| / max |b| over its tensors; whole numbers must be equal."""
    path = pathlib.Path(folder) / "results"
    ours, offset, largest = np.fromfile(path, np.float32), 0, 0.0
    for expected in peer.results:
        expected = expected.flatten()
        part = ours[offset:offset + expected.numel()]
        offset += expected.numel()
        if expected.dtype == torch.int64:
            part, expected = part.view(np.int32), expected.numpy()
            largest = max(largest, 0.0 if np.array_equal(part, expected) else math.inf)
            continue
        expected = expected.float()
        error = float((torch.from_numpy(part) - expected).abs().max() / expected.abs().max())
        largest = max(largest, error if math.isfinite(error) else math.inf)
    return largest if offset == len(ours) else math.inf


# ---- rows

def read_rows(only):
    lines = (HERE / "rows.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    unknown = [row for row in rows if row.split()[0] not in OPERATIONS]
    if unknown:
        stop(f"rows.txt: unknown operation in '{unknown[0]}'")
    return [row for row in rows if re.search(only, row)]


def product_flop(name, sizes):
    """Multiplications and additions of a matrix product, or 0."""
    return 2 * math.prod(sizes) if name.startswith("linear") else 0


def median_and_range(name, values):
    return {name: statistics.median(values), name + "_range": [min(values), max(values)]}


def time_row(server, row, rounds, folder):
    """One row; its numbers, before the peak of the whole run is known."""
    name, *sizes = row.split()
    sizes = [int(size) for size in sizes]
    server.ask("open " + row)
    server.ask(f"save {folder}/results")
    result = {"name": name, "shape": "x".join(map(str, sizes)), "unit": "s", "difference": 0.0}
    peers = {}
    for form in (eager, compiled):
        try:
            torch._dynamo.reset()
            peers[form.__name__] = Peer(form, name, sizes)
        except Exception as error:  # whatever stops the compiler; the eager form must work
            if form is eager:
                raise
            print(f"  note: {row}: torch.compile failed, eager only: {str(error).strip().splitlines()[0][:200]}")
    for peer in peers.values():
        result["difference"] = max(result["difference"], largest_difference(server, peer, folder))
        peer.results = None

    times, fma = {"ours": [], **{form: [] for form in peers}}, []
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for form, peer in peers.items():
            times[form].append(peer.seconds())
        time.sleep(PAUSE)
        times["ours"].append(server.seconds())
        if product_flop(name, sizes):
            fma.append(server.number("fma"))
    gc.enable()

    against = min(peers, key=lambda form: statistics.median(times[form]))
    ratios = [peer / ours for peer, ours in zip(times[against], times["ours"])]
    for contender, seconds in times.items():
        result.update(median_and_range(contender, seconds))
    result.update(against=against, peer=result[against], **median_and_range("ratio", ratios))
    if fma:
        giga_flop = 1e-9 * product_flop(name, sizes)
        result["gflops"] = giga_flop / result["ours"]
        # bf16 products of the peer may run on other units, which ours do not claim.
        peer_rate = 0 if "bf16" in name else giga_flop / result[against + "_range"][0]
        result["peak"] = max([*fma, giga_flop / result["ours_range"][0], peer_rate])
    return result


def print_row(row):
    def milliseconds(name):
        return f"{1e3 * row[name]:9.3f}" if name in row else "        -"

    least, most = row["ratio_range"]
    print(f"{row['name']:26} {row['shape']:18} {milliseconds('ours')} {milliseconds('eager')} "
          f"{milliseconds('compiled')}   {row['ratio']:6.3f} ({least:.2f} to {most:.2f})"
          + (f"  {row['gflops']:7.1f} GFLOP/s" if "gflops" in row else "") + f"  differs {row['difference']:.1e}",
          flush=True)


def verdict(rows):
    """Adds what needs the whole run: share of the peak, whether the bar is reached."""
    peak = max((row.pop("peak") for row in rows if "peak" in row), default=0)
    for row in rows:
        if "gflops" in row:
            row["share_of_peak"] = row["gflops"] / peak
        row["bar"] = BAR
        row["reached"] = row["ratio"] >= BAR or row.get("share_of_peak", 0) >= PEAK_BAR
        row["agrees"] = row["difference"] <= (BF16_TOLERANCE if "bf16" in row["name"] else TOLERANCE)
    return peak


def warn_about_version():
    pinned = re.search(r"^torch==(\S+)", (ROOT / "tests/golden/requirements.txt").read_text(encoding="utf-8"), re.M)
    if pinned and torch.__version__.split("+")[0] != pinned.group(1):
        print(f"note: PyTorch {torch.__version__}, but tests/golden/requirements.txt pins {pinned.group(1)}")


def main():
    names = read_rows(arguments.only)
    if not names:
        stop("no row of rows.txt matches --only")
    print(f"PyTorch {torch.__version__} beside ours, {arguments.threads} threads, {arguments.rounds} rounds; "
          "medians in ms, ratio = PyTorch's time / ours")
    warn_about_version()
    print(f"{'':45} {'ours':>9} {'eager':>9} {'compiled':>9}    ratio", flush=True)
    server, rows = Server(arguments.server, arguments.threads), []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            rows.append(time_row(server, name, arguments.rounds, folder))
            print_row(rows[-1])
    copy = server.number("copy")
    server.close()

    peak = verdict(rows)
    mean = math.exp(statistics.fmean(math.log(row["ratio"]) for row in rows))
    print(f"\ngeometric mean {mean:.3f} (bar {MEAN_BAR}); copy {copy:.1f} GB/s"
          + (f", peak {peak:.1f} GFLOP/s" if peak else ""))
    for row in rows:
        if not row["reached"]:
            share = f", {row['share_of_peak']:.0%} of the peak" if "share_of_peak" in row else ""
            print(f"below the bar of {BAR}: {row['name']} {row['shape']}: {row['ratio']:.3f}{share}")
    if arguments.json:
        lines = [json.dumps(row) for row in rows]
        lines.append(json.dumps({"name": "geometric mean", "shape": f"{len(rows)} rows", "unit": "1", "ratio": mean,
                                 "bar": MEAN_BAR, "reached": mean >= MEAN_BAR}))
        pathlib.Path(arguments.json).write_text("\n".join(lines) + "\n", encoding="utf-8")
    wrong = [row for row in rows if not row["agrees"]]
    for row in wrong:
        print(f"results differ: {row['name']} {row['shape']}: {row['difference']:.2e}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
