#!/usr/bin/env python3
"""Times whole models in the library and in transformers with PyTorch, in the same run, interleaved.

    models.py [--json FILE] [--rounds N] [--threads N] [--only TEXT] [--checkpoint FOLDER] [--tiny] [--compiled]
              [--form FORM] [--recompute] [--profile]
    models.py --make FOLDER [--tiny]     writes the checkpoint of the rows that need one: random, bf16, the size of 2B

Needs the benchmarks (cmake --preset cpu, then cmake --build build/cpu) and the packages of
tests/golden/requirements.txt. Rows whose names contain TEXT are run:

    training step, dense     forward, backward and AdamW in f32 of a model of 12 layers with 2,048 tokens in 4 samples,
    training step, MoE       each with one image of 128 visual tokens; in transformers a batch of 4 rows without padding
    training step, quick start   the model and the step of stage S1 in examples/quickstart.sh: 3,080 tokens in 110
                             samples of one photograph and a short question; for transformers, again, without padding
    answering                with --checkpoint: its loading, a prompt of 512 tokens, and an image of 1024x1024 pixels
                             through tower and mergers; bf16 weights, against transformers in f32 and in bf16

Each contender is a process of its own, and its memory is the most that the process held. transformers has sdpa
attention and the fused AdamW; of its forms (loop or grouped product over experts; with --compiled torch.compile of the
decoder and tower blocks) the one that is fastest in one step takes part. Both sides must agree: on the losses of all
steps, on the token after the prompt, on the size of the image's rows (in f32).

Useful FLOP of a step: 6 for each weight of a product and each row that it reads (the head's rows: those with a label),
and of attention 12 * length^2 * width per layer, half of it where causal. The peak is the highest rate of multiply-adds
in the run. --tiny has models of a few thousand weights, to try the comparison in seconds; its ratios mean nothing.

Exit status: 0 all bars are reached, 1 one is not or the results differ, 2 something is missing.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

from contenders import ROOT, Contender, Failed, memory_row, most_memory, row, serve, stop, write_inputs, write_rows

STEP_BARS = {"dense": 1.3, "MoE": 2.0, "quick start": 2.0}
STEP_PEAK_BAR, STEP_MEMORY_BAR = 0.7, 0.6
ANSWER_BAR, ANSWER_PEAK_BAR, ANSWER_MEMORY_BARS = 1.15, 0.8, {"f32": 0.6, "bf16": 1.05}
LOSS_TOLERANCE, SIZE_TOLERANCE = 1e-4, 1e-3  # relative


# ---- models and inputs

def config_of(text, vision, tokens, experts=None):
    """config.json as the released files spell it. `tokens`: the first of the four special ones."""
    sparse = experts is not None
    kind = "qwen3_vl_moe" if sparse else "qwen3_vl"
    text = {"attention_bias": False, "attention_dropout": 0.0, "hidden_act": "silu", "initializer_range": 0.02,
            "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 5e6, "use_cache": True,
            "bos_token_id": 0, "eos_token_id": 1, "dtype": "float32", "model_type": kind + "_text",
            "tie_word_embeddings": True, **text}
    if sparse:
        text.update(decoder_sparse_step=1, mlp_only_layers=[], norm_topk_prob=True, **experts)
    vision = {"hidden_act": "gelu_pytorch_tanh", "in_channels": 3, "initializer_range": 0.02, "model_type": kind,
              "out_hidden_size": text["hidden_size"], "spatial_merge_size": 2, "temporal_patch_size": 2, **vision}
    return {"architectures": ["Qwen3VLMoeForConditionalGeneration" if sparse else "Qwen3VLForConditionalGeneration"],
            "model_type": kind, "tie_word_embeddings": True, "text_config": text, "vision_config": vision,
            "vision_start_token_id": tokens, "vision_end_token_id": tokens + 1, "image_token_id": tokens + 2,
            "video_token_id": tokens + 3}


def rope(*section):
    return {"mrope_interleaved": True, "mrope_section": list(section), "rope_type": "default"}


def training_config(kind, tiny):
    sparse = kind == "MoE"
    if kind == "quick start" and not tiny:  # as examples/quickstart/prepare.cpp writes it
        text = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
                "head_dim": 32, "intermediate_size": 256, "vocab_size": 640, "rope_scaling": rope(6, 5, 5)}
        vision = {"depth": 4, "hidden_size": 128, "num_heads": 4, "intermediate_size": 512, "patch_size": 7,
                  "num_position_embeddings": 64, "deepstack_visual_indexes": [1, 2, 3]}
        return config_of(text, vision, 630)
    if tiny:
        text = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
                "head_dim": 8, "intermediate_size": 64, "vocab_size": 100, "rope_scaling": rope(2, 1, 1)}
        vision = {"depth": 6, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64, "patch_size": 4,
                  "num_position_embeddings": 16, "deepstack_visual_indexes": [1, 3, 5]}
        experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
        return config_of(text, vision, 90, experts if sparse else None)
    text = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "num_key_value_heads": 4,
            "head_dim": 64, "intermediate_size": 2048, "vocab_size": 32000, "rope_scaling": rope(12, 10, 10)}
    vision = {"depth": 6, "hidden_size": 384, "num_heads": 6, "intermediate_size": 1536, "patch_size": 16,
              "num_position_embeddings": 2304, "deepstack_visual_indexes": [1, 3, 5]}
    experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 1024}
    return config_of(text, vision, 31990, experts if sparse else None)


def answering_config(tiny):
    if tiny:
        return training_config("dense", True)
    return json.loads((ROOT / "tests/model/configs/2B.json").read_text(encoding="utf-8"))


# ---- useful FLOP

def block_weights(text):
    """Weights that each row of one decoder block is multiplied with."""
    width, head = text["hidden_size"], text["head_dim"]
    attention = 2 * width * head * (text["num_attention_heads"] + text["num_key_value_heads"])
    if "num_experts" in text:
        return (attention + width * text["num_experts"]
                + 3 * width * text["moe_intermediate_size"] * text["num_experts_per_tok"])
    return attention + 3 * width * text["intermediate_size"]


def tower_flop(config, pictures, grid):
    """Of a forward through tower and mergers."""
    vision = config["vision_config"]
    width, patches, merge = vision["hidden_size"], grid[0] * grid[1], vision["spatial_merge_size"]**2
    patch = vision["in_channels"] * vision["temporal_patch_size"] * vision["patch_size"]**2 * width
    block = 4 * width * width + 2 * width * vision["intermediate_size"]
    merger = merge * width * (merge * width + vision["out_hidden_size"])
    mergers = 1 + len(vision["deepstack_visual_indexes"])
    products = 2 * (patch + vision["depth"] * block) * patches + 2 * mergers * merger * patches // merge
    return pictures * (products + 4 * patches**2 * width * vision["depth"])


def text_flop(config, samples, length, predictions):
    """Of a forward through the decoder, with logits for `predictions` rows in all."""
    text = config["text_config"]
    attention = 2 * length**2 * text["num_attention_heads"] * text["head_dim"]
    return (samples * text["num_hidden_layers"] * (2 * block_weights(text) * length + attention)
            + 2 * predictions * text["vocab_size"] * text["hidden_size"])


# ---- the side of transformers: a process that answers the commands of model_server.cpp

class Peer:
    """`form`: words from f32, bf16, loop, grouped, compiled, joined by +."""

    def __init__(self, form, threads):
        import torch
        import transformers

        self.torch, self.transformers, self.form = torch, transformers, form.split("+")
        torch.set_num_threads(threads)
        self.inputs = {}

    def open(self, folder):
        config = json.loads((pathlib.Path(folder) / "config.json").read_text(encoding="utf-8"))
        options = {"dtype": self.torch.bfloat16 if "bf16" in self.form else self.torch.float32,
                   "attn_implementation": "sdpa"}
        if "loop" in self.form or "grouped" in self.form:
            options["experts_implementation"] = "eager" if "loop" in self.form else "grouped_mm"
        self.model = getattr(self.transformers, config["architectures"][0]).from_pretrained(folder, **options)
        if "compiled" in self.form:
            for block in (*self.model.model.language_model.layers, *self.model.model.visual.blocks):
                block.compile(dynamic=False)
        self.image_token = config["image_token_id"]

    def read(self, path):
        if path not in self.inputs:
            from safetensors.torch import load_file
            tensors = load_file(path)
            tensors["mm_token_type_ids"] = (tensors["input_ids"] == self.image_token).int()
            self.inputs[path] = tensors
        return self.inputs[path]

    def train(self, folder, inputs):
        start = time.perf_counter()
        self.open(folder)
        self.model.train()
        self.batch = self.read(inputs)
        decaying = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        self.optimizer = self.torch.optim.AdamW(
            [{"params": decaying, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}], lr=1e-4,
            betas=(0.9, 0.95), eps=1e-8, fused=True)
        return (time.perf_counter() - start,)

    def step(self):
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.model(**self.batch, use_cache=False).loss
        loss.backward()
        self.optimizer.step()
        return time.perf_counter() - start, float(loss.detach())

    def load(self, folder):
        start = time.perf_counter()
        self.open(folder)
        self.model.eval()
        return (time.perf_counter() - start,)

    def prefill(self, inputs):
        ids = self.read(inputs)["input_ids"]
        with self.torch.inference_mode():
            start = time.perf_counter()
            logits = self.model(input_ids=ids, use_cache=True, logits_to_keep=1).logits
            token = int(logits[0, -1].argmax())
            return time.perf_counter() - start, token

    def image(self, inputs):
        tensors = self.read(inputs)
        with self.torch.inference_mode():
            start = time.perf_counter()
            rows = self.model.model.get_image_features(tensors["pixel_values"], tensors["image_grid_thw"]).pooler_output
            seconds = time.perf_counter() - start
            return seconds, float(self.torch.cat(list(rows)).float().square().mean().sqrt())

    def memory(self):
        return (most_memory(),)


# ---- the comparison

def ours():
    return Contender("ours", [arguments.server.resolve(), "--threads", arguments.threads], arguments.threads)


def peer(form):
    return Contender(form, [sys.executable, pathlib.Path(__file__).resolve(), "--peer", form, "--threads",
                            arguments.threads], arguments.threads)


def make_checkpoint(config, folder, dtype):
    with tempfile.TemporaryDirectory() as start:
        (pathlib.Path(start) / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        library = ours()
        library.ask("make", start, folder, dtype)
        library.close()


def agree(name, own, theirs, tolerance):
    worst = max(abs(a - b) / max(abs(b), 1e-9) for a, b in zip(own, theirs))
    if worst > tolerance:
        print(f"{name}: results differ by {worst:.2e}: ours {own}, theirs {theirs}", flush=True)
    return worst <= tolerance


def fastest_form(forms, folder, inputs):
    """The first step compiles and warms up; the second is timed."""
    if arguments.form or len(forms) == 1:
        return arguments.form or forms[0]
    seconds = {}
    for form in forms:
        contender = peer(form)
        try:
            contender.ask("train", folder, inputs)
            contender.ask("step")
            seconds[form] = contender.numbers("step")[0]
            print(f"  transformers, {form}: {seconds[form]:.2f} s a step", flush=True)
        except Failed as error:
            print(f"  note: {error}", flush=True)
        contender.close()
    if not seconds:
        stop("no form of transformers can take a step")
    return min(seconds, key=seconds.get)


def compare_training(kind, folder):
    sparse, tiny = kind == "MoE", arguments.tiny
    config = training_config(kind, tiny)
    samples, length, grid = (110, 28, (4, 4)) if kind == "quick start" else (4, 512, (16, 32))
    if tiny:
        samples, length, grid = 2, 24, (4, 8)
    inputs, checkpoint = folder / "inputs.safetensors", folder / "checkpoint"
    labels = write_inputs(inputs, config, samples, length, grid, True)
    make_checkpoint(config, checkpoint, "F32")
    flop = 3 * (text_flop(config, samples, length, labels) + tower_flop(config, samples, grid))
    forms = ["f32+loop", "f32+grouped"] if sparse else ["f32"]
    forms += [form + "+compiled" for form in forms] if arguments.compiled else []
    form = fastest_form(forms, checkpoint, inputs)

    library, reference = ours(), peer(form)
    losses = {library: [], reference: []}
    seconds = {library: [], reference: []}
    peaks = []
    for contender in losses:
        contender.ask("train", checkpoint, inputs,
                      *(["recompute"] if arguments.recompute and contender is library else []))
        losses[contender].append(contender.numbers("step")[1])
    for _ in range(arguments.rounds):
        for contender in losses:
            taken, loss = contender.numbers("step")
            seconds[contender].append(taken)
            losses[contender].append(loss)
        peaks += library.numbers("fma")
    memory = {contender: contender.numbers("memory")[0] for contender in losses}
    if arguments.profile:
        print("  profile: " + library.ask("profile"))
    library.close(), reference.close()

    tokens, name, shape = samples * length, f"training step, {kind}", f"{samples}x{length} tokens"
    name += ", recomputing" if arguments.recompute else ""
    rates = [1e-9 * flop / taken for taken in seconds[library]]
    peak = max(*peaks, *rates, *(1e-9 * flop / taken for taken in seconds[reference]))
    agrees = agree(name, losses[library], losses[reference], LOSS_TOLERANCE)
    against = "transformers " + form
    return [row(name, shape, "tokens/s", [tokens / taken for taken in seconds[library]],
                [tokens / taken for taken in seconds[reference]], against, STEP_BARS[kind],
                share_of_peak=statistics.median(rates) / peak, peak_bar=STEP_PEAK_BAR, gflop=1e-9 * flop, peak=peak,
                agrees=agrees),
            memory_row(name, shape, memory[library], memory[reference], against, STEP_MEMORY_BAR)]


def reading_seconds(folder):
    """Of the checkpoint's files, from the page cache or wherever they lie."""
    part = bytearray(1 << 24)
    start = time.perf_counter()
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        with open(path, "rb", buffering=0) as file:
            while file.readinto(part):
                pass
    return time.perf_counter() - start


def compare_answering(checkpoint, folder):
    config = json.loads((pathlib.Path(checkpoint) / "config.json").read_text(encoding="utf-8"))
    length, grid = (24, (4, 8)) if arguments.tiny else (512, (64, 64))
    prompt, picture = folder / "prompt.safetensors", folder / "picture.safetensors"
    write_inputs(prompt, config, 1, length, None, False)
    write_inputs(picture, config, 1, 2 + grid[0] * grid[1] // 4, grid, False)
    reading_seconds(checkpoint)
    reading = reading_seconds(checkpoint)
    contenders = [ours(), peer("f32"), peer("bf16")]
    library, wide, narrow = contenders
    loading = {contender: contender.numbers("load", checkpoint)[0] for contender in contenders}
    loaded = {contender: contender.numbers("memory")[0] for contender in contenders}
    warm = {}
    for contender in contenders:
        for work, inputs in (("prefill", prompt), ("image", picture)):
            warm[contender, work] = contender.numbers(work, inputs)
            print(f"  first {work}, {contender.name}: {warm[contender, work][0]:.2f} s", flush=True)
    seconds = {key: [] for key in warm}
    peaks = []
    for _ in range(arguments.rounds):
        for work, inputs in (("prefill", prompt), ("image", picture)):
            for contender in contenders:
                seconds[contender, work].append(contender.numbers(work, inputs)[0])
        peaks += library.numbers("fma")
    memory = {contender: contender.numbers("memory")[0] for contender in contenders}
    for contender in contenders:
        contender.close()

    size = sum(path.stat().st_size for path in pathlib.Path(checkpoint).glob("*.safetensors")) / 2**20
    faster = min((wide, narrow), key=lambda contender: loading[contender])
    rows = [row("answering, load", f"{size:.0f} MB", "s", [loading[library]], [reading], "reading the file", 1.0,
                larger_is_better=False, transformers=loading[faster]),
            row("answering, memory after loading", f"{size:.0f} MB", "MB", [loaded[library]], [size + 300],
                "file + 300 MB", 1.0, larger_is_better=False)]
    flop = {"prefill": text_flop(config, 1, length, 1), "image": tower_flop(config, 1, grid)}
    work = {"prefill": (length, "tokens/s", f"{length} tokens"),
            "image": (1, "images/s", f"{16 * grid[0]}x{16 * grid[1]} pixels")}
    rates = {name: [1e-9 * flop[name] / taken for taken in seconds[library, name]] for name in flop}
    peak = max(*peaks, *rates["prefill"], *rates["image"])
    for name, (amount, unit, shape) in work.items():
        against = min((wide, narrow), key=lambda contender: statistics.median(seconds[contender, name]))
        other = wide if against is narrow else narrow
        same = agree(name, warm[library, name][1:], warm[wide, name][1:], 0 if name == "prefill" else SIZE_TOLERANCE)
        rows.append(row("answering, " + name, shape, unit, [amount / taken for taken in seconds[library, name]],
                        [amount / taken for taken in seconds[against, name]], "transformers " + against.name,
                        ANSWER_BAR, share_of_peak=statistics.median(rates[name]) / peak, peak_bar=ANSWER_PEAK_BAR,
                        gflop=1e-9 * flop[name], peak=peak, agrees=same,
                        other={other.name: amount / statistics.median(seconds[other, name])}))
    for contender in (wide, narrow):
        rows.append(memory_row("answering", f"{size:.0f} MB", memory[library], memory[contender],
                               "transformers " + contender.name, ANSWER_MEMORY_BARS[contender.name]))
    return rows


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="one line per row")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", metavar="TEXT", default="", help="rows whose names contain this")
    parser.add_argument("--checkpoint", metavar="FOLDER", help="what --make wrote, for the rows of answering")
    parser.add_argument("--make", metavar="FOLDER", help="write that checkpoint (4.3 GB) and stop")
    parser.add_argument("--tiny", action="store_true", help="tiny models, to try the comparison")
    parser.add_argument("--compiled", action="store_true", help="let torch.compile take part in training steps")
    parser.add_argument("--form", metavar="FORM", help="of transformers in training steps, not the fastest: f32+loop")
    parser.add_argument("--recompute", action="store_true", help="our training steps keep the inputs of blocks only")
    parser.add_argument("--profile", action="store_true", help="print the parts of one of our training steps")
    parser.add_argument("--server", metavar="PROGRAM", type=pathlib.Path, default=ROOT / "build/cpu/bench/model_server")
    parser.add_argument("--peer", metavar="FORM", help=argparse.SUPPRESS)  # this script as the side of transformers
    return parser.parse_args()


arguments = parse_arguments()


def main():
    if arguments.peer:
        return serve(Peer(arguments.peer, arguments.threads))
    if arguments.rounds < 1 or arguments.threads < 1:
        stop("--rounds and --threads are at least 1")
    if not arguments.server.is_file():
        stop(f"no {arguments.server}; build it: cmake --preset cpu && cmake --build build/cpu")
    if arguments.make:
        return make_checkpoint(answering_config(arguments.tiny), arguments.make, "BF16")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for kind in STEP_BARS:
            if arguments.only in f"training step, {kind}":
                rows += compare_training(kind, folder)
                shutil.rmtree(folder / "checkpoint")
        if arguments.only in "answering" and (arguments.checkpoint or arguments.tiny):
            checkpoint = arguments.checkpoint
            if not checkpoint:
                checkpoint = folder / "checkpoint"
                make_checkpoint(answering_config(True), checkpoint, "BF16")
            rows += compare_answering(checkpoint, folder)
    if not rows:
        stop("no row matches --only; the rows of answering need --checkpoint")
    if arguments.json:
        write_rows(arguments.json, rows)
    return not all(r["reached"] and r.get("agrees", True) for r in rows)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        stop(error)
