"""Which of libwebp's settings serve pictures of many kinds: bytes and quality of each against Pillow's
defaults, on pictures that settings were chosen with and on others that were kept apart.

Prints a Markdown table for each set of pictures, and one by kind for the first setting.
"""

import argparse
import io
import math
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy
import ssimulacra2
from PIL import Image
from skimage.metrics import structural_similarity

import pictures

# quality, method, sns_strength, filter_strength, segments, partitions, photo
STOCK = ("stock, method 2", [85, 2, 50, 60, 4, 0, 0])
SETTINGS = [
    ("Atelier's", [85, 2, 48, 80, 4, 2, 1]),
    STOCK,
    ("stock choices, sns 48, filter 80", [85, 2, 48, 80, 4, 2, 0]),
    ("sns 50, filter 60 (libwebp's defaults)", [85, 2, 50, 60, 4, 2, 1]),
    ("sns 35, filter 80", [85, 2, 35, 80, 4, 2, 1]),
    ("sns 60, filter 100", [85, 2, 60, 100, 4, 2, 1]),
]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--encode", type=Path, required=True, help="the example `settings` of atelier-webp, built in release")
    arguments.add_argument("--paint", type=Path, help="the example `paint` of atelier-painter: adds painted pictures")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, kinds in pictures.sets(painted(options.paint, folder)).items():
            measured = [
                (kind, measure(options.encode, picture, folder))
                for kind, group in kinds.items()
                for picture in group.values()
            ]
            print_table(name, measured)
            print_kinds(measured)


def painted(paint, folder):
    if paint is None:
        return []
    prompts = ["mountains by a lake", "a meadow in spring", "a city at night", "a snowy forest", "the solar system", "a fox"]
    paths = [folder / f"{prompt}.png" for prompt in prompts]
    for prompt, path in zip(prompts, paths):
        subprocess.run([paint, prompt, path, "512"], check=True, stdout=subprocess.DEVNULL)
    return paths


def measure(encode, picture, folder):
    """[(bytes, SSIMULACRA2, PSNR, SSIM)] of Pillow's default, then of each setting."""
    source, target = folder / "source.ppm", folder / "made.webp"
    picture.save(source)
    by_pillow = io.BytesIO()
    picture.save(by_pillow, "WEBP", quality=85)
    made = [by_pillow.getvalue()]
    for _, values in SETTINGS:
        subprocess.run([encode, source, target, *map(str, values), "1"], check=True, stdout=subprocess.DEVNULL)
        made.append(target.read_bytes())
    return [(len(file), *quality(picture, file, folder)) for file in made]


def quality(picture, file, folder):
    seen = Image.open(io.BytesIO(file)).convert("RGB")
    one, other = numpy.asarray(picture).astype(float), numpy.asarray(seen).astype(float)
    psnr = 10 * math.log10(255**2 / max(1e-9, ((one - other) ** 2).mean()))
    ssim = structural_similarity(one, other, channel_axis=2, data_range=255)
    paths = [str(folder / name) for name in ("reference.png", "seen.png")]
    picture.save(paths[0], compress_level=1)
    seen.save(paths[1], compress_level=1)
    return ssimulacra2.compute_ssimulacra2(*paths), psnr, ssim


def summary(measured, at):
    """Against Pillow: bytes (geometric mean) and SSIMULACRA2; against the stock encoder: PSNR, SSIM."""
    stock = 1 + SETTINGS.index(STOCK)
    ratio = math.exp(statistics.mean(math.log(rows[at][0] / rows[0][0]) for _, rows in measured))
    score = statistics.mean(rows[at][1] - rows[0][1] for _, rows in measured)
    psnr = statistics.mean(rows[at][2] - rows[stock][2] for _, rows in measured)
    ssim = statistics.mean(rows[at][3] - rows[stock][3] for _, rows in measured)
    return f"{(ratio - 1) * 100:+.1f}% | {score:+.2f} | {psnr:+.2f} dB | {ssim:+.4f}"


HEAD = "bytes to Pillow's | SSIMULACRA2 to Pillow's | PSNR to stock method 2 | SSIM to stock method 2"


def print_table(name, measured):
    print(f"\n{len(measured)} pictures, {name}\n\n| | {HEAD} |\n|---|---|---|---|---|")
    for at, (setting, _) in enumerate(SETTINGS, start=1):
        print(f"| {setting} | {summary(measured, at)} |", flush=True)


def print_kinds(measured):
    print(f"\n| {SETTINGS[0][0]}, by kind | {HEAD} |\n|---|---|---|---|---|")
    for kind in dict.fromkeys(kind for kind, _ in measured):
        group = [row for row in measured if row[0] == kind]
        print(f"| {kind} ({len(group)}) | {summary(group, 1)} |", flush=True)


if __name__ == "__main__":
    main()
