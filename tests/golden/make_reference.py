#!/usr/bin/env python3
"""What transformers computes for Qwen3-VL models: goldens of tiny random ones, and reference files for any.

Run it in an environment with requirements.txt:

    make_reference.py cases OUT_DIR                 the golden cases, as the tests read them
    make_reference.py reference FOLDER OUT_FILE     inputs and results for a checkpoint folder, for the program parity
    make_reference.py random OUT_DIR                a random tiny checkpoint with its reference.safetensors
    make_reference.py tiny OUT_DIR                  the smallest one, on which the tests run the program
    make_reference.py compare PARITY                every case in full through the program parity; 1 if one differs
    make_reference.py saved TRAIN_STAGE PARITY      what the library saves: its bytes, and that transformers loads it

Weights and pixels of the cases are not stored. They come from a counter-based generator that the C++ tests repeat bit
for bit: mix is the SplitMix64 finaliser, key = mix(seed ^ fnv1a64(name)), and element i of a tensor (row-major,
0-based, released layout) is

    u = mix(key + (i + 1) * 0x9E3779B97F4A7C15);   v = (u >> 40) * 2^-23 - 1          exact in float32, in [-1, 1)

    parameter of rank 1, a norm's weight   1 + 0.2 * v        float32, each operation rounded, no fused multiply-add
    parameter of rank 1, any other         0.2 * v
    parameter of rank 2 and more           v * float32(sqrt(3 / fan_in)); fan_in = product(shape[1:]), and shape[1]
                                           for the fused experts, which are stored [experts, in, out]
    pixel_values, pixel_values_videos      v, under those names

A case is a folder with config.json (spelled as in the released files) and golden.safetensors:

    seed [1], input_ids [T], position_ids [3,T], labels [T], image_grid_thw [n,3], video_grid_thw [n,3]   int64
    logits [T,V], loss [1]                                                                                float32
    grad.NAME [33]        L2 norm of the gradient, then its 32 projections sum_i g_i * v_i, where v is the generator's
                          stream 'projection.J.NAME' of the same seed; gradients in the released layout
    visual.*, text.* [33] the same of a stage's rows, with NAME the stage's: visual.patch_embed, visual.positions,
                          visual.blocks.I, visual.deepstack.J, visual.merger, text.embeddings, text.layers.I, text.norm

A reference file holds the same inputs with the pixels, and every stage and gradient in full, as
include/vlm/model/reference.hpp says. text.layers.I are the rows that enter the next layer: DeepStack's are added.
Samples that are packed run one by one and are laid end to end; each begins at position 0. Visual rows of a golden are
sample by sample, images before videos; those of a reference file are all images, then all videos.

The loss is the mean cross-entropy over the labels that are not -100, those of first tokens aside, without the
router's balance loss. A parameter that gets no gradient (the vision tower of a text case) stores zeros.
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

MASK64 = (1 << 64) - 1
GOLDEN_GAMMA = 0x9E3779B97F4A7C15
PROJECTIONS = 32
IGNORED_LABEL = -100
TIMESTAMP_TOKENS = 4
# Closer router probabilities than this could be ordered differently by another summation order.
ROUTER_MARGIN = 2e-5
BORDER = "|"


@dataclasses.dataclass(frozen=True)
class Vision:
    hidden: int
    heads: int
    depth: int
    intermediate: int
    patch: int
    positions: int
    deepstack: tuple


@dataclasses.dataclass(frozen=True)
class Experts:
    count: int
    top_k: int
    intermediate: int


@dataclasses.dataclass(frozen=True)
class Case:
    """One model and one sequence of samples. A layout holds numbers of text tokens, pictures as ("image" | "video",
    grid), and a BORDER between samples."""

    name: str
    seed: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    rope_theta: float
    tied: bool
    vision: Vision
    layout: tuple
    experts: Experts | None = None
    rms_norm_eps: float = 1e-6
    temporal_patch: int = 2
    merge: int = 2
    visual_tokens: dict | None = None

    @property
    def model_type(self):
        return "qwen3_vl_moe" if self.experts else "qwen3_vl"

    @property
    def special_tokens(self):
        """Ids of the visual tokens; text ids lie below and above them."""
        if self.visual_tokens:
            return self.visual_tokens
        names = ("vision_start", "vision_end", "image", "video")
        return {name: self.vocabulary - 9 + i for i, name in enumerate(names)}

    @property
    def samples(self):
        """The layout of each sample."""
        samples = [[]]
        for part in self.layout:
            if part == BORDER:
                samples.append([])
            else:
                samples[-1].append(part)
        return samples

    def grids(self, modality, layout=None):
        return [part[1] for part in layout or self.layout if isinstance(part, tuple) and part[0] == modality]


MROPE_SECTIONS = {8: [2, 1, 1], 16: [4, 2, 2], 24: [4, 4, 4], 32: [6, 5, 5]}

WRITTEN_CASES = (
    Case("dense_00_text", 1000, 32, 3, 4, 2, 8, 80, 97, 5e6, True,
         Vision(32, 4, 3, 56, 4, 16, (0, 1, 2)), (24,)),
    Case("dense_01_image", 1001, 48, 3, 4, 1, 16, 88, 101, 1e4, False,
         Vision(48, 2, 4, 72, 4, 36, (2,)), (5, ("image", (1, 4, 6)), 9)),
    Case("dense_02_two_images", 1002, 40, 3, 6, 2, 8, 96, 113, 5e6, True,
         Vision(32, 2, 4, 64, 16, 64, (0, 1, 3)), (3, ("image", (1, 4, 4)), 4, ("image", (1, 6, 4)), 7),
         rms_norm_eps=1e-5),
    Case("dense_03_video", 1003, 56, 4, 4, 4, 24, 72, 127, 1e4, False,
         Vision(48, 3, 3, 80, 4, 16, (0, 1, 2)), (4, ("video", (3, 4, 4)), 8)),
    Case("dense_04_image_video", 1004, 64, 4, 4, 2, 32, 112, 131, 5e6, False,
         Vision(40, 5, 4, 60, 4, 36, (0, 2, 3)), (2, ("image", (1, 6, 6)), 3, ("video", (2, 4, 6)), 6)),
    Case("dense_05_wide_and_tall", 1005, 48, 3, 6, 2, 16, 64, 109, 1e4, True,
         Vision(48, 6, 3, 100, 8, 64, (1,)), (3, ("image", (1, 2, 8)), 1, ("image", (1, 10, 4)), 9)),
    Case("moe_00_text", 2000, 40, 3, 4, 1, 8, 80, 103, 1e4, False,
         Vision(32, 4, 3, 48, 4, 16, (0, 1, 2)), (28,), Experts(4, 2, 16)),
    Case("moe_01_image", 2001, 64, 3, 4, 2, 16, 88, 97, 5e6, True,
         Vision(32, 2, 3, 56, 4, 64, (0, 1, 2)), (4, ("image", (1, 6, 4)), 11), Experts(6, 2, 24)),
    Case("moe_02_two_images", 2002, 56, 4, 6, 2, 8, 96, 107, 5e6, False,
         Vision(48, 2, 4, 72, 4, 36, (1,)), (3, ("image", (1, 4, 8)), 2, ("image", (1, 4, 4)), 8),
         Experts(8, 3, 20), rms_norm_eps=1e-5),
    Case("moe_03_video", 2003, 36, 3, 4, 4, 24, 64, 131, 1e4, False,
         Vision(48, 3, 3, 64, 4, 36, (2,)), (3, ("video", (2, 6, 4)), 9), Experts(5, 3, 16)),
    Case("moe_04_image_video", 2006, 64, 4, 4, 1, 32, 72, 119, 5e6, False,
         Vision(32, 4, 4, 52, 4, 16, (0, 1, 3)), (2, ("video", (3, 4, 4)), 2, ("image", (1, 4, 6)), 7),
         Experts(8, 2, 24)),
    Case("moe_05_wide_and_tall", 2005, 44, 4, 6, 2, 16, 88, 127, 1e4, True,
         Vision(40, 5, 3, 68, 6, 36, (0, 1, 2)), (2, ("image", (1, 2, 8)), 3, ("image", (1, 8, 2)), 10),
         Experts(7, 3, 20)),
)


# The generator.


def mix(z):
    """The finaliser of SplitMix64, of a Python integer."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
    return z ^ (z >> 31)


def fnv1a64(name):
    value = 0xCBF29CE484222325
    for byte in name.encode("utf-8"):
        value = ((value ^ byte) * 0x100000001B3) & MASK64
    return value


def uniform(seed, name, shape):
    """float32 values in [-1, 1), a function of seed, name and flat index."""
    key = np.uint64(mix(seed ^ fnv1a64(name)))
    z = np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(GOLDEN_GAMMA) + key
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)).reshape(shape)


def is_fused_expert(name):
    return name.endswith(("experts.gate_up_proj", "experts.down_proj"))


def parameter(seed, name, shape):
    v = uniform(seed, name, shape)
    if len(shape) == 1:
        is_norm = name.endswith(("norm.weight", "norm1.weight", "norm2.weight", "layernorm.weight"))
        return np.float32(1) + np.float32(0.2) * v if is_norm else np.float32(0.2) * v
    fan_in = shape[1] if is_fused_expert(name) else math.prod(shape[1:])
    return v * np.float32(math.sqrt(3.0 / fan_in))


# Cases whose sizes are drawn.


def image(*grid):
    return "image", (1, *grid)


def video(*grid):
    return "video", grid


TINY = Case("tiny", 3000, 16, 1, 2, 1, 8, 16, 29, 1e4, False, Vision(16, 2, 1, 16, 2, 9, (0,)),
            (2, image(2, 4), 3, BORDER, 1, video(2, 2, 2), 2))

LAYOUTS = {
    "packed_text": (9, BORDER, 1, BORDER, 14),
    "smallest_image": (2, image(2, 2), 5),
    "large_image": (3, image(40, 26), 6),
    "several_images": (1, image(2, 4), image(6, 2), 3, image(4, 4), 1, image(2, 2), 5),
    "long_video": (2, video(4, 2, 6), 6),
    "two_videos": (1, video(2, 4, 4), 2, image(6, 4), 1, video(1, 2, 2), 4),
    "packed_images": (2, image(4, 6), 4, BORDER, 7, BORDER, image(8, 4), 3),
    "packed_videos": (3, image(4, 2), 2, video(2, 2, 4), 3, BORDER, 2, video(1, 4, 6), 2, image(2, 6), 4),
    "packed_large": (4, image(26, 40), 5, BORDER, 6, image(10, 12), 4),
}


def drawn_case(name, seed, layout, sparse):
    """A case whose sizes follow from its seed."""
    shares = iter(uniform(seed, "sizes", (32,)))

    def one_of(*options):
        return options[int((float(next(shares)) + 1) / 2 * len(options))]

    hidden = one_of(32, 40, 48, 56, 64)
    heads, kv_heads = one_of((4, 1), (4, 2), (4, 4), (6, 2), (6, 3))
    vision_heads = one_of(2, 3, 4)
    taps = one_of((0, 1, 2), (0, 2, 3), (1,), (0, 1, 3))
    vision = Vision(vision_heads * one_of(8, 16), vision_heads, max(taps) + one_of(1, 2), one_of(40, 56, 72),
                    one_of(4, 6), one_of(9, 16, 36, 64), taps)
    # No expert is as wide as the rows, which tells the layouts of fused experts apart. A single expert's renormalised
    # weight is 1: the router's gradient would be rounding alone, so at least two are chosen.
    widths = [width for width in (12, 16, 20, 24, 28) if hidden not in (width, 2 * width)]
    experts = Experts(one_of(4, 5, 6, 8), one_of(2, 3), one_of(*widths)) if sparse else None
    return Case(name, seed, hidden, one_of(3, 4), heads, kv_heads, one_of(8, 16, 24, 32), one_of(64, 80, 96),
                one_of(97, 103, 113, 127), one_of(1e4, 5e6), one_of(True, False), vision, layout, experts,
                one_of(1e-5, 1e-6))


def all_cases():
    drawn = [drawn_case(f"{kind}_{6 + i:02}_{name}", first_seed + i, layout, kind == "moe")
             for kind, first_seed in (("dense", 1006), ("moe", 2106))
             for i, (name, layout) in enumerate(LAYOUTS.items())]
    return sorted((*WRITTEN_CASES, *drawn), key=lambda case: case.name)


# The released layout: config.json and the names and shapes of the tensors.


def released_config(case):
    text = {
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "dtype": "float32",
        "eos_token_id": 1,
        "head_dim": case.head_dim,
        "hidden_act": "silu",
        "hidden_size": case.hidden,
        "initializer_range": 0.02,
        "intermediate_size": case.intermediate,
        "max_position_embeddings": 4096,
        "model_type": case.model_type + "_text",
        "num_attention_heads": case.heads,
        "num_hidden_layers": case.layers,
        "num_key_value_heads": case.kv_heads,
        "rms_norm_eps": case.rms_norm_eps,
        "rope_scaling": {
            "mrope_interleaved": True,
            "mrope_section": MROPE_SECTIONS[case.head_dim],
            "rope_type": "default",
        },
        "rope_theta": case.rope_theta,
        "use_cache": True,
        "vocab_size": case.vocabulary,
    }
    if case.experts:
        text |= {
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            "moe_intermediate_size": case.experts.intermediate,
            "norm_topk_prob": True,
            "num_experts": case.experts.count,
            "num_experts_per_tok": case.experts.top_k,
        }
    vision = {
        "deepstack_visual_indexes": list(case.vision.deepstack),
        "depth": case.vision.depth,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": case.vision.hidden,
        "in_channels": 3,
        "initializer_range": 0.02,
        "intermediate_size": case.vision.intermediate,
        "model_type": case.model_type,
        "num_heads": case.vision.heads,
        "num_position_embeddings": case.vision.positions,
        "out_hidden_size": case.hidden,
        "patch_size": case.vision.patch,
        "spatial_merge_size": case.merge,
        "temporal_patch_size": case.temporal_patch,
    }
    return {
        "architectures": ["Qwen3VLMoeForConditionalGeneration" if case.experts else "Qwen3VLForConditionalGeneration"],
        "image_token_id": case.special_tokens["image"],
        "model_type": case.model_type,
        "text_config": text,
        "tie_word_embeddings": case.tied,
        "transformers_version": "4.57.0.dev0",
        "video_token_id": case.special_tokens["video"],
        "vision_config": vision,
        "vision_end_token_id": case.special_tokens["vision_end"],
        "vision_start_token_id": case.special_tokens["vision_start"],
    }


def vision_shapes(case):
    vision = case.vision
    width, inner, merged = vision.hidden, vision.intermediate, vision.hidden * case.merge**2

    def with_bias(name, *shape):
        return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}

    def merger(name, norm_width):
        return (with_bias(f"{name}.norm", norm_width) | with_bias(f"{name}.linear_fc1", merged, merged)
                | with_bias(f"{name}.linear_fc2", case.hidden, merged))

    shapes = with_bias("patch_embed.proj", width, 3, case.temporal_patch, vision.patch, vision.patch)
    shapes["pos_embed.weight"] = (vision.positions, width)
    for i in range(vision.depth):
        block = f"blocks.{i}"
        shapes |= with_bias(f"{block}.norm1", width)
        shapes |= with_bias(f"{block}.attn.qkv", 3 * width, width)
        shapes |= with_bias(f"{block}.attn.proj", width, width)
        shapes |= with_bias(f"{block}.norm2", width)
        shapes |= with_bias(f"{block}.mlp.linear_fc1", inner, width)
        shapes |= with_bias(f"{block}.mlp.linear_fc2", width, inner)
    shapes |= merger("merger", width)
    for j in range(len(vision.deepstack)):
        shapes |= merger(f"deepstack_merger_list.{j}", merged)
    return shapes


def text_shapes(case):
    hidden, head_dim = case.hidden, case.head_dim
    shapes = {"embed_tokens.weight": (case.vocabulary, hidden), "norm.weight": (hidden,)}
    for i in range(case.layers):
        layer = f"layers.{i}"
        shapes |= {
            f"{layer}.input_layernorm.weight": (hidden,),
            f"{layer}.self_attn.q_proj.weight": (case.heads * head_dim, hidden),
            f"{layer}.self_attn.k_proj.weight": (case.kv_heads * head_dim, hidden),
            f"{layer}.self_attn.v_proj.weight": (case.kv_heads * head_dim, hidden),
            f"{layer}.self_attn.q_norm.weight": (head_dim,),
            f"{layer}.self_attn.k_norm.weight": (head_dim,),
            f"{layer}.self_attn.o_proj.weight": (hidden, case.heads * head_dim),
            f"{layer}.post_attention_layernorm.weight": (hidden,),
        }
        if case.experts:
            count, inner = case.experts.count, case.experts.intermediate
            shapes |= {
                f"{layer}.mlp.gate.weight": (count, hidden),
                f"{layer}.mlp.experts.gate_up_proj": (count, hidden, 2 * inner),
                f"{layer}.mlp.experts.down_proj": (count, inner, hidden),
            }
        else:
            shapes |= {
                f"{layer}.mlp.gate_proj.weight": (case.intermediate, hidden),
                f"{layer}.mlp.up_proj.weight": (case.intermediate, hidden),
                f"{layer}.mlp.down_proj.weight": (hidden, case.intermediate),
            }
    return shapes


def released_shapes(case):
    shapes = {f"model.visual.{name}": shape for name, shape in vision_shapes(case).items()}
    shapes |= {f"model.language_model.{name}": shape for name, shape in text_shapes(case).items()}
    if not case.tied:
        shapes["lm_head.weight"] = (case.vocabulary, case.hidden)
    return shapes


def released_checkpoint(case):
    return {name: parameter(case.seed, name, shape) for name, shape in released_shapes(case).items()}


# The sequence.


def token_layout(case, layout):
    """Token ids with -1 where a text token goes: each video step has its own timestamp, start, pads and end."""
    special = case.special_tokens
    tokens = []
    for part in layout:
        if isinstance(part, int):
            tokens += [-1] * part
            continue
        modality, (steps, rows, columns) = part
        for _ in range(steps):
            tokens += [-1] * (TIMESTAMP_TOKENS if modality == "video" else 0)
            tokens += [special["vision_start"]]
            tokens += [special[modality]] * (rows // case.merge * (columns // case.merge))
            tokens += [special["vision_end"]]
    return np.array(tokens, dtype=np.int64)


def make_sequence(case):
    """input_ids, and labels: the ids, with every visual token and about a third of the others ignored."""
    tokens = np.concatenate([token_layout(case, layout) for layout in case.samples])
    special = case.special_tokens
    share = (uniform(case.seed, "input_ids", tokens.shape) + 1) / 2
    drawn = (share * (case.vocabulary - len(special))).astype(np.int64)
    drawn += np.where(drawn >= min(special.values()), len(special), 0)
    input_ids = np.where(tokens < 0, drawn, tokens)
    visual = np.isin(input_ids, [special["image"], special["video"]])
    ignored = visual | (uniform(case.seed, "labels", tokens.shape) < -1 / 3)
    return input_ids, np.where(ignored, IGNORED_LABEL, input_ids)


def expected_positions(case, layout, input_ids):
    """The rule of the model's description, written independently of transformers."""
    steps = [(1, h, w) for t, h, w in case.grids("video", layout) for _ in range(t)]
    unread = {case.special_tokens["image"]: iter(case.grids("image", layout)),
              case.special_tokens["video"]: iter(steps)}
    columns, current, i = [], 0, 0
    while i < len(input_ids):
        if input_ids[i] not in unread:
            columns.append((current, current, current))
            current, i = current + 1, i + 1
            continue
        _, height, width = next(unread[input_ids[i]])
        height, width = height // case.merge, width // case.merge
        columns += [(current, current + y, current + x) for y in range(height) for x in range(width)]
        current, i = current + max(height, width), i + height * width
    return np.array(columns, dtype=np.int64).T


PIXELS = {"image": "pixel_values", "video": "pixel_values_videos"}


def pixels(case, modality):
    """The patch rows of all pictures of a modality."""
    features = 3 * case.temporal_patch * case.vision.patch**2
    patches = sum(math.prod(grid) for grid in case.grids(modality))
    return uniform(case.seed, PIXELS[modality], (patches, features))


# The reference.


def require(condition, message):
    if not condition:
        sys.exit(f"make_reference: {message}")


def load_model(case, weights):
    """Writes a released-style checkpoint, loads it and checks that every tensor arrived."""
    import torch
    import transformers
    from safetensors.numpy import save_file

    architecture = getattr(transformers, released_config(case)["architectures"][0])
    with tempfile.TemporaryDirectory() as folder:
        write_config(case, pathlib.Path(folder))
        save_file(weights, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
        model = architecture.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager")
    model.train(False)
    loaded = dict(model.named_parameters())
    require(set(loaded) == set(weights), f"{case.name}: names differ: {sorted(set(loaded) ^ set(weights))}")
    for name, value in weights.items():
        got = released_layout(name, loaded[name].detach().numpy())
        require(np.array_equal(got, value), f"{case.name}: {name} did not arrive as it was written")
    return model


def released_layout(name, value):
    """transformers keeps the fused experts output-major in memory; the files hold them input-major."""
    return np.ascontiguousarray(value.transpose(0, 2, 1)) if is_fused_expert(name) else value


def inputs_of_samples(case, input_ids):
    """What transformers takes for each sample."""
    import torch

    special = case.special_tokens
    unread = {modality: pixels(case, modality) for modality in PIXELS}
    samples, first = [], 0
    for layout in case.samples:
        ids = input_ids[first:first + len(token_layout(case, layout))]
        first += len(ids)
        kinds = (ids == special["image"]) * 1 + (ids == special["video"]) * 2
        inputs = {
            "input_ids": torch.from_numpy(ids)[None],
            "attention_mask": torch.ones(1, len(ids), dtype=torch.int64),
            "mm_token_type_ids": torch.from_numpy(kinds.astype(np.int32))[None],
            "use_cache": False,
        }
        for modality, name in PIXELS.items():
            grids = case.grids(modality, layout)
            if grids:
                rows = sum(math.prod(grid) for grid in grids)
                inputs[name] = torch.from_numpy(unread[modality][:rows])
                inputs[f"{modality}_grid_thw"] = torch.tensor(grids)
                unread[modality] = unread[modality][rows:]
        samples.append(inputs)
    return samples


def record(model):
    """Lists that fill during forward passes: the rows of every stage, and what the checks need."""
    visual, text = model.model.visual, model.model.language_model
    seen = {}

    def keep(name, rows):
        seen.setdefault(name, []).append(rows.detach().clone())

    def keep_output(name):
        return lambda module, arguments, output: keep(name, output)

    def keep_input(name, index=0):
        return lambda module, arguments: keep(name, arguments[index])

    visual.patch_embed.register_forward_hook(keep_output("visual.patch_embed"))
    visual.blocks[0].register_forward_pre_hook(
        lambda module, arguments: keep("visual.positions", arguments[0] - seen["visual.patch_embed"][-1]))
    for i, block in enumerate(visual.blocks):
        block.register_forward_hook(keep_output(f"visual.blocks.{i}"))
    for j, merger in enumerate(visual.deepstack_merger_list):
        merger.register_forward_hook(keep_output(f"visual.deepstack.{j}"))
    visual.merger.register_forward_hook(keep_output("visual.merger"))
    text.layers[0].register_forward_pre_hook(keep_input("text.embeddings"))
    for i, following in enumerate((*text.layers[1:], text.norm)):
        following.register_forward_pre_hook(keep_input(f"text.layers.{i}"))
    text.norm.register_forward_hook(keep_output("text.norm"))
    text.rotary_emb.register_forward_pre_hook(keep_input("positions", 1))
    text.layers[0].mlp.register_forward_pre_hook(keep_input("mlp.input"))
    text.layers[0].mlp.register_forward_hook(keep_output("mlp.output"))
    for layer in text.layers:
        if hasattr(layer.mlp, "gate"):
            layer.mlp.gate.register_forward_hook(lambda module, arguments, output: keep("router", output[0]))
    return seen


def router_margin(case, router_logits):
    """The smallest distance between the probabilities of the last expert that is chosen and the next one."""
    margins = [math.inf]
    for logits in router_logits:
        probabilities = np.sort(logits.softmax(-1).numpy(), axis=-1)[:, ::-1]
        if case.experts.top_k < case.experts.count:
            margins.append(np.min(probabilities[:, case.experts.top_k - 1] - probabilities[:, case.experts.top_k]))
    return min(margins)


def check_experts(case, weights, x, y):
    """Layer 0 against the formula, from the released input-major weights in float64."""
    prefix = "model.language_model.layers.0.mlp."
    gate, gate_up, down = (weights[prefix + name].astype(np.float64)
                           for name in ("gate.weight", "experts.gate_up_proj", "experts.down_proj"))
    logits = x @ gate.T
    probabilities = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities /= probabilities.sum(-1, keepdims=True)
    expected = np.zeros_like(x)
    for token, p in enumerate(probabilities):
        chosen = np.argsort(-p, kind="stable")[: case.experts.top_k]
        for expert in chosen:
            g, u = np.split(x[token] @ gate_up[expert], 2)
            expected[token] += p[expert] / p[chosen].sum() * ((g / (1 + np.exp(-g)) * u) @ down[expert])
    error = np.abs(y - expected).max() / np.abs(expected).max()
    require(error < 1e-5, f"{case.name}: the experts of layer 0 differ from the formula by {error}")


def summarise(seed, name, values):
    """The L2 norm and the projections, accumulated in float64."""
    flat = values.astype(np.float64).ravel()
    projections = [flat @ uniform(seed, f"projection.{j}.{name}", flat.shape).astype(np.float64)
                   for j in range(PROJECTIONS)]
    return np.array([np.linalg.norm(flat), *projections], dtype=np.float32)


def run_samples(case, model, input_ids, labels):
    """Passes every sample: the results in full, with visual rows in the order of the passes, and what was seen."""
    import torch

    seen = record(model)
    loss, logits, counted, first = 0, [], 0, 0
    for layout, inputs in zip(case.samples, inputs_of_samples(case, input_ids)):
        logits.append(model(**inputs).logits[0])
        targets = torch.from_numpy(labels[first + 1:first + len(logits[-1])])
        first += len(logits[-1])
        loss = loss + torch.nn.functional.cross_entropy(
            logits[-1][:-1].float(), targets, ignore_index=IGNORED_LABEL, reduction="sum")
        counted += int((targets != IGNORED_LABEL).sum())
        positions = seen["positions"].pop()[:, 0].expand(3, -1)
        require(np.array_equal(positions, expected_positions(case, layout, inputs["input_ids"][0].numpy())),
                f"{case.name}: positions differ")
        seen.setdefault("position_ids", []).append(positions)
    loss = loss / counted
    loss.backward()
    results = {name: torch.cat([part.reshape(-1, part.shape[-1]) for part in rows]).numpy()
               for name, rows in seen.items() if name.startswith(("visual.", "text."))}
    results["logits"] = torch.cat(logits).detach().numpy()
    results["loss"] = loss.detach().numpy().reshape(1)
    for name, tensor in model.named_parameters():
        if tensor.grad is not None:
            results[f"grad.{name}"] = released_layout(name, tensor.grad.numpy())
    seen["position_ids"] = torch.cat(seen["position_ids"], dim=1)
    return results, seen


def inputs_of_file(case, input_ids, labels, seen):
    """The tensors of a file that are inputs, without the pixels."""
    inputs = {
        "input_ids": input_ids,
        "position_ids": np.ascontiguousarray(seen["position_ids"].numpy()),
        "labels": labels,
    }
    for modality in PIXELS:
        if case.grids(modality):
            inputs[f"{modality}_grid_thw"] = np.array(case.grids(modality), dtype=np.int64)
    return inputs


def images_first(case, rows):
    """Visual rows of passes, which are sample by sample, as those of all images, then those of all videos."""
    patches = sum(math.prod(grid) for modality in PIXELS for grid in case.grids(modality))
    parts, first = {modality: [] for modality in PIXELS}, 0
    for layout in case.samples:
        for modality in PIXELS:
            count = sum(math.prod(grid) for grid in case.grids(modality, layout)) * len(rows) // patches
            parts[modality].append(rows[first:first + count])
            first += count
    return np.concatenate(parts["image"] + parts["video"])


def reference_of(case, model):
    """Everything that a reference file holds."""
    input_ids, labels = make_sequence(case)
    results, seen = run_samples(case, model, input_ids, labels)
    file = inputs_of_file(case, input_ids, labels, seen)
    for modality, name in PIXELS.items():
        if case.grids(modality):
            file[name] = pixels(case, modality)
    for name, value in results.items():
        file[name] = images_first(case, value) if name.startswith("visual.") else value
    return {name: np.ascontiguousarray(value) for name, value in file.items()}


def golden_of(case):
    """Everything that golden.safetensors holds, after the checks; nothing where the seed routes too closely."""
    weights = released_checkpoint(case)
    input_ids, labels = make_sequence(case)
    model = load_model(case, weights)
    results, seen = run_samples(case, model, input_ids, labels)
    if case.experts:
        if router_margin(case, seen["router"]) < ROUTER_MARGIN:
            return None
        x, y = (seen[name][0].double().numpy().reshape(-1, case.hidden) for name in ("mlp.input", "mlp.output"))
        check_experts(case, weights, x, y)

    golden = {"seed": np.array([case.seed], dtype=np.int64)} | inputs_of_file(case, input_ids, labels, seen)
    for name, value in results.items():
        golden[name] = value if name in ("logits", "loss") else summarise(case.seed, name.removeprefix("grad."), value)
    for name in weights:
        golden.setdefault(f"grad.{name}", np.zeros(1 + PROJECTIONS, dtype=np.float32))
    return golden


def settled(case):
    """The case with the first of its seeds that routes no token closely, and its golden."""
    while True:
        golden = golden_of(case)
        if golden:
            return case, golden
        case = dataclasses.replace(case, seed=case.seed + 10_000)


def write_config(case, folder):
    (folder / "config.json").write_text(json.dumps(released_config(case), indent=2) + "\n", encoding="utf-8")


def write_cases(out_dir):
    from safetensors.numpy import save_file

    for case in all_cases():
        folder = out_dir / case.name
        folder.mkdir(parents=True, exist_ok=True)
        case, golden = settled(case)
        write_config(case, folder)
        save_file(golden, folder / "golden.safetensors")
        print(f"{case.name}: {len(golden['input_ids'])} tokens, loss {golden['loss'][0]:.6f}", flush=True)


def write_checkpoint(case, folder):
    """A checkpoint folder with the case's weights, and its reference.safetensors."""
    from safetensors.numpy import save_file

    weights = released_checkpoint(case)
    write_config(case, folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    file = reference_of(case, load_model(case, weights))
    save_file(file, folder / "reference.safetensors")
    return file


# Reference files of checkpoints.


def case_of_folder(folder, seed, layout):
    """What a sequence for the model in a folder needs to know; the other sizes stay with transformers."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    text, vision = config["text_config"], config["vision_config"]
    tower = Vision(vision["hidden_size"], vision["num_heads"], vision["depth"], vision["intermediate_size"],
                   vision["patch_size"], vision["num_position_embeddings"], tuple(vision["deepstack_visual_indexes"]))
    special = {name: config[f"{name}_token_id"] for name in ("vision_start", "vision_end", "image", "video")}
    return Case(str(folder), seed, text["hidden_size"], text["num_hidden_layers"], text["num_attention_heads"],
                text["num_key_value_heads"], text["head_dim"], 0, text["vocab_size"], 0, False, tower, layout,
                temporal_patch=vision["temporal_patch_size"], merge=vision["spatial_merge_size"],
                visual_tokens=special), config["architectures"][0]


def write_reference(folder, out_file, seed, layout, with_gradients):
    import torch
    import transformers
    from safetensors.numpy import save_file

    case, architecture = case_of_folder(folder, seed, LAYOUTS[layout])
    options = {} if "Moe" not in architecture else {"experts_implementation": "eager"}
    model = getattr(transformers, architecture).from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", **options)
    file = reference_of(case, model.train(False))
    save_file({name: value for name, value in file.items() if with_gradients or not name.startswith("grad.")}, out_file)
    print(f"{out_file}: {len(file['input_ids'])} tokens, loss {file['loss'][0]:.6f}")


def write_random(out_dir, seed, sparse, layout):
    out_dir.mkdir(parents=True, exist_ok=True)
    case, _ = settled(drawn_case(out_dir.name, seed, LAYOUTS[layout], sparse))
    file = write_checkpoint(case, out_dir)
    print(f"{out_dir}: {len(file['input_ids'])} tokens, loss {file['loss'][0]:.6f}")


# Comparisons through the programs.


def run_parity(program, folder, reference, tolerance=1e-4):
    """The exit status and the table, as a dictionary from stage to (largest, relative)."""
    table = folder / "parity.json"
    command = [program, folder, reference, "--tolerance", str(tolerance), "--json", table]
    status = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
    require(table.exists(), f"{program} wrote no table for {folder}")
    rows = json.loads(table.read_text(encoding="utf-8"))

    def number(value):
        return math.inf if value is None else value

    return status, {row["stage"]: (number(row["largest"]), number(row["relative"])) for row in rows}


def compare_cases(program, first_seed):
    """Every case, its logits within 1e-4, every stage and gradient within 1e-4 relative; and, where a seed is given,
    as many with other sizes and weights."""
    cases = all_cases()
    if first_seed is not None:
        cases = [drawn_case(f"{'moe' if sparse else 'dense'} {first_seed + i} {name}", first_seed + i, layout, sparse)
                 for i, (name, layout) in enumerate(LAYOUTS.items()) for sparse in (False, True)]
    print(f"{'case':28} {'tokens':>6} {'logits':>8} {'stage':>8} {'gradient':>8}")
    failed = []
    for case in cases:
        case, _ = settled(case)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            file = write_checkpoint(case, folder)
            status, table = run_parity(program, folder, folder / "reference.safetensors")
        stages = {name for name in file if name.startswith(("visual.", "text.", "grad."))}
        require(set(table) >= stages | {"logits", "loss"}, f"{case.name}: stages were left out")
        logits = table["logits"][0]
        stage = max(relative for name, (_, relative) in table.items() if not name.startswith("grad."))
        gradient = max(relative for name, (_, relative) in table.items() if name.startswith("grad."))
        good = status == 0 and logits <= 1e-4
        print(f"{case.name:28} {len(file['input_ids']):6} {logits:8.1e} {stage:8.1e} {gradient:8.1e}"
              f"{'' if good else '  FAILED'}", flush=True)
        failed += [] if good else [case.name]
    print(f"{len(cases)} cases, {len(failed)} failed")
    sys.exit(1 if failed else 0)


def check_saved(train_stage, parity):
    """Trains the mergers of a bf16 checkpoint that transformers wrote: every other tensor must come back byte for byte,
    and transformers must load what was saved and compute the same from it."""
    import torch
    import transformers
    from safetensors import safe_open

    toy = pathlib.Path(__file__).resolve().parents[1] / "toy"
    with tempfile.TemporaryDirectory() as name:
        start, out = pathlib.Path(name, "start"), pathlib.Path(name, "out")
        start.mkdir()
        for companion in ("config.json", "tokenizer.json", "preprocessor_config.json"):
            shutil.copy(toy / "start" / companion, start)
        model = transformers.Qwen3VLForConditionalGeneration(transformers.AutoConfig.from_pretrained(start))
        with torch.no_grad():
            for parameter_name, tensor in model.named_parameters():
                tensor.copy_(torch.from_numpy(parameter(1, parameter_name, tuple(tensor.shape))))
        model.to(torch.bfloat16).save_pretrained(start)
        subprocess.run([train_stage, start, toy / "data.jsonl", out, "--steps", "3"], check=True,
                       stdout=subprocess.DEVNULL)
        saved, trained = out / "model", ("model.visual.merger.", "model.visual.deepstack_merger_list.")
        with (safe_open(start / "model.safetensors", "pt") as before,
              safe_open(saved / "model.safetensors", "pt") as after):
            require(set(before.keys()) == set(after.keys()), "other tensors were saved")
            untouched = [name for name in before.keys() if not name.startswith(trained)]
            for name in before.keys():
                a, b = before.get_tensor(name), after.get_tensor(name)
                same = a.dtype == b.dtype and torch.equal(a.view(torch.uint8), b.view(torch.uint8))
                require(same == (name in untouched), f"{name} is {'the same' if same else 'another'} after training")
        _, report = transformers.Qwen3VLForConditionalGeneration.from_pretrained(saved, output_loading_info=True)
        require(not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), str(report))
        write_reference(saved, out / "reference.safetensors", 1, "packed_videos", True)
        status, table = run_parity(parity, saved, out / "reference.safetensors")
    require(status == 0, f"the saved model differs: {table}")
    print(f"{len(untouched)} untouched tensors came back byte for byte; transformers loads what was saved, and all "
          f"{len(table)} stages agree")


def main():
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name, text, *paths):
        command = commands.add_parser(name, help=text)
        for path in paths:
            command.add_argument(path, type=pathlib.Path, metavar=path.upper())
        return command

    def add_layout(command):
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--layout", choices=sorted(LAYOUTS), default="packed_videos")

    add("cases", "write all golden cases into a folder", "out_dir")
    reference = add("reference", "write the reference file of a checkpoint folder", "folder", "out_file")
    reference.add_argument("--no-gradients", action="store_true")
    random = add("random", "write a random tiny checkpoint and its reference.safetensors", "out_dir")
    random.add_argument("--moe", action="store_true")
    add("tiny", "write the smallest checkpoint and its reference.safetensors", "out_dir")
    for command in (reference, random):
        add_layout(command)
    compare = add("compare", "compare every case through the program parity", "parity")
    compare.add_argument("--seed", type=int, help="cases of other sizes and weights, drawn from this seed on")
    add("saved", "check what the library saves", "train_stage", "parity")
    arguments = parser.parse_args()

    import torch
    import transformers

    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    if arguments.command == "cases":
        write_cases(arguments.out_dir)
    elif arguments.command == "reference":
        write_reference(arguments.folder, arguments.out_file, arguments.seed, arguments.layout,
                        not arguments.no_gradients)
    elif arguments.command == "random":
        write_random(arguments.out_dir, arguments.seed, arguments.moe, arguments.layout)
    elif arguments.command == "tiny":
        arguments.out_dir.mkdir(parents=True, exist_ok=True)
        write_checkpoint(TINY, arguments.out_dir)
    elif arguments.command == "saved":
        check_saved(arguments.train_stage.resolve(), arguments.parity.resolve())
    else:
        compare_cases(arguments.parity.resolve(), arguments.seed)


if __name__ == "__main__":
    main()
