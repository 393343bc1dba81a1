#!/usr/bin/env python3
"""Makes tests/golden/data: twenty samples in each format of training data, and what the reference makes of them.

Run it in an environment with requirements.txt:  make_data_cases.py tests/golden/data TOKENIZER.JSON

The lines of each format are turned into messages here, as its own project does; transformers' Qwen3-VL processor with
the published chat templates (tests/golden/chat) makes ids of them, and get_rope_index positions. results.json has for
each file, template and sample

ids        where a token stands more than twice in a row, minus the count comes before it
positions  for time, height and width: h = (31 h + position) mod 1000000007 over all tokens
labels     [begin, end] of each range of supervised tokens: answers and the <|im_end|> after each
weight     of each supervised token when the twenty samples are one step, with the divisor of square roots

The Thinking template opens answers with "<think>\\n"; an answer without thoughts goes on with "\\n</think>". Generation
sees these line breaks as two tokens, the end of the prompt and the beginning of the answer, and so does training.
transformers 5.23 keeps the pair of <|vision_start|> and <|vision_end|> that templates write around a video, though each step
of the clip has its own; it is taken out, as the models were trained (see vlm/vision/timestamps.hpp).
"""

import base64
import io
import json
import pathlib
import random
import re
import sys
import tarfile
import types

import numpy
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessor
from transformers.models.qwen3_vl import modeling_qwen3_vl as modeling
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.utils.chat_template_utils import _compile_jinja_template as compile_template
from transformers.video_utils import VideoMetadata

IMAGES = ["colours.ppm", "colours.bmp", "deep.ppm", "palette.bmp", "bits_565.bmp", "runs.bmp"]
QUESTIONS = ["What is it?", "Was siehst du? ", "这是什么？", "How many\ncats 🐈 are there?", " Where is it\t?", "Name the colours: <b>", "\n\nGo on.", "42 + 1?"]
ANSWERS = ["A cat.", "Eine Katze. ", "一只猫。", "Two 🐈🐈, I think.", "At [[12, 40]].\nTo the left.", "Red, green and blue.", "", "43"]
THOUGHTS = ["Let me look.", "Erst zählen:\n1, 2.\n", "\n看看\n"]
TOOL = {"type": "function", "function": {"name": "zoom", "description": "Zooms in.", "parameters": {"type": "object", "properties": {"x": {"type": "number"}}}}}
CLIP = {"frames": 12, "fps": 4, "height": 64, "width": 96}  # each video; black
IM_START, IM_END, THINK, ASSISTANT, BREAK = 151644, 151645, 151667, 77091, 198


def turns(rng, marker, media=("image",)):
    """Pairs of question and answer with markers for the media of each question, and all media."""
    pairs, shown = [], []
    for _ in range(rng.randint(1, 3)):
        text = rng.choice(QUESTIONS)
        for _ in range(rng.randint(0, 2)):
            kind = rng.choice(media)
            name = f"../images/{rng.choice(IMAGES)}" if kind == "image" else f"clip-{rng.randint(0, 9)}.avi"
            shown.append((kind, name))
            at = rng.choice([0, len(text)])
            text = text[:at] + marker(kind, name) + text[at:]
        pairs.append((text, rng.choice(ANSWERS)))
    return pairs, shown


def split(text, shown, trimmed):
    """A text with markers as items; takes what it shows from the list."""
    items = []
    for part in re.split(r"(<image>|<video>)", text):
        if part in ("<image>", "<video>"):
            kind, name = shown.pop(next(i for i, entry in enumerate(shown) if entry[0] == part[1:-1]))
            items.append({"type": kind, kind: name})
        elif trimmed and part.strip():
            items.append({"type": "text", "text": part.strip()})
        elif not trimmed and part:
            items.append({"type": "text", "text": part})
    return items


def by_kind(shown):
    return [name for kind, name in shown if kind == "image"], [name for kind, name in shown if kind == "video"]


def make_messages(rng):
    """The library's own lines, and those with lists beside the messages."""
    messages = [{"role": "system", "content": "Be brief."}] if rng.random() < 0.3 else []
    pairs, shown = turns(rng, lambda kind, _: f"<{kind}>", ("image", "video"))
    tools = [TOOL] if rng.random() < 0.5 else None
    lists = rng.random() < 0.3
    line, seen = list(messages), list(messages)
    pool = list(shown)
    for i, (question, answer) in enumerate(pairs):
        items = split(question, pool, False)
        seen.append({"role": "user", "content": items})
        line.append({"role": "user", "content": question if lists or (not items and not shown) else items})
        if tools and rng.random() < 0.7:
            call = {"role": "assistant", "content": rng.choice(["", "I zoom."]), "tool_calls": [{"id": str(i), "type": "function", "function": {"name": "zoom", "arguments": {"x": 0.5, "to": ["a", None]}}}]}
            result = {"role": "tool", "tool_call_id": str(i), "content": rng.choice(["done", "größer"])}
            line += [call, result]
            seen += [call, result]
        last = {"role": "assistant", "content": answer}
        thoughts = rng.random()
        if thoughts < 0.4:
            last["reasoning_content"] = rng.choice(THOUGHTS)
        elif thoughts < 0.6:
            last["content"] = f"<think>\n{rng.choice(THOUGHTS)}\n</think>\n\n{answer}"
        line.append(last)
        seen.append(last)
    record = {"messages": line, **({"tools": tools} if tools else {})}
    if lists:
        record["images"], record["videos"] = by_kind(shown)
    return record, seen, tools


def make_openai(rng):
    def url(name):
        if rng.random() < 0.5:
            return name
        data = (pathlib.Path(__file__).parent / "images" / "bits.bmp").read_bytes()
        return "data:image/bmp;base64," + base64.b64encode(data).decode()
    messages, seen = [], []
    pairs, shown = turns(rng, lambda kind, _: f"<{kind}>")
    for question, answer in pairs:
        items = [{"type": "image_url", "image_url": {"url": url(part["image"]), "detail": "auto"}} if part["type"] == "image" else part
                 for part in split(question, shown, False)]
        messages.append({"role": "user", "content": items})
        seen.append({"role": "user", "content": [{"type": "image", "image": part["image_url"]["url"]} if part["type"] == "image_url" else part for part in items]})
        messages.append({"role": "assistant", "content": answer})
        seen.append(messages[-1])
    return {"messages": messages}, seen, None


def make_qwen(rng, media=("image", "video"), single=False):
    pairs, shown = turns(rng, lambda kind, _: f"<{kind}>\n", media)
    if single:
        pairs = [(question.replace("<image>\n", ""), answer) for question, answer in pairs]
        pairs[0] = ("<image>\n" + pairs[0][0], pairs[0][1])
        shown = [("image", f"../images/{rng.choice(IMAGES)}")]
    line = {"conversations": [{"from": role, "value": text} for pair in pairs for role, text in zip(("human", "gpt"), pair)]}
    images, videos = by_kind(shown)
    for key, names in (("image", images), ("video", videos)):
        if names:
            line[key] = names[0] if len(names) == 1 else names
    pool, seen = list(shown), []
    for question, answer in pairs:
        seen += [{"role": "user", "content": split(question, pool, True)}, {"role": "assistant", "content": answer}]
    return line, seen, None


def make_llava(rng):
    line, seen, tools = make_qwen(rng, ("image",), True)
    return {"id": f"{rng.randint(0, 999999):06}", **line, "data_source": "golden"}, seen, tools


def make_sharegpt(rng):
    pairs, shown = turns(rng, lambda kind, _: f"<{kind}>", ("image", "video"))
    images, videos = by_kind(shown)
    line = {"conversations": [], "images": images, "videos": videos}
    pool, seen, tools = list(shown), [], None
    if rng.random() < 0.5:
        line["system"] = "Be brief."
        seen.append({"role": "system", "content": "Be brief."})
    if rng.random() < 0.5:
        tools = [TOOL]
        line["tools"] = json.dumps(tools)
    for question, answer in pairs:
        line["conversations"].append({"from": "human", "value": question})
        seen.append({"role": "user", "content": split(question, pool, False)})
        if tools and rng.random() < 0.6:
            call = {"name": "zoom", "arguments": {"x": 2}}
            line["conversations"] += [{"from": "function_call", "value": json.dumps(call)}, {"from": "observation", "value": "done"}]
            seen += [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": "done"}]
        line["conversations"].append({"from": "gpt", "value": answer})
        seen.append({"role": "assistant", "content": answer})
    return line, seen, tools


def small_image(rng):
    """A PPM of one colour."""
    height, width = rng.randint(8, 20), rng.randint(8, 20)
    return b"P6\n%d %d\n255\n" % (width, height) + bytes(rng.randrange(256) for _ in range(3)) * (height * width)


def caption(image, text):
    return [{"role": "user", "content": [{"type": "image", "image": image}]}, {"role": "assistant", "content": text.strip()}]


def make_shard(rng, path):
    seen = []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        def add(name, data):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for i in range(20):
            images = [small_image(rng) for _ in range(1 + i % 3 // 2)]
            for k, data in enumerate(images):
                add(f"{i:03}.{k}.ppm" if len(images) > 1 else f"{i:03}.ppm", data)
            answer = rng.choice([text for text in ANSWERS if text])
            if i % 3 == 0:
                add(f"{i:03}.txt", (answer + "\n").encode())
                seen.append((caption(images[0], answer), None))
                continue
            question = "<image>" * len(images) + rng.choice(QUESTIONS)
            pool = [("image", data) for data in images]
            line = {"conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]}
            add(f"{i:03}.json", json.dumps(line).encode())
            seen.append(([{"role": "user", "content": split(question, pool, True)}, {"role": "assistant", "content": answer}], None))
    return seen


def load(folder, image):
    if isinstance(image, bytes):
        return Image.open(io.BytesIO(image)).convert("RGB")
    if image.startswith("data:"):
        return Image.open(io.BytesIO(base64.b64decode(image.split(",")[1]))).convert("RGB")
    return Image.open(folder / image).convert("RGB")


def packed(ids):
    result, i = [], 0
    while i < len(ids):
        count = next((k for k in range(1, len(ids) - i) if ids[i + k] != ids[i]), len(ids) - i)
        result += [-count, ids[i]] if count > 2 else ids[i:i + count]
        i += count
    return result


def supervised(ids, thinking):
    ranges, i = [], 0
    while i < len(ids) - 2:
        if ids[i:i + 3] == [IM_START, ASSISTANT, BREAK]:
            begin = i + 3
            if thinking and ids[begin:begin + 2] == [THINK, BREAK]:
                begin += 2
            i = ids.index(IM_END, begin)
            ranges.append([begin, i + 1])
        i += 1
    return ranges


def sample(processor, template, thinking, folder, messages, tools):
    text = template.render(messages=messages, tools=tools, add_generation_prompt=False, add_vision_id=False)
    items = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    images = [load(folder, part["image"]) for part in items if part["type"] == "image"]
    frames = numpy.zeros((CLIP["frames"], CLIP["height"], CLIP["width"], 3), numpy.uint8)
    videos = [frames for part in items if part["type"] == "video"]
    metadata = [VideoMetadata(total_num_frames=CLIP["frames"], fps=CLIP["fps"], frames_indices=list(range(CLIP["frames"])),
                              height=CLIP["height"], width=CLIP["width"]) for _ in videos]
    result = processor(text=[text], images=images or None, videos=videos or None, return_tensors="pt",
                       **({"video_metadata": metadata} if videos else {}))
    ids = result["input_ids"][0].tolist()
    start, end, pads = 151652, 151653, (151655, 151656)
    outer = {i for i, token in enumerate(ids) if (token == start and ids[i + 1] not in pads) or (token == end and ids[i - 1] not in pads)}
    if outer:
        text = processor.tokenizer.decode([token for i, token in enumerate(ids) if i not in outer], skip_special_tokens=False,
                                          clean_up_tokenization_spaces=False)
        ids = processor.tokenizer.encode(text, add_special_tokens=False)
    if thinking:  # as generation sees them
        joined = processor.tokenizer.encode("\n\n", add_special_tokens=False)
        begin = [IM_START, ASSISTANT, BREAK, THINK]
        for i in range(len(ids) - 5, -1, -1):
            if ids[i:i + 5] == begin + joined:
                ids[i + 4:i + 5] = [BREAK, BREAK]
    kinds = [1 if i == 151655 else 2 if i == 151656 else 0 for i in ids]
    owner = types.SimpleNamespace(config=types.SimpleNamespace(vision_config=types.SimpleNamespace(spatial_merge_size=2)))
    owner.get_vision_position_ids = types.MethodType(modeling.Qwen3VLModel.get_vision_position_ids, owner)
    positions, _ = modeling.Qwen3VLModel.get_rope_index(owner, torch.tensor([ids]), torch.tensor([kinds]), result.get("image_grid_thw"),
                                                        result.get("video_grid_thw"))
    hashes = []
    for axis in positions[:, 0].tolist():
        h = 0
        for position in axis:
            h = (31 * h + position) % 1000000007
        hashes.append(h)
    return {"ids": packed(ids), "positions": hashes, "labels": supervised(ids, thinking)}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1])
    out.mkdir(exist_ok=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=sys.argv[2], eos_token="<|im_end|>", pad_token="<|endoftext|>")
    for name, text in (("image_token", "<|image_pad|>"), ("video_token", "<|video_pad|>"), ("vision_start_token", "<|vision_start|>"), ("vision_end_token", "<|vision_end|>")):
        setattr(tokenizer, name, text)
        setattr(tokenizer, name + "_id", tokenizer.convert_tokens_to_ids(text))
    size = {"shortest_edge": 4096, "longest_edge": 16384}
    processor = Qwen3VLProcessor(
        Qwen2VLImageProcessor(patch_size=16, merge_size=2, temporal_patch_size=2, size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3),
        tokenizer, Qwen3VLVideoProcessor(size={"shortest_edge": 4096, "longest_edge": 65536}))
    files = {}
    for name, make in (("messages.jsonl", make_messages), ("openai.jsonl", make_openai), ("qwen_finetune.json", make_qwen),
                       ("llava.json", make_llava), ("sharegpt.jsonl", make_sharegpt)):
        rng = random.Random(name)
        made = [make(rng) for _ in range(20)]
        lines = [json.dumps(line, ensure_ascii=name == "sharegpt.jsonl") for line, _, _ in made]
        text = "".join(line + "\n" for line in lines) if name.endswith("l") else "[\n" + ",\n".join(lines) + "\n]\n"
        (out / name).write_text(text, encoding="utf-8")
        files[name] = [(messages, tools) for _, messages, tools in made]
    files["shard.tar"] = make_shard(random.Random("shard"), out / "shard.tar")
    rng, lines = random.Random("captions"), []
    (out / "captions").mkdir(exist_ok=True)
    files["captions"] = []
    for i in range(20):
        image, text = f"../../images/{rng.choice(IMAGES)}", rng.choice([text for text in ANSWERS if text])
        lines.append(json.dumps({"file_name": image, "text": text}, ensure_ascii=False) + "\n")
        files["captions"].append((caption(f"captions/{image}", text), None))
    (out / "captions" / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")

    results = {}
    for variant in ("instruct", "thinking"):
        template = compile_template((out.parent / "chat" / f"chat_template.{variant}.jinja").read_text())
        for name, cases in files.items():
            samples = [sample(processor, template, variant == "thinking", out, messages, tools) for messages, tools in cases]
            counts = [sum(end - begin for begin, end in s["labels"]) for s in samples]
            divisor = sum(count ** 0.5 for count in counts)
            for s, count in zip(samples, counts):
                s["weight"] = count ** -0.5 / divisor
            results.setdefault(name, {})[variant] = samples
    with open(out / "results.json", "w", encoding="utf-8") as file:
        file.write("{")
        for i, (name, variants) in enumerate(results.items()):
            file.write((",\n" if i else "\n") + json.dumps(name) + ": {")
            for k, (variant, samples) in enumerate(variants.items()):
                file.write((",\n" if k else "\n") + json.dumps(variant) + ": [\n" + ",\n".join(json.dumps(s, separators=(",", ":")) for s in samples) + "]")
            file.write("}")
        file.write("}\n")


if __name__ == "__main__":
    main()
