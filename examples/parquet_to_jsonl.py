#!/usr/bin/env python3
"""Writes the rows of a Parquet file as JSON lines of messages, which every stage reads.

  parquet_to_jsonl.py IN.parquet OUT.jsonl

Needs pyarrow. Rows are read in batches. They may have

  images or image   {"bytes": ..., "path": ...}, or a list of such; written as data: URLs, or as paths without bytes
  texts             a list of {"user": ..., "assistant": ...}; the images stand before the first question
  messages          a list of {"role": ..., "content": ...}, with <image> markers
  conversations     a list of {"from": ..., "value": ...}, with <image> markers
  problem or question, and answer
"""

import base64
import json
import sys

KINDS = {b"\x89PNG": "png", b"\xff\xd8": "jpeg", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp"}


def reference(image):
    data = image.get("bytes") if isinstance(image, dict) else None
    if not data:
        return image["path"] if isinstance(image, dict) else image
    kind = next((kind for magic, kind in KINDS.items() if data.startswith(magic)), "octet-stream")
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()


def record(row, number):
    """One row as a record."""
    images = row.get("images") if row.get("images") is not None else row.get("image")
    images = [] if images is None else images if isinstance(images, list) else [images]
    result = {"images": [reference(image) for image in images]} if images else {}
    markers = "<image>" * len(images)
    if row.get("texts"):
        turns = [(turn["user"], turn["assistant"]) for turn in row["texts"]]
    elif row.get("messages"):
        return {**result, "messages": [{"role": m["role"], "content": m["content"]} for m in row["messages"]]}
    elif row.get("conversations"):
        return {**result, "conversations": [{"from": t["from"], "value": t["value"]} for t in row["conversations"]]}
    elif row.get("answer") is not None and (row.get("problem") or row.get("question")):
        question = row.get("problem") or row["question"]
        turns = [(question, str(row["answer"]))]
        markers = "" if "<image>" in question else markers
    else:
        sys.exit(f"row {number}: expected texts, messages, conversations, or problem and answer; got {sorted(row)}")
    messages = []
    for question, answer in turns:
        messages += [{"role": "user", "content": markers + question}, {"role": "assistant", "content": answer}]
        markers = ""
    return {**result, "messages": messages}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        import pyarrow.parquet
    except ImportError:
        sys.exit("parquet_to_jsonl.py needs pyarrow: python3 -m pip install pyarrow")
    number = 0
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        for batch in pyarrow.parquet.ParquetFile(sys.argv[1]).iter_batches(batch_size=64):
            for row in batch.to_pylist():
                out.write(json.dumps(record(row, number), ensure_ascii=False) + "\n")
                number += 1
    print(f"{number} lines")


if __name__ == "__main__":
    main()
