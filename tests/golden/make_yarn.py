"""Makes tests/golden/yarn.json: the frequencies and the attention factor that transformers gives to YaRN settings."""

import json
import pathlib

SETTINGS = (
    {"theta": 5e6, "head_dim": 128, "max_position_embeddings": 1000000, "factor": 3.0},
    {"theta": 5e6, "head_dim": 128, "max_position_embeddings": 524288, "factor": 2.0},
    {"theta": 1e6, "head_dim": 64, "max_position_embeddings": 1000000, "factor": 4.0},
    {"theta": 1e4, "head_dim": 32, "max_position_embeddings": 16384, "factor": 8.0,
     "original_max_position_embeddings": 2048, "beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 1.25},
)


def frequencies(setting):
    from transformers import Qwen3Config
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = {"rope_type": "yarn", "rope_theta": setting["theta"], "original_max_position_embeddings": 262144}
    rope |= {name: value for name, value in setting.items()
             if name not in ("theta", "head_dim", "max_position_embeddings")}
    config = Qwen3Config(hidden_size=2 * setting["head_dim"], num_attention_heads=2, head_dim=setting["head_dim"],
                         max_position_embeddings=setting["max_position_embeddings"], rope_parameters=rope)
    values, attention = ROPE_INIT_FUNCTIONS["yarn"](config, "cpu")
    return {"rope": rope, "head_dim": setting["head_dim"], "attention": attention, "frequencies": values.tolist()}


def main():
    lines = (f"  {json.dumps(frequencies(setting))}" for setting in SETTINGS)
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    (pathlib.Path(__file__).parent / "yarn.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
