"""Makes the pictures and conversations of this folder (python3 standard library): plain squares and their colours.

start/config.json is written by hand; start/tokenizer.json and start/preprocessor_config.json come from
examples/quickstart/prepare.cpp, run on corpus.txt.
"""

import json
import pathlib

HERE = pathlib.Path(__file__).parent
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 40, 230), "white": (245, 245, 245)}


def picture(name, colour, size):
    shade = [[min(255, max(0, c + 4 * ((x + y) % 3))) for c in colour] for y in range(size) for x in range(size)]
    (HERE / name).write_bytes(b"P6\n%d %d\n255\n" % (size, size) + bytes(v for pixel in shade for v in pixel))


def line(images, question, answer):
    content = [{"type": "image", "image": image} for image in images] + [{"type": "text", "text": question}]
    return {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]}


lines = []
for index, (colour, value) in enumerate(COLOURS.items()):
    picture(f"{colour}.ppm", value, 12 + 4 * index)
    lines.append(line([f"{colour}.ppm"], "What colour is this?", colour))
    lines.append(line([f"{colour}.ppm"], "Describe the picture.", f"A {colour} square."))
for left, right in (("red", "blue"), ("white", "green"), ("blue", "white")):
    lines.append(line([f"{left}.ppm", f"{right}.ppm"], "Name the colours.", f"{left}, {right}"))
lines.append(line([], "What colour is snow?", "white"))

(HERE / "data.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in lines))
text = [m["content"] if isinstance(m["content"], str) else m["content"][-1]["text"] for l in lines for m in l["messages"]]
(HERE / "corpus.txt").write_text("\n".join(text) + "\n")
