#!/usr/bin/env python3
"""Makes the golden cases: what transformers computes for tiny random Qwen3-VL models.

Run it in an environment with requirements.txt:  make_reference.py cases OUT_DIR

Weights and pixels are not stored. They come from a counter-based generator that the C++ tests repeat bit for
bit: mix is the SplitMix64 finaliser, key = mix(seed ^ fnv1a64(name)), and element i of a tensor (row-major, 0-based,
released layout) is

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
    visual.merger [tokens,H], visual.deepstack.0 [tokens,H]     rows of the images, then rows of the videos
    text.layers.0 [T,H]                                         input of layer 1: DeepStack level 0 is already added

The loss is the mean cross-entropy over labels[1:] that are not -100, without the router's balance loss. A parameter
that gets no gradient (the vision tower of a text case) stores zeros.
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import sys
import tempfile

import numpy as np

MASK64 = (1 << 64) - 1
GOLDEN_GAMMA = 0x9E3779B97F4A7C15
PROJECTIONS = 32
IGNORED_LABEL = -100
TIMESTAMP_TOKENS = 4
# Closer router probabilities than this could be ordered differently by another summation order.
ROUTER_MARGIN = 1e-4


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
    """One model and one sequence. A layout holds a number of text tokens, or ("image" | "video", grid)."""

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

    @property
    def model_type(self):
        return "qwen3_vl_moe" if self.experts else "qwen3_vl"

    @property
    def special_tokens(self):
        """Ids of the visual tokens; text ids lie below and above them."""
        names = ("vision_start", "vision_end", "image", "video")
        return {name: self.vocabulary - 9 + i for i, name in enumerate(names)}

    def grids(self, modality):
        return [part[1] for part in self.layout if isinstance(part, tuple) and part[0] == modality]


MROPE_SECTIONS = {8: [2, 1, 1], 16: [4, 2, 2], 24: [4, 4, 4], 32: [6, 5, 5]}

CASES = (
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


def token_layout(case):
    """Token ids with -1 where a text token goes: each video step has its own timestamp, start, pads and end."""
    special = case.special_tokens
    tokens = []
    for part in case.layout:
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
    tokens = token_layout(case)
    special = case.special_tokens
    share = (uniform(case.seed, "input_ids", tokens.shape) + 1) / 2
    drawn = (share * (case.vocabulary - len(special))).astype(np.int64)
    drawn += np.where(drawn >= min(special.values()), len(special), 0)
    input_ids = np.where(tokens < 0, drawn, tokens)
    visual = np.isin(input_ids, [special["image"], special["video"]])
    ignored = visual | (uniform(case.seed, "labels", tokens.shape) < -1 / 3)
    return input_ids, np.where(ignored, IGNORED_LABEL, input_ids)


def expected_positions(case, input_ids):
    """The rule of the model's description, written independently of transformers."""
    unread = {case.special_tokens["image"]: iter(case.grids("image")),
              case.special_tokens["video"]: iter([(1, h, w) for t, h, w in case.grids("video") for _ in range(t)])}
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


def pixels(case, modality):
    grids = case.grids(modality)
    if not grids:
        return None
    name = "pixel_values" if modality == "image" else "pixel_values_videos"
    features = 3 * case.temporal_patch * case.vision.patch**2
    return uniform(case.seed, name, (sum(math.prod(grid) for grid in grids), features))


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


def model_inputs(case, input_ids):
    import torch

    special = case.special_tokens
    kinds = (input_ids == special["image"]) * 1 + (input_ids == special["video"]) * 2
    inputs = {
        "input_ids": torch.from_numpy(input_ids)[None],
        "attention_mask": torch.ones(1, len(input_ids), dtype=torch.int64),
        "mm_token_type_ids": torch.from_numpy(kinds.astype(np.int32))[None],
        "use_cache": False,
    }
    for modality, name in (("image", "pixel_values"), ("video", "pixel_values_videos")):
        if case.grids(modality):
            inputs[name] = torch.from_numpy(pixels(case, modality))
            inputs[f"{modality}_grid_thw"] = torch.tensor(case.grids(modality))
    return inputs


def record(model):
    """Lists that fill during a forward pass: the stored intermediates and what the checks need."""
    visual, text = model.model.visual, model.model.language_model
    seen = {name: [] for name in ("visual.merger", "visual.deepstack.0", "text.layers.0", "positions",
                                  "mlp.input", "mlp.output", "router")}

    def keep_output(name):
        return lambda module, arguments, output: seen[name].append(output.detach())

    def keep_input(name, index):
        return lambda module, arguments: seen[name].append(arguments[index].detach())

    visual.merger.register_forward_hook(keep_output("visual.merger"))
    visual.deepstack_merger_list[0].register_forward_hook(keep_output("visual.deepstack.0"))
    text.layers[1].register_forward_pre_hook(keep_input("text.layers.0", 0))
    text.rotary_emb.register_forward_pre_hook(keep_input("positions", 1))
    text.layers[0].mlp.register_forward_pre_hook(keep_input("mlp.input", 0))
    text.layers[0].mlp.register_forward_hook(keep_output("mlp.output"))
    for layer in text.layers:
        if hasattr(layer.mlp, "gate"):
            layer.mlp.gate.register_forward_hook(
                lambda module, arguments, output: seen["router"].append(output[0].detach()))
    return seen


def check_router_margin(case, router_logits):
    for layer, logits in enumerate(router_logits):
        probabilities = np.sort(logits.softmax(-1).numpy(), axis=-1)[:, ::-1]
        margin = np.min(probabilities[:, case.experts.top_k - 1] - probabilities[:, case.experts.top_k])
        require(margin > ROUTER_MARGIN, f"{case.name}: layer {layer} has a router margin of {margin}; change the seed")


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


def summarise_gradient(seed, name, gradient):
    """The L2 norm and the projections, accumulated in float64."""
    flat = gradient.astype(np.float64).ravel()
    projections = [flat @ uniform(seed, f"projection.{j}.{name}", flat.shape).astype(np.float64)
                   for j in range(PROJECTIONS)]
    return np.array([np.linalg.norm(flat), *projections], dtype=np.float32)


def run_case(case):
    """Everything that golden.safetensors holds, after the checks."""
    import torch

    weights = released_checkpoint(case)
    input_ids, labels = make_sequence(case)
    model = load_model(case, weights)
    seen = record(model)
    logits = model(**model_inputs(case, input_ids)).logits[0]
    loss = torch.nn.functional.cross_entropy(
        logits[:-1].float(), torch.from_numpy(labels[1:]), ignore_index=IGNORED_LABEL)
    loss.backward()

    positions = np.broadcast_to(seen["positions"][0][:, 0].numpy(), (3, len(input_ids)))
    require(np.array_equal(positions, expected_positions(case, input_ids)), f"{case.name}: positions differ")
    if case.experts:
        check_router_margin(case, seen["router"])
        x, y = (seen[name][0].double().numpy().reshape(-1, case.hidden) for name in ("mlp.input", "mlp.output"))
        check_experts(case, weights, x, y)

    golden = {
        "seed": np.array([case.seed], dtype=np.int64),
        "input_ids": input_ids,
        "position_ids": np.ascontiguousarray(positions),
        "labels": labels,
        "logits": logits.detach().numpy(),
        "loss": loss.detach().numpy().reshape(1),
        "text.layers.0": seen["text.layers.0"][0][0].numpy(),
    }
    for modality in ("image", "video"):
        if case.grids(modality):
            golden[f"{modality}_grid_thw"] = np.array(case.grids(modality), dtype=np.int64)
    for name in ("visual.merger", "visual.deepstack.0"):
        if seen[name]:
            golden[name] = torch.cat(seen[name]).numpy()
    for name, tensor in model.named_parameters():
        if tensor.grad is None:
            golden[f"grad.{name}"] = np.zeros(1 + PROJECTIONS, dtype=np.float32)
        else:
            gradient = released_layout(name, tensor.grad.numpy())
            golden[f"grad.{name}"] = summarise_gradient(case.seed, name, gradient)
    return golden


def write_config(case, folder):
    (folder / "config.json").write_text(json.dumps(released_config(case), indent=2) + "\n", encoding="utf-8")


def write_cases(out_dir):
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    import transformers
    from safetensors.numpy import save_file

    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for case in CASES:
        folder = out_dir / case.name
        folder.mkdir(parents=True, exist_ok=True)
        golden = run_case(case)
        write_config(case, folder)
        save_file(golden, folder / "golden.safetensors")
        print(f"{case.name}: {len(golden['input_ids'])} tokens, loss {golden['loss'][0]:.6f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    cases = commands.add_parser("cases", help="write all golden cases into a folder")
    cases.add_argument("out_dir", type=pathlib.Path, metavar="OUT_DIR")
    arguments = parser.parse_args()
    write_cases(arguments.out_dir)


if __name__ == "__main__":
    main()
