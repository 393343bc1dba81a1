"""Makes tests/golden/greedy.json: what transformers answers, greedily, to the cases of tests/golden/cases that hold one
sample.

    make_greedy.py                writes greedy.json: for each case its 64 tokens, and the smallest gap on the way
                                  between the two largest logits, in units of the last place of the largest

Models, pixels and prompts are those of make_reference.py. No token ends an answer.
"""

import json
import pathlib

import numpy as np

import make_reference as reference

FOLDER = pathlib.Path(__file__).parent
TOKENS = 64


def answer(case):
    import torch

    model = reference.load_model(case, reference.released_checkpoint(case))
    inputs = reference.inputs_of_samples(case, reference.make_sequence(case)[0])[0]
    inputs.pop("use_cache")
    with torch.no_grad():
        result = model.generate(**inputs, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False,
                                eos_token_id=None, pad_token_id=0, output_logits=True, return_dict_in_generate=True)
    tokens = result.sequences[0, inputs["input_ids"].shape[1]:].tolist()
    gaps = []
    for logits in result.logits:
        second, first = np.sort(logits[0].numpy())[-2:]
        gaps.append((first - second) / np.spacing(np.abs(first)))
    return tokens, float(min(gaps))


def main():
    from safetensors.numpy import load_file

    answers = {}
    for case in reference.all_cases():
        if len(case.samples) > 1:
            continue
        golden = load_file(FOLDER / "cases" / case.name / "golden.safetensors")
        case = reference.dataclasses.replace(case, seed=int(golden["seed"][0]))
        tokens, gap = answer(case)
        reference.require(len(tokens) == TOKENS, f"{case.name}: {len(tokens)} tokens")
        answers[case.name] = {"tokens": tokens, "smallest_gap": round(gap)}
        print(case.name, round(gap), len(set(tokens)), flush=True)
    lines = (f"  {json.dumps(name)}: {json.dumps(answer)}" for name, answer in answers.items())
    (FOLDER / "greedy.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
