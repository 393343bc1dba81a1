"""A fuzz target of tests/fuzz runs for a while under the address and undefined-behaviour sanitizers without a finding.

Needs clang++ 19 with libFuzzer. It starts from the seeds below; a finding stays in the folder of the build.
"""

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
WORDS = ["{", "}", "[", "]", ":", ",", "\\\\u", "\\\"", "null", "true", "1e9", "-1", "18446744073709551615", "dtype", "shape",
         "data_offsets", "__metadata__", "BF16", "F32", "I64", "BOOL", "9223372036854775807"]


def seeds(target):
    if target == "json":
        return [text.encode() for text in JSON_SEEDS]
    if target == "config":
        return [path.read_bytes() for path in sorted((house.ROOT / "tests/model/configs").glob("*.json"))]
    return [struct.pack("<Q", len(text)) + text.encode() + bytes(size) for text, size in SAFETENSORS_SEEDS]


def main():
    arguments = house.compiler_arguments(__doc__, {"seconds": "how long to run; 60 unless told",
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
        status, output = house.run([compiler, *house.flags(arguments), "-O1", "-g1", "-fno-omit-frame-pointer",
                                    "-fno-sanitize-recover=all", SANITIZERS, source, "-o", target])
        if status:
            house.finish([output], str(source))
        corpus.mkdir()
        for number, seed in enumerate(seeds(source.stem)):
            (corpus / str(number)).write_bytes(seed)
        words.write_text("".join(f'"{word}"\n' for word in WORDS), encoding="utf-8")
        findings = os.path.join(arguments.findings or ".", f"{source.stem}-")
        status, output = house.run([target, f"-max_total_time={arguments.seconds or 60}", "-timeout=10", "-rss_limit_mb=2048",
                                    "-max_len=4096", f"-dict={words}", f"-artifact_prefix={findings}", "-verbosity=1",
                                    "-print_final_stats=1", corpus])
    lines = output.splitlines()
    runs = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "0")
    house.finish(["\n".join(lines[-80:])] if status else [], f"{runs} inputs of {source.name}")


if __name__ == "__main__":
    main()
