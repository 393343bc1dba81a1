#!/usr/bin/env python3
"""Ten steps of training by transformers and torch.optim.AdamW: losses, gradient norms and rates.

Run it in an environment with requirements.txt:

    make_training.py OUT_FILE      writes tests/golden/training/ten_steps.json

The model is tests/toy/start with parameters from the generator of make_reference.py. Each step sees all conversations
of tests/toy/data.jsonl, so that their order does not matter, in f32. The loss weighs a token of a sample that has n
supervised ones by n^(-1/2) and divides by the sum of all weights; gradients are clipped to a global norm of 1; matrices
decay and vectors do not; the rate warms up and follows a cosine.
"""

import json
import math
import pathlib
import sys

import torch
import transformers
from PIL import Image

import make_reference

TOY = pathlib.Path(__file__).resolve().parent.parent / "toy"
SETTINGS = {
    "seed": 77, "steps": 10, "learning_rate": 3e-3, "end_rate": 1e-4, "warm_up": 3,
    "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "decay": 0.1, "clip": 1.0,
}


def load_model():
    config = transformers.AutoConfig.from_pretrained(TOY / "start")
    config._attn_implementation = "eager"
    model = transformers.Qwen3VLForConditionalGeneration(config).float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = make_reference.parameter(SETTINGS["seed"], name, tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(value))
    return model.train()


def read_samples():
    """Of each line: what the model takes, and the places of supervised tokens."""
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(TOY / "start" / "tokenizer.json"))
    processor = transformers.Qwen2VLImageProcessor.from_pretrained(TOY / "start")
    image_token = tokenizer.convert_tokens_to_ids("<|image_pad|>")

    def encode(text):
        return tokenizer.encode(text, add_special_tokens=False)

    for line in (TOY / "data.jsonl").read_text().splitlines():
        ids, supervised, images = [], [], []
        for message in json.loads(line)["messages"]:
            parts = message["content"]
            if isinstance(parts, str):
                parts = [{"type": "text", "text": parts}]
            text = ""
            for part in parts:
                if part["type"] == "image":
                    images.append(Image.open(TOY / part["image"]))
                    text += "<|vision_start|><|image_pad|><|vision_end|>"
                else:
                    text += part["text"]
            head = encode(f"<|im_start|>{message['role']}\n")
            body, tail = encode(f"{text}<|im_end|>"), encode("\n")
            answers = message["role"] == "assistant"
            ids += head + body + tail
            supervised += [False] * len(head) + [answers] * len(body) + [False] * len(tail)
        inputs = {}
        if images:
            inputs = dict(processor(images=images, return_tensors="pt"))
            counts = [int(grid.prod()) // 4 for grid in inputs["image_grid_thw"]]
            widened = [(token, flag) for token, flag in zip(ids, supervised)
                       for _ in range(counts.pop(0) if token == image_token else 1)]
            ids, supervised = [list(column) for column in zip(*widened)]
        tokens = torch.tensor([ids])
        inputs |= {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "use_cache": False,
                   "mm_token_type_ids": (tokens == image_token).int()}
        yield inputs, torch.tensor(supervised)


def step_loss(model, samples):
    total, divisor = 0, 0
    for inputs, supervised in samples:
        logits = model(**inputs).logits[0]
        targets = inputs["input_ids"][0]
        losses = torch.nn.functional.cross_entropy(logits[:-1], targets[1:], reduction="none")
        count = int(supervised[1:].sum())
        weight = count ** -0.5
        total = total + weight * losses[supervised[1:]].sum()
        divisor += weight * count
    return total / divisor


def rate(step):
    peak, end, warm_up = SETTINGS["learning_rate"], SETTINGS["end_rate"], SETTINGS["warm_up"]
    if step < warm_up:
        return peak * step / warm_up
    share = (step - warm_up) / (SETTINGS["steps"] - warm_up)
    return end + (peak - end) / 2 * (1 + math.cos(math.pi * share))


def main():
    torch.set_num_threads(1)
    model, samples = load_model(), list(read_samples())
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": SETTINGS["decay"]},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(SETTINGS["beta1"], SETTINGS["beta2"]), eps=SETTINGS["eps"])
    steps = []
    for step in range(1, SETTINGS["steps"] + 1):
        optimizer.zero_grad()
        loss = step_loss(model, samples)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), SETTINGS["clip"])
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        steps.append({"loss": loss.item(), "gradient_norm": norm.item(), "learning_rate": rate(step)})
        print(steps[-1])
    tokens = sum(inputs["input_ids"].shape[1] for inputs, _ in samples)
    result = SETTINGS | {"tokens": tokens, "results": steps}
    pathlib.Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
