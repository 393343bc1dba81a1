"""RMSNorm of PyTorch on a GPU, eager and compiled, on the shapes of rms_norm.cu; one JSON line for each row."""
import json
import statistics

import torch
import torch._functorch.config
import torch.nn.functional as functional

SETS, ROUNDS = 4, 50
# The same graph's gradient is taken again and again.
torch._functorch.config.donated_buffer = False


def milliseconds(work):
    times = []
    for turn in range(-5, ROUNDS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work((turn + 5) % SETS)
        end.record()
        end.synchronize()
        if turn >= 0:
            times.append(begin.elapsed_time(end))
    return times


def row(name, kind, shape, dtype, size, times):
    rows, groups, group = shape
    ordered = sorted(times)
    moved = rows * groups * group * size * (2 if name == "forward" else 3) + 4 * rows * groups
    median = statistics.median(ordered)
    print(json.dumps({"name": f"RmsNorm {name}", "peer": f"torch {torch.__version__} {kind}",
                      "shape": "x".join(map(str, shape)), "dtype": dtype, "bytes": moved,
                      "milliseconds": round(median, 5), "p10": round(ordered[ROUNDS // 10], 5),
                      "p90": round(ordered[ROUNDS * 9 // 10], 5), "unit": "GB/s",
                      "theirs": round(1e-6 * moved / median, 1)}), flush=True)


def norm(x, weight):
    return functional.rms_norm(x, weight.shape, weight, 1e-6)


for shape in ((8192, 1, 4096), (8192, 1, 2048), (8192, 32, 128)):
    for dtype, number in (("bf16", torch.bfloat16), ("f32", torch.float32)):
        for kind, call in (("eager", norm), ("compiled", torch.compile(norm))):
            torch.manual_seed(0)
            x = [torch.randn(shape, device="cuda", dtype=number, requires_grad=True) for _ in range(SETS)]
            slope = torch.randn(shape, device="cuda", dtype=number)
            weight = torch.randn(shape[2], device="cuda", dtype=number, requires_grad=True)
            results = [call(one, weight) for one in x]
            with torch.no_grad():
                row("forward", kind, shape, dtype, x[0].element_size(), milliseconds(lambda i: call(x[i], weight)))
            row("backward with weight", kind, shape, dtype, x[0].element_size(), milliseconds(
                lambda i: torch.autograd.grad(results[i], (x[i], weight), slope, retain_graph=True)))
