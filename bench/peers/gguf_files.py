#!/usr/bin/env python3
"""Writes a dense checkpoint as llama.cpp reads it, for the comparison in chat.py.

    gguf_files.py CHECKPOINT FOLDER     FOLDER/BF16.gguf, FOLDER/mmproj.gguf

Matrices keep the checkpoint's bf16, norms and biases become f32. The vocabulary is a made-up one of the right size:
the comparison gives ids. Other formats are made of BF16.gguf by llama_server's command `quantize`. Needs the package
gguf of PyPI, torch and safetensors.
"""

import json
import pathlib
import sys

import gguf
import numpy as np
import torch
from safetensors import safe_open

BF16 = gguf.GGMLQuantizationType.BF16
WORDS = {"<|vision_start|>": "vision_start_token_id", "<|vision_end|>": "vision_end_token_id",
         "<|image_pad|>": "image_token_id", "<|video_pad|>": "video_token_id"}


def add(writer, name, tensor, wide=False):
    """`wide`: in f32 although it is a matrix."""
    if tensor.ndim > 1 and not wide:
        bits = tensor.to(torch.bfloat16).contiguous().view(torch.int16).numpy().view(np.uint8)
        writer.add_tensor(name, bits, raw_dtype=BF16)
    else:
        writer.add_tensor(name, tensor.float().contiguous().numpy())


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def names_of(architecture, layers):
    names = gguf.get_tensor_name_map(architecture, layers)

    def name_of(name):
        given = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if given is None:
            sys.exit(f"gguf_files.py: {name} has no name in a GGUF file")
        return given
    return name_of


def add_vocabulary(writer, config, size):
    """All bytes as the letters that byte-level vocabularies write for them, then numbered words."""
    letters = [chr(b) if chr(b).isprintable() and b not in (0x20, 0xa0, 0xad) else None for b in range(256)]
    spare = iter(range(256, 512))
    tokens = [letter or chr(next(spare)) for letter in letters] + [f"word{i}" for i in range(256, size)]
    kinds = [gguf.TokenType.NORMAL] * size
    for word, field in WORDS.items():
        tokens[config[field]], kinds[config[field]] = word, gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["a b"])  # none is refused
    writer.add_eos_token_id(config["text_config"]["eos_token_id"])
    writer.add_add_bos_token(False)


def write_text(path, config, tensors):
    text = config["text_config"]
    rope = text.get("rope_parameters") or text.get("rope_scaling")
    writer = gguf.GGUFWriter(path, "qwen3vl", use_temp_file=False)
    writer.add_name("random")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_block_count(text["num_hidden_layers"])
    writer.add_context_length(text["max_position_embeddings"])
    writer.add_embedding_length(text["hidden_size"])
    writer.add_feed_forward_length(text["intermediate_size"])
    writer.add_head_count(text["num_attention_heads"])
    writer.add_head_count_kv(text["num_key_value_heads"])
    writer.add_key_length(text["head_dim"])
    writer.add_value_length(text["head_dim"])
    writer.add_layer_norm_rms_eps(text["rms_norm_eps"])
    writer.add_rope_freq_base(text.get("rope_theta") or rope["rope_theta"])
    writer.add_rope_dimension_sections([*rope["mrope_section"], 0])
    writer.add_num_deepstack_layers(len(config["vision_config"]["deepstack_visual_indexes"]))
    writer.add_vocab_size(text["vocab_size"])
    add_vocabulary(writer, config, text["vocab_size"])
    name_of = names_of(gguf.MODEL_ARCH.QWEN3VL, text["num_hidden_layers"])
    for name in tensors.keys():
        if "visual." not in name and not (name.startswith("lm_head") and config.get("tie_word_embeddings")):
            add(writer, name_of(name.replace("language_model.", "")), tensors.get_tensor(name))
    finish(writer)


def vision_name(name, config, name_of):
    name = name.replace("model.visual.", "visual.")
    part = name.split(".")
    if part[1] == "deepstack_merger_list":
        layer = config["vision_config"]["deepstack_visual_indexes"][int(part[2])]
        return f"v.deepstack.{layer}.{part[3].replace('linear_', '')}.{part[4]}"
    if part[1] == "merger":
        return f"v.post_ln.{part[3]}" if part[2] == "norm" else f"mm.{0 if part[2].endswith('1') else 2}.{part[3]}"
    return name_of(name)


def write_vision(path, config, tensors):
    vision = config["vision_config"]
    writer = gguf.GGUFWriter(path, "clip", use_temp_file=False)
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_name("random")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(gguf.VisionProjectorType.QWEN3VL)
    writer.add_vision_projection_dim(vision["out_hidden_size"])
    writer.add_vision_patch_size(vision["patch_size"])
    writer.add_vision_image_size(round(vision["num_position_embeddings"]**0.5) * vision["patch_size"])
    writer.add_vision_embedding_length(vision["hidden_size"])
    writer.add_vision_feed_forward_length(vision["intermediate_size"])
    writer.add_vision_block_count(vision["depth"])
    writer.add_vision_head_count(vision["num_heads"])
    writer.add_vision_image_mean([0.5] * 3)
    writer.add_vision_image_std([0.5] * 3)
    writer.add_vision_use_gelu(True)
    writer.add_vision_spatial_merge_size(vision["spatial_merge_size"])
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_is_deepstack_layers(
        [layer in vision["deepstack_visual_indexes"] for layer in range(vision["depth"])])
    name_of = names_of(gguf.MODEL_ARCH.MMPROJ, vision["depth"])
    for name in tensors.keys():
        if "visual." not in name:
            continue
        tensor = tensors.get_tensor(name)
        if name.endswith("patch_embed.proj.weight"):  # a convolution over two frames: one for each
            for frame, suffix in ((0, ""), (1, ".1")):
                add(writer, "v.patch_embd.weight" + suffix, tensor[:, :, frame], wide=True)
        else:
            add(writer, vision_name(name, config, name_of), tensor, wide="pos_embed" in name)
    finish(writer)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    checkpoint, folder = map(pathlib.Path, sys.argv[1:])
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    with safe_open(checkpoint / "model.safetensors", "pt") as tensors:
        write_text(folder / "BF16.gguf", config, tensors)
        write_vision(folder / "mmproj.gguf", config, tensors)


if __name__ == "__main__":
    main()
