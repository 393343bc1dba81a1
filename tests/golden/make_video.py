#!/usr/bin/env python3
"""Makes the golden clips: what the reference's Qwen3-VL video processor makes of them.

Run it in an environment with requirements.txt, where ffmpeg is found:  make_video.py OUT_DIR

Both sides get the same decoded frames. A clip is either a formula, value(t, y, x, c) = (37 y + 59 x + 83 c + 7 y x +
41 t + 3 t x) mod 256, or a file: one of FFmpeg's test sources as lossless RGB in NAME.mkv.

    clips.json          per clip what it is, its settings, and the results: indices of the sampled frames, grid,
                        text of the times and tokens; also tables of resized sizes and of sampled indices
    levels.safetensors  per clip the rows as 8-bit levels [rows, values]

Further files are for the reader alone: long.mp4 with key frames far apart and frames out of order, long.avi without times
of its frames, long.ts, variable.mkv whose frames are shown for 0.1 and from the tenth on for 0.3 seconds, turned.mp4,
which is long.mp4 with a note to turn it by a quarter, later.mp4, which is long.mp4 with a note to start at frame 12, and
sound.wav.
"""

import json
import pathlib
import random
import subprocess
import sys

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers.models.qwen3_vl import video_processing_qwen3_vl as reference
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.video_utils import VideoMetadata

# name, test source, frames, height, width, frames per second, settings beside the usual ones
FILES = [
    ("testsrc2", "testsrc2", 90, 48, 64, "30", {}),
    ("testsrc", "testsrc", 45, 40, 72, "25", {"size": {"shortest_edge": 64, "longest_edge": 4000}}),
    ("bars", "smptebars", 60, 36, 52, "24", {"size": {"shortest_edge": 6000, "longest_edge": 60000}}),
    ("hdbars", "smptehdbars", 37, 54, 96, "30", {"fps": 4}),
    ("rgb", "rgbtestsrc", 41, 64, 24, "30000/1001", {"fps": 3, "patch_size": 8}),
    ("yuv", "yuvtestsrc", 33, 30, 90, "24000/1001", {"fps": None, "num_frames": 7}),
    ("mandelbrot", "mandelbrot", 12, 48, 48, "12", {"size": {"shortest_edge": 64, "longest_edge": 3000}}),
    ("life", "life=mold=10:death_color=#C83232:life_color=#00ff00:seed=1", 20, 32, 40, "10", {"fps": 1.5}),
    ("carpet", "sierpinski=seed=3:jump=4", 20, 33, 47, "5", {"cap_pixels_per_frame": True, "max_video_tokens": 9}),
    ("pal", "pal75bars", 3, 24, 150, "50", {"temporal_patch_size": 3}),
]
FORMULAS = [
    ("fits", 8, 16, 24, "4", {}),
    ("odd", 9, 16, 16, "4", {"fps": 4}),
    ("tiny", 4, 3, 5, "2", {}),
    ("grows", 6, 20, 28, "3", {"size": {"shortest_edge": 9000, "longest_edge": 90000}}),
    ("wide", 5, 6, 300, "2", {"num_frames": 5, "fps": None}),
    ("shrinks", 24, 90, 70, "8", {"size": {"shortest_edge": 64, "longest_edge": 3000}}),
    ("colours", 4, 16, 16, "2", {"image_mean": [0.4, 0.5, 0.3], "image_std": [0.2, 0.3, 0.25]}),
]
USUAL = {"size": {"shortest_edge": 256, "longest_edge": 8000}, "patch_size": 4, "temporal_patch_size": 2, "merge_size": 2,
         "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "fps": 2, "min_frames": 4, "max_frames": 768,
         "cap_pixels_per_frame": False, "max_video_tokens": 768}


def rate_of(text):
    top, _, bottom = text.partition("/")
    return int(top) / int(bottom or 1)


def formula(frames, height, width):
    t, y, x, c = np.meshgrid(*(np.arange(n, dtype=np.int64) for n in (frames, height, width, 3)), indexing="ij")
    return ((37 * y + 59 * x + 83 * c + 7 * y * x + 41 * t + 3 * t * x) % 256).astype(np.uint8)


def run(*command):
    """Runs ffmpeg; the last word is its output, the same bytes each time."""
    words = [str(word) for word in command]
    exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact"] if words[-1] != "-" else []
    return subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *words[:-1], *exact, words[-1]], check=True,
                          stdout=subprocess.PIPE).stdout


def decoded(path, height, width):
    pixels = np.frombuffer(run("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"), dtype=np.uint8)
    return pixels.reshape(-1, height, width, 3)


def processed(frames, rate, settings):
    """What the reference makes of a clip."""
    processor = reference.Qwen3VLVideoProcessor(**settings)
    metadata = VideoMetadata(total_num_frames=len(frames), fps=rate)
    # torch: the reference takes numpy arrays with three columns for something else
    video = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).contiguous()
    result = processor(videos=[video], video_metadata=[metadata], input_data_format="channels_first",
                       do_sample_frames=True, return_metadata=True, return_tensors="pt")
    rows = result["pixel_values_videos"].numpy()
    metadata = result["video_metadata"][0]
    indices = [int(i) for i in metadata.frames_indices]

    class Words:
        """What the reference's text needs of a processor."""
        video_processor, video_token = processor, "<|video_pad|>"
        vision_start_token, vision_end_token = "<|vision_start|>", "<|vision_end|>"
        _calculate_timestamps = Qwen3VLProcessor._calculate_timestamps

    text = Qwen3VLProcessor.replace_video_token(Words(), result, 0)
    values = rows.reshape(len(rows), 3, -1)
    mean, std = (np.array(settings[key]).reshape(1, 3, 1) for key in ("image_mean", "image_std"))
    levels = np.rint((values * std + mean) * 255).astype(np.uint8).reshape(rows.shape)
    return {"indices": indices, "grid": result["video_grid_thw"][0].tolist(), "text": text,
            "checksum": fnv1a(rows.tobytes())}, levels


def fnv1a(data):
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def size_table():
    """Frames, height, width, min and max pixels, and cap of random clips with the size that each gets."""
    draw = random.Random(5)
    rows = []
    while len(rows) < 120:
        frames = draw.choice([2, 3, 4, 5, 7, 9, 13, 20, 46, 120, 513, 768])
        height, width = (int(2 ** draw.uniform(0, 12)) for _ in range(2))
        size = draw.choice([(4096, 25165824), (131072, 786432), (65536, 4000000)])
        processor = reference.Qwen3VLVideoProcessor(size={"shortest_edge": size[0], "longest_edge": size[1]})
        cap = draw.random() < 0.3
        most = size[1]
        if cap:
            share = min(processor.max_video_tokens * 1024, size[1] // frames)
            most = max(share, int(size[0] * 1.05)) * frames
        try:
            result = reference.smart_resize(frames, height, width, 2, 32, size[0], most)
        except ValueError:
            result = (0, 0)
        rows.append([frames, height, width, *size, int(cap), *result])
    return rows


def sample_table():
    """Frames, rate, sampled rate, and the checksum of the sampled indices as 32-bit integers."""
    draw = random.Random(6)
    rows = []
    for _ in range(120):
        frames = int(2 ** draw.uniform(0, 15))
        rate, fps = draw.choice([24.0, 25.0, 30.0, 30000 / 1001, 45000 / 1499, 59.94, 7.5]), draw.choice([0.5, 1, 2, 2.5, 8])
        metadata = VideoMetadata(total_num_frames=frames, fps=rate)
        indices = reference.Qwen3VLVideoProcessor().sample_frames(metadata, fps=fps)
        rows.append([frames, rate, fps, len(indices), fnv1a(np.asarray(indices, dtype=np.int32).tobytes())])
    return rows


def write_reader_files(folder):
    source = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=25")
    h264 = ("-c:v", "libx264", "-crf", 40, "-pix_fmt", "yuv420p", "-g", 40, "-bf", 3, "-x264-params", "scenecut=0:threads=1")
    run(*source, "-frames:v", 100, *h264, "-movflags", "+faststart", folder / "long.mp4")
    run("-i", folder / "long.mp4", "-c", "copy", "-metadata:s:v", "rotate=90", folder / "turned.mp4")
    run("-ss", 0.48, "-i", folder / "long.mp4", "-c", "copy", folder / "later.mp4")
    run("-i", folder / "long.mp4", "-c", "copy", folder / "long.ts")
    run(*source, "-frames:v", 60, "-c:v", "mpeg4", "-q:v", 20, "-bf", 2, "-g", 20, folder / "long.avi")
    run("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10", "-frames:v", 20, "-vf", "setpts='if(lt(N,10),N,N*3-20)'",
        "-fps_mode", "vfr", *h264, folder / "variable.mkv")
    run("-f", "lavfi", "-i", "sine=sample_rate=8000:duration=0.1", folder / "sound.wav")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_reader_files(folder)
    clips, levels = [], {}
    for name, source, count, height, width, rate, changes in FILES:
        path = folder / f"{name}.mkv"
        source += (":" if "=" in source else "=") + f"size={width}x{height}:rate={rate}"
        run("-f", "lavfi", "-i", source, "-frames:v", count, "-c:v", "libx264rgb", "-qp", 0, "-preset", "veryslow", "-g", 30, path)
        frames = decoded(path, height, width)
        assert len(frames) == count, (name, len(frames))
        settings = {**USUAL, **changes}
        result, levels[name] = processed(frames, rate_of(rate), settings)
        clips.append({"name": name, "file": path.name, "frames": count, "height": height, "width": width, "rate": rate,
                      "settings": settings, **result})
    for name, count, height, width, rate, changes in FORMULAS:
        settings = {**USUAL, **changes}
        result, levels[name] = processed(formula(count, height, width), rate_of(rate), settings)
        clips.append({"name": name, "frames": count, "height": height, "width": width, "rate": rate,
                      "settings": settings, **result})
    lines = ",\n".join("  " + json.dumps(clip) for clip in clips)
    tables = ",\n".join(f'"{name}": [\n' + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]"
                        for name, rows in (("sizes", size_table()), ("samples", sample_table())))
    (folder / "clips.json").write_text(f'{{"clips": [\n{lines}\n],\n{tables}\n}}\n', encoding="utf-8")
    save_file(levels, folder / "levels.safetensors")
    (folder / "levels.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
