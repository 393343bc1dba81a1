#!/usr/bin/env python3
"""Makes the golden images: small files of real formats, and what Pillow and transformers make of them.

Run it in an environment with requirements.txt:  make_images.py make OUT_DIR
Compare every value, not only those that are stored:  make_images.py check LOOK_PROGRAM OUT_DIR

OUT_DIR/results.json is a list of

    file                      name beside it
    min_pixels, max_pixels    the budget of the resize
    height, width, pixels     after ImageOps.exif_transpose and convert("RGB"); FNV-1a (32 bits) of the bytes
    resized, resized_pixels   [height, width] and FNV-1a of Pillow's bicubic resize to it
    rows                      FNV-1a of the patch rows (float32) made of the resized bytes
    grid                      of the image processor of transformers (torchvision)
    levels                    hexadecimal: bytes of that processor's rows at every place  i * STRIDE % count

`check` runs the program on each image and compares its rows with both references.
"""

import argparse
import io
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
from PIL import Image, ImageOps

PATCH, MERGE, FRAMES, FACTOR = 16, 2, 2, 32
SAMPLES, STRIDE = 384, 7919
RELEASED = (65536, 16777216)
SMALL = (1024, 20000)


def fnv(data):
    value = 2166136261
    for byte in bytes(data):
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def scene(height, width, seed, channels=3):
    """Waves, bars and some noise: smooth and sharp parts in every channel."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    picture = np.zeros((height, width, channels))
    for c in range(channels):
        a, b, p = rng.uniform(0.01, 0.15, 3)
        picture[..., c] = 128 + 90 * np.sin(a * x + p) * np.cos(b * y) + 20 * np.sin(0.6 * (x + y))
    for _ in range(6):
        top, left = rng.integers(0, height), rng.integers(0, width)
        picture[top:top + max(1, height // 5), left:left + max(1, width // 6)] = rng.uniform(0, 255, channels)
    picture += rng.normal(0, 3, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def picture(height, width, seed):
    return Image.fromarray(scene(height, width, seed))


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(png, kind, data):
    """The chunk stands before the end of a PNG."""
    return png[:-12] + png_chunk(kind, data) + png[-12:]


def png_16(values, colour, interlaced=False):
    """A PNG of 16 bits a value, which Pillow writes for grey alone; interlaced by Adam7 if asked."""
    height, width = values.shape[:2]
    steps = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    raw = b""
    for top, left, down, right in steps if interlaced else [(0, 0, 1, 1)]:
        part = values[top::down, left::right]
        if part.size:
            raw += b"".join(b"\0" + row.astype(">u2").tobytes() for row in part)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(raw, 9))
            + png_chunk(b"IEND", b""))


def bmp(width, height, bits, pixels, compression=0, extra=b""):
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 2835, 2835, 0, 0) + extra
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(pixels), 0, 0, 14 + len(header)) + header + pixels


def bmp_16(height, width, seed, masks=None):
    """A negative height: rows from top to bottom."""
    values = np.random.default_rng(seed).integers(0, 65536, (abs(height), width)).astype("<u2")
    pad = b"\0" * (width * 2 % 4)
    extra = struct.pack("<III", *masks) if masks else b""
    rows = b"".join(row.tobytes() + pad for row in values)
    return bmp(width, height, 16, rows, 3 if masks else 0, extra)


def bmp_runs(height, width, seed):
    """RLE8: literal runs and repeated ones, with an own palette."""
    rng = np.random.default_rng(seed)
    palette = b"".join(bytes(rng.integers(0, 256, 3).tolist()) + b"\0" for _ in range(256))
    out = b""
    for _ in range(height):
        left = width
        while left:
            count = int(min(left, rng.integers(3, 20)))
            if count < 3 or rng.integers(0, 2):  # shorter literals would be other codes
                out += bytes([count, int(rng.integers(0, 256))])
            else:
                out += bytes([0, count]) + rng.integers(0, 256, count).astype(np.uint8).tobytes() + b"\0" * (count % 2)
            left -= count
        out += b"\0\0"
    return bmp(width, height, 8, out + b"\0\1", 1, palette)


def gif_on_a_screen(transparent):
    """The first frame stands inside a larger screen."""
    data = bytearray(saved(picture(40, 50, 51).quantize(32), "GIF", **({"transparency": 3} if transparent else {})))
    struct.pack_into("<HH", data, 6, 71, 64)
    at = data.index(b",", 13 + 3 * 32)
    while data[at + 9] not in (0, 64) or struct.unpack_from("<HH", data, at + 5) != (50, 40):
        at = data.index(b",", at + 1)
    struct.pack_into("<HH", data, at + 1, 9, 13)
    return bytes(data)


def plain(kind, values, largest, line=12, between=b" "):
    """Netpbm's text, with a comment in the header and one among the pixels."""
    words = [str(int(value)).encode() for value in values.reshape(-1)]
    lines = [between.join(words[at:at + line]) for at in range(0, len(words), line)]
    height, width = values.shape[:2]
    return b"%s\n# drawn\n%d %d\n%s\n%s\n # half\n%s\n" % (kind, width, height, largest, b"\n".join(lines[:5]), b"\n".join(lines[5:]))


def files():
    """(name, bytes, budget)"""
    jpeg = lambda image, **options: saved(image, "JPEG", **{"quality": 85, **options})
    yield "photo_420.jpg", jpeg(picture(251, 333, 1)), RELEASED
    yield "photo_422.jpg", jpeg(picture(333, 250, 2), subsampling=1), SMALL
    yield "photo_444.jpg", jpeg(picture(177, 419, 3), subsampling=0, quality=92), SMALL
    yield "photo_411.jpg", jpeg(picture(101, 203, 4), subsampling="4:1:1"), RELEASED
    yield "progressive.jpg", jpeg(picture(229, 317, 5), progressive=True), SMALL
    yield "restarts.jpg", jpeg(picture(203, 150, 6), restart_marker_rows=1), SMALL
    yield "grey.jpg", jpeg(picture(190, 141, 7).convert("L")), RELEASED
    yield "inks.jpg", jpeg(Image.fromarray(scene(150, 167, 8, 4), "CMYK")), SMALL
    yield "rgb.jpg", jpeg(picture(87, 103, 9), keep_rgb=True), RELEASED
    yield "large.jpg", jpeg(picture(1203, 1597, 10), quality=40), (65536, 600000)
    yield "one_pixel.jpg", jpeg(picture(1, 1, 11)), RELEASED
    yield "wide.jpg", jpeg(picture(8, 1600, 12)), RELEASED
    yield "tall.jpg", jpeg(picture(1501, 9, 13)), SMALL
    for orientation in range(2, 9):
        yield f"turned_{orientation}.jpg", jpeg(picture(43, 61, 20 + orientation), exif=exif(orientation)), SMALL
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    yield "turned_xmp.jpg", jpeg(picture(50, 70, 30), xmp=xmp), SMALL
    png = lambda image, **options: saved(image, "PNG", **options)
    yield "rgb.png", png(picture(97, 131, 31)), RELEASED
    yield "alpha.png", png(Image.fromarray(scene(75, 90, 32, 4), "RGBA")), SMALL
    yield "grey.png", png(picture(64, 64, 33).convert("L")), SMALL
    yield "grey_alpha.png", png(Image.fromarray(scene(61, 80, 34, 2), "LA")), SMALL
    yield "bits.png", png(picture(70, 99, 35).convert("1")), SMALL
    yield "palette.png", png(picture(120, 90, 36).quantize(200), transparency=7), SMALL
    yield "palette_4.png", png(picture(101, 77, 37).quantize(11), bits=4), SMALL
    deep = scene(45, 67, 38).astype(np.uint16) * 257 ^ 0x5A
    yield "grey_16.png", png_16(deep[..., 0] >> 7, 0), SMALL
    yield "rgb_16.png", png_16(deep, 2), SMALL
    yield "interlaced.png", png_16(deep[:41, :53], 2, interlaced=True), SMALL
    yield "turned.png", png(picture(40, 60, 39), exif=exif(8)), SMALL
    text = b"\nexif\n%8d\n%s\n" % (len(exif(6)), b"\n".join(exif(6).hex().encode()[i:i + 72] for i in range(0, 2 * len(exif(6)), 72)))
    key = b"Raw profile type exif\0"
    yield "profile.png", with_chunk(png(picture(30, 46, 68)), b"tEXt", key + text), SMALL
    yield "profile_deflated.png", with_chunk(png(picture(30, 46, 69)), b"zTXt", key + b"\0" + zlib.compress(text)), SMALL
    webp = lambda image, **options: saved(image, "WEBP", **options)
    yield "lossy.webp", webp(picture(211, 307, 40), quality=80), RELEASED
    yield "lossless.webp", webp(picture(60, 83, 41), lossless=True), SMALL
    yield "alpha.webp", webp(Image.fromarray(scene(99, 120, 42, 4), "RGBA"), quality=70), SMALL
    yield "animated.webp", webp(picture(90, 70, 43), save_all=True, append_images=[picture(90, 70, 44)]), SMALL
    hidden = bytearray(webp(picture(35, 48, 70), exif=exif(6)))
    hidden[20] &= ~8  # the flag of EXIF
    yield "unannounced.webp", bytes(hidden), SMALL
    yield "turned.webp", webp(picture(55, 88, 45), exif=exif(6)), SMALL
    gif = lambda image, **options: saved(image, "GIF", **options)
    yield "interlaced.gif", gif(picture(83, 119, 46).quantize(64)), RELEASED
    yield "animated.gif", gif(picture(60, 60, 47).quantize(32), save_all=True, transparency=5,
                              append_images=[picture(60, 60, 48).quantize(32)]), SMALL
    yield "grey.gif", gif(picture(50, 61, 49).convert("L"), interlace=0), SMALL
    yield "screen.gif", gif_on_a_screen(False), SMALL
    yield "screen_transparent.gif", gif_on_a_screen(True), SMALL
    yield "colours.bmp", saved(picture(51, 77, 50), "BMP"), RELEASED
    yield "palette.bmp", saved(picture(45, 63, 52).quantize(100), "BMP"), SMALL
    yield "bits.bmp", saved(picture(40, 75, 53).convert("1"), "BMP"), SMALL
    yield "alpha.bmp", saved(Image.fromarray(scene(33, 47, 54, 4), "RGBA"), "BMP"), SMALL
    yield "bits_555.bmp", bmp_16(39, 43, 55), SMALL
    yield "bits_565.bmp", bmp_16(-41, 37, 56, (0xF800, 0x7E0, 0x1F)), SMALL
    yield "runs.bmp", bmp_runs(48, 59, 57), SMALL
    yield "colours.ppm", saved(picture(37, 41, 58), "PPM"), SMALL
    yield "grey.pgm", saved(picture(33, 52, 59).convert("L"), "PPM"), SMALL
    yield "deep.ppm", b"P6 29 31 1000\n" + (scene(31, 29, 60).astype(np.uint16) * 3).astype(">u2").tobytes(), SMALL
    yield "deep.pgm", b"P5 35 30 65535\n" + (scene(30, 35, 61)[..., 0].astype(np.uint16) * 2).astype(">u2").tobytes(), SMALL
    for grey in (False, True):
        name, colours = ("short_grey", bytes([0] * 3 + [1] * 3 + [2] * 3 + [3] * 3)) if grey else ("short", bytes(range(150, 162)))
        indices = Image.fromarray(scene(20, 24, 71)[..., 0] % 9)
        indices.putpalette(bytes(range(256)) * 3)
        png = bytearray(saved(indices, "PNG", bits=8))
        at = png.index(b"PLTE") - 4
        png[at:at + 12 + 768] = png_chunk(b"PLTE", colours)
        yield f"{name}.png", bytes(png), SMALL
        gif = bytearray(saved(indices, "GIF", optimize=False))
        gif[10] = 0xF1  # four colours
        gif[13:13 + 768] = colours
        yield f"{name}.gif", bytes(gif), SMALL
        palette = b"".join(colours[i:i + 3] + b"\0" for i in range(0, 12, 3))
        bitmap = bytearray(bmp(24, 20, 8, np.asarray(indices)[::-1].tobytes(), extra=palette))
        bitmap[46] = 4
        yield f"{name}.bmp", bytes(bitmap), SMALL
    yield "bits.pbm", saved(picture(29, 43, 62).convert("1"), "PPM"), SMALL
    yield "plain_bits.pbm", plain(b"P1", np.asarray(picture(30, 41, 63).convert("1")) ^ 1, b"", 60, b""), SMALL
    yield "plain_grey.pgm", plain(b"P2", scene(31, 37, 64)[..., 0], b"255"), SMALL
    yield "plain_deep.pgm", plain(b"P2", scene(23, 31, 65)[..., 0].astype(int) * 4, b"1000"), SMALL
    yield "plain_levels.ppm", plain(b"P3", scene(19, 27, 66) // 8, b"31", 7), SMALL
    yield "plain_deep.ppm", plain(b"P3", scene(17, 21, 67).astype(int) * 257, b"65535"), SMALL


def smart_resize(height, width, budget):
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize as reference

    return reference(height, width, factor=FACTOR, min_pixels=budget[0], max_pixels=budget[1])


def patch_rows(pixels):
    """Rows ordered by merge window, values by channel, time, y, x; the reference's axes."""
    height, width = pixels.shape[:2]
    values = (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)
    parts = values.reshape(height // FACTOR, MERGE, PATCH, width // FACTOR, MERGE, PATCH, 3)
    rows = parts.transpose(0, 3, 1, 4, 6, 2, 5)[:, :, :, :, :, None].repeat(FRAMES, axis=5)
    return np.ascontiguousarray(rows).reshape(-1, 3 * FRAMES * PATCH * PATCH)


def references(data, budget):
    """The image as RGB, resized by Pillow, and the processor's grid and rows."""
    from transformers import Qwen2VLImageProcessor

    rgb = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    height, width = smart_resize(rgb.height, rgb.width, budget)
    resized = rgb.resize((width, height), Image.Resampling.BICUBIC)
    processor = Qwen2VLImageProcessor(
        patch_size=PATCH, merge_size=MERGE, temporal_patch_size=FRAMES, image_mean=[0.5] * 3, image_std=[0.5] * 3,
        size={"shortest_edge": budget[0], "longest_edge": budget[1]})
    plain = Image.fromarray(np.asarray(rgb))  # without a note of the transparent colour, which is dropped as alpha is
    out = processor(images=[plain], return_tensors="pt")
    return rgb, resized, out["image_grid_thw"][0].tolist(), out["pixel_values"].numpy()


def levels_of(rows):
    return np.clip(np.rint(rows.astype(np.float64) * 127.5 + 127.5), 0, 255).astype(np.uint8)


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for name, data, budget in files():
        (folder / name).write_bytes(data)
        rgb, resized, grid, rows = references(data, budget)
        levels = levels_of(rows).reshape(-1)
        places = np.arange(SAMPLES) * STRIDE % levels.size
        results.append({
            "file": name, "min_pixels": budget[0], "max_pixels": budget[1],
            "height": rgb.height, "width": rgb.width, "pixels": fnv(rgb.tobytes()),
            "resized": [resized.height, resized.width], "resized_pixels": fnv(resized.tobytes()),
            "rows": fnv(patch_rows(np.asarray(resized)).tobytes()), "grid": grid, "levels": bytes(levels[places]).hex()})
    lines = ",\n".join(json.dumps(result) for result in results)
    (folder / "results.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{len(results)} images, {total} bytes")


def check(program, folder):
    from safetensors.numpy import load_file

    failures, least = 0, 1.0
    for result in json.loads((folder / "results.json").read_text(encoding="utf-8")):
        budget = (result["min_pixels"], result["max_pixels"])
        _, resized, grid, theirs = references((folder / result["file"]).read_bytes(), budget)
        with tempfile.TemporaryDirectory() as name:
            place = pathlib.Path(name)
            settings = {"size": {"shortest_edge": budget[0], "longest_edge": budget[1]}, "patch_size": PATCH,
                        "temporal_patch_size": FRAMES, "merge_size": MERGE, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
            (place / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
            subprocess.run([program, place, folder / result["file"], "--rows", place / "rows.safetensors"], check=True,
                           stdout=subprocess.DEVNULL)
            ours = load_file(place / "rows.safetensors")
        equal = bool((ours["pixel_values"] == patch_rows(np.asarray(resized))).all())
        difference = np.abs(levels_of(ours["pixel_values"]).astype(int) - levels_of(theirs).astype(int))
        share = float((difference <= 1).mean())
        same_grid = ours["grid_thw"].reshape(-1).tolist() == grid
        least = min(least, share)
        failures += not (equal and same_grid and share >= 0.99)
        print(f"{result['file']:24} grid {grid} {'equal' if same_grid else 'DIFFERS'}, Pillow "
              f"{'equal' if equal else 'DIFFERS'}, torchvision within 1 level {100 * share:.3f} %, most {difference.max()}")
    print(f"{failures} failures, least share {100 * least:.3f} %")
    return failures > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("folder", type=pathlib.Path)
    checking = commands.add_parser("check")
    checking.add_argument("program")
    checking.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.command == "make":
        make(arguments.folder)
    else:
        sys.exit(check(arguments.program, arguments.folder))


if __name__ == "__main__":
    main()
