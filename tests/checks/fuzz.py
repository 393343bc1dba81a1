"""A fuzz target of tests/fuzz runs for a while under the address and undefined-behaviour sanitizers without a finding.

Needs clang++ 19 with libFuzzer. It starts from the seeds below; a finding stays in the folder of the build.
"""

import json
import os
import pathlib
import shutil
import struct
import tempfile

import house

SANITIZERS = "-fsanitize=fuzzer,address,undefined"

JSON_SEEDS = [
    '{"a": [1, -2, 3.5e-7, true, false, null], "b": {"c": "\\u00e9\\ud83d\\ude00\\n"}}',
    '[9223372036854775807, -9223372036854775808, 18446744073709551615, 1e308, -0.0, 5e-324]',
    '{"model_type": "qwen3_vl", "text_config": {"rope_scaling": {"mrope_section": [24, 20, 20]}}}',
    '["é😀", "", "\\"\\\\\\/"]',
]
SAFETENSORS_SEEDS = [  # headers, and how many bytes follow
    ('{}', 0),
    ('{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}', 8),
    ('{"late":{"dtype":"U8","shape":[2],"data_offsets":[8,10]},"none":{"dtype":"BF16","shape":[0,5],'
     '"data_offsets":[8,8]},"one":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}', 10),
]
def prefix_seed(parents, pictures):
    """A saved cache of the identity that the target has; checksums are the target's."""
    cells = [number for page in range(len(parents)) for cell in range(64) for number in (page + cell, -1, 0, 0)]
    tensors = [("identity", "I64", [7], struct.pack("<7q", 2, 1, 2, 0, 8, 2, 64)),
               ("page.parents", "I64", [len(parents)], struct.pack(f"<{len(parents)}q", *parents)),
               ("page.cells", "I64", [len(parents), 64, 4], struct.pack(f"<{len(cells)}q", *cells)),
               ("picture.keys", "I64", [len(pictures), 3], b"".join(struct.pack("<3q", 5, i, n) for i, n in enumerate(pictures))),
               *((f"page.{i}", "U8", [8], bytes(range(i, i + 8))) for i in range(len(parents))),
               *((f"picture.{i}", "F32", [n, 2], struct.pack(f"<{2 * n}f", *range(2 * n))) for i, n in enumerate(pictures))]
    tensors.append(("checksums", "I64", [len(tensors)], bytes(8 * len(tensors))))
    header, body = {}, b""
    for name, kind, shape, data in tensors:
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


PREFIX_SEEDS = [prefix_seed([], []), prefix_seed([-1], [3]), prefix_seed([-1, 0, 0], [1, 2])]
ANSWER_SEEDS = [
    'Here:\n```json\n[{"bbox_2d": [100, 250, 500.5, 1000], "label": "cat"}, {"point_2d": [[0, 12], [3, 4]]}]\n```',
    '<think>{"bbox_2d": [1, 2</think>{"objects": [{"bbox_2d": [9, 2, 3, 4]}, {"start": "00:03.5", "end": "1:02:03"}]}',
    '{"times": [1, "2.5 seconds"]} {"timestamps": [[1, 2], ["3s", "0:05"]], "caption": "\\"{"}',
    'from 3.0 seconds to 12.4 seconds, then 00:20 - 01:00:05',
]
TOKENIZER_SEED = (  # "$$" stands for the tokens of the bytes
    '{"version": "1.0", "added_tokens": [{"id": 259, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false, '
    '"normalized": false, "special": true}], "normalizer": {"type": "NFC"}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": '
    '[{"type": "Split", "pattern": {"Regex": "(?i:\'s|\'t|\'re|\'ve|\'m|\'ll|\'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| '
    '?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"}}, {"type": "ByteLevel"}]}, '
    '"decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {$$, "ab": 256, "abc": 257, "\\"\\\\": 258}, '
    '"merges": MERGES}}')
TOKENIZER_JSON_SEEDS = [TOKENIZER_SEED.replace("MERGES", merges) for merges in (
    '[["a", "b"], ["ab", "c"], ["\\"", "\\\\"]]', '["a b", "ab c"]', '[]')]
TOKENIZER_SEEDS = ["the other's mother\n\n  if (x==10) {return;}", "\u732b\u5728 caf\u00e9 cafe\u0301 \u1112\u1161\u11ab \U0001f642", "<|im_start|>user\n<think></think>",
                   "aaaaaaaaabababababab" * 9, "\u0958\u0344\ufb01\u212b"]
TEMPLATE_SEEDS = [
    "{%- for m in messages[::-1] %}\n  {{- m.role + ' ' -}} {%- if loop.last or m.content is string %}{{ m.content.split('</think>')[-1] }}{% endif %}{% endfor %}",
    "{% set ns = namespace(a=1) %}{% macro f(x, y) %}{{ x | tojson }}{% endmacro %}{# c #}{% set ns.a = ns.a + n - 1 %}{{ f(d, 'q') ~ '' }}",
    "{{ f(s[1:], not t) if n > 2 and 'k' in d else s.strip() | length }}{{ -n }}{{ d['k'][0] == 1 }}{{ raise_exception('no') }}",
]
LINE_SEEDS = [
    '{"messages": [{"role": "user", "content": "<image>?"}, {"role": "assistant", "content": "A.", "reasoning_content": "B"}], "images": ["a.png"]}',
    '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, {"type": "text", "text": "?"}]}, '
    '{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "content": "1"}], "tools": []}',
    '{"id": 1, "image": ["a.png"], "video": "b.mp4", "conversations": [{"from": "human", "value": "<image>\\n<video>"}, {"from": "gpt", "value": "A"}]}',
    '{"system": "S", "tools": "[]", "conversations": [{"from": "function_call", "value": "{\\"name\\": \\"f\\", \\"arguments\\": {}}"}, '
    '{"from": "observation", "value": "1"}]}',
]
DATA_FILE_SEEDS = ["\n".join(LINE_SEEDS), "[" + ", ".join(LINE_SEEDS) + "]\n", "[]"]
TEXT_SEEDS = {"data_line": LINE_SEEDS, "data_file": DATA_FILE_SEEDS, "json": JSON_SEEDS, "tokenizer_json": TOKENIZER_JSON_SEEDS, "tokenizer": TOKENIZER_SEEDS,
              "chat_template": TEMPLATE_SEEDS, "grounding": ANSWER_SEEDS}
WORDS = ["{", "}", "[", "]", ":", ",", "\\\\u", "\\\"", "null", "true", "1e9", "-1", "18446744073709551615", "dtype", "shape",
         "data_offsets", "__metadata__", "BF16", "F32", "I64", "BOOL", "9223372036854775807",
         "bbox_2d", "point_2d", "label", "start", "end", "times", "timestamps", "seconds", " to ", "</think>", "00:03",
         "conversations", "messages", "from", "value", "role", "content", "human", "<image>", "<video>", "tool_calls", "ustar", "path=",
         "identity", "page.parents", "page.cells", "page.0", "picture.keys", "picture.0", "checksums"]


# Of a target with the line "// needs: image" or "// needs: video".
NEEDS = {"image": [house.IMAGE_DEFINITION, *house.IMAGE_LIBRARIES], "video": [house.VIDEO_DEFINITION, *house.VIDEO_LIBRARIES]}
IMAGE_ENDINGS = {"jpeg": "jpg", "png": "png", "webp": "webp", "gif": "gif", "bmp": "bmp", "pnm": "p?m"}
MOST_BYTES = 4096
LONG = {"prefix_file": 16384, "video": 6144}  # of targets whose files are larger


def seeds(target):
    if target in IMAGE_ENDINGS:
        files = sorted((house.ROOT / "tests" / "golden" / "images").glob(f"*.{IMAGE_ENDINGS[target]}"))
        return [data for data in (path.read_bytes() for path in files) if len(data) <= MOST_BYTES]
    if target == "video":
        files = sorted((house.ROOT / "tests" / "golden" / "video").iterdir())
        return [path.read_bytes() for path in files if path.suffix in (".mkv", ".mp4") and path.stat().st_size <= LONG["video"]]
    if target == "config":
        return [path.read_bytes() for path in sorted((house.ROOT / "tests" / "model" / "configs").glob("*.json"))]
    if target == "tar":
        return [(house.ROOT / "tests" / "golden" / "data" / "shard.tar").read_bytes()[:MOST_BYTES]]
    if target == "prefix_file":
        return PREFIX_SEEDS
    if target in TEXT_SEEDS:
        return [text.encode() for text in TEXT_SEEDS[target]]
    return [struct.pack("<Q", len(text)) + text.encode() + bytes(size) for text, size in SAFETENSORS_SEEDS]


def main():
    arguments = house.compiler_arguments(__doc__, {"seconds": "how long to run; 60 unless told",
                                                   "seed": "of the search; 1 unless told, so that a finding comes again",
                                                   "findings": "folder for inputs that fail"}, source="a file of tests/fuzz")
    source = pathlib.Path(arguments.source)
    compiler = shutil.which("clang++-19")
    if not compiler:
        house.skip("no clang++-19 on this machine")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        probe = "#include <cstddef>\n#include <cstdint>\n" \
                "extern \"C\" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) { return 0; }\n"
        if house.run([compiler, SANITIZERS, "-x", "c++", "-", "-o", folder / "probe"], probe)[0]:
            house.skip("clang++-19 has no libFuzzer here (Debian: libclang-rt-19-dev)")
        target, corpus, words = folder / "target", folder / "corpus", folder / "words"
        text = source.read_text(encoding="utf-8")
        more = [word for need, words in NEEDS.items() if f"// needs: {need}" in text for word in words]
        status, output = house.run([compiler, *house.flags(arguments), "-O1", "-g1", "-fno-omit-frame-pointer",
                                    "-fno-sanitize-recover=all", SANITIZERS, source,
                                    *more,
                                    "-o", target])
        if status:
            house.finish([output], str(source))
        corpus.mkdir()
        for number, seed in enumerate(seeds(source.stem)):
            (corpus / str(number)).write_bytes(seed)
        words.write_text("".join(f'"{word}"\n' for word in WORDS), encoding="utf-8")
        findings = os.path.join(arguments.findings or ".", f"{source.stem}-")
        status, output = house.run([target, f"-max_total_time={arguments.seconds or 60}", f"-seed={arguments.seed or 1}", "-timeout=10", "-rss_limit_mb=2048",
                                    f"-max_len={LONG.get(source.stem, MOST_BYTES)}", f"-dict={words}", f"-artifact_prefix={findings}", "-verbosity=1",
                                    "-print_final_stats=1", corpus])
    lines = output.splitlines()
    runs = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "0")
    house.finish(["\n".join(lines[-80:])] if status else [], f"{runs} inputs of {source.name}")


if __name__ == "__main__":
    main()
