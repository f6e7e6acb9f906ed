"""Compares Atelier's image path with Pillow and sharp: PNG bytes in, WebP bytes out, on one core.

Every program works as its users run it (quality 85, method 4, which is the default of both) and once
more with Atelier's method. All three are warm: each lives in one process for all pictures and makes
each picture twice before it is timed. Prints a Markdown table: processor time of the thread that
works, bytes, and SSIMULACRA2, PSNR and SSIM against the original, which for larger pictures is scaled
down by Lanczos3 first.
"""

import argparse
import io
import json
import math
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy
import ssimulacra2
from PIL import Image
from skimage.metrics import structural_similarity

HERE = Path(__file__).resolve().parent
LONGEST = 1024
QUALITY = 85
PROMPTS = [
    "mountains by a lake at sunset",
    "a meadow with flowers in spring",
    "a city at night",
    "a snowy forest",
]
# Standard deviation of a small camera's noise in the middle tones, of 255, at 1024 pixels a side. With
# twice the pixels a side, each gets a quarter of the light, and the noise doubles.
SENSOR_NOISE = 4.0
# Runs of each program and picture that are not timed.
WARM_UP = 2


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--encode", type=Path, required=True, help="the example `encode` of atelier-optimize, built in release")
    arguments.add_argument("--paint", type=Path, help="the example `paint` of atelier-painter, which makes the pictures")
    arguments.add_argument("--photos", type=Path, help="a folder of your own PNG files instead")
    arguments.add_argument("--rounds", type=int, default=15, help="runs a picture and program (default 15)")
    options = arguments.parse_args()
    if (options.paint is None) == (options.photos is None):
        arguments.error("give either --paint or --photos")

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    programs = {
        "Atelier (method 2, its default)": lambda png: atelier(options.encode, png, 2),
        "Pillow (as its users run it: method 4)": lambda png: pillow(png, 4),
        "sharp (as its users run it: effort 4)": lambda png: sharp(png, 4),
        "Atelier, method 4": lambda png: atelier(options.encode, png, 4),
        "Pillow, method 2": lambda png: pillow(png, 2),
        "sharp, effort 2": lambda png: sharp(png, 2),
    }
    with tempfile.TemporaryDirectory() as folder:
        for title, photos in pictures(options, Path(folder)).items():
            print_table(title, measure(programs, photos, options.rounds))


def pictures(options, folder):
    """PNG files by size, all written by the same encoder with its defaults."""
    if options.photos:
        found = sorted(options.photos.glob("*.png"))
        return {f"{len(found)} photos of {options.photos}": [recode(path, folder) for path in found]}
    sizes = {}
    for side in (1024, 2048):
        sizes[f"{side}x{side}"] = []
        for index, prompt in enumerate(PROMPTS):
            path = folder / f"painted-{side}-{index}.png"
            subprocess.run([options.paint, prompt, path, str(side)], check=True, stdout=subprocess.DEVNULL)
            sizes[f"{side}x{side}"].append(recode(path, folder, SENSOR_NOISE * side / 1024))
    return sizes


def recode(path, folder, noise=0.0):
    """The picture written by Pillow, with noise that grows with light as photons' does."""
    pixels = numpy.asarray(Image.open(path).convert("RGB")).astype(float)
    random = numpy.random.default_rng(1)
    pixels += random.normal(0.0, 1.0, pixels.shape) * noise * (0.6 + 0.8 * pixels / 255)
    target = folder / f"{path.stem}-recoded.png"
    Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(target)
    return target


def measure(programs, photos, rounds):
    """For each program: median milliseconds, then means of bytes, SSIMULACRA2, PSNR and SSIM."""
    results = {name: [] for name in programs}
    for path in photos:
        reference = Image.open(path).convert("RGB")
        reference.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        times = {name: [] for name in programs}
        made = {}
        # Round by round, so that a busy moment of the machine strikes all alike.
        for number in range(WARM_UP + rounds):
            for name, program in programs.items():
                milliseconds, made[name] = program(path)
                if number >= WARM_UP:
                    times[name].append(milliseconds)
        for name in programs:
            results[name].append((statistics.median(times[name]), len(made[name]), *scores(reference, made[name])))
    return {name: [statistics.mean(column) for column in zip(*rows)] for name, rows in results.items()}


def scores(reference, webp):
    """SSIMULACRA2, PSNR in dB, and SSIM."""
    seen = Image.open(io.BytesIO(webp)).convert("RGB")
    one, other = numpy.asarray(reference).astype(float), numpy.asarray(seen).astype(float)
    psnr = 10 * math.log10(255**2 / max(1e-9, ((one - other) ** 2).mean()))
    ssim = structural_similarity(one, other, channel_axis=2, data_range=255)
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/reference.png", f"{folder}/made.png"]
        reference.save(paths[0], compress_level=1)
        seen.save(paths[1], compress_level=1)
        return ssimulacra2.compute_ssimulacra2(*paths), psnr, ssim


def print_table(title, results):
    pillow_time, pillow_bytes, pillow_score, *_ = results["Pillow (as its users run it: method 4)"]
    sharp_time = results["sharp (as its users run it: effort 4)"][0]
    print(f"\n{title}\n")
    print("| | CPU ms a picture | of Pillow's | of sharp's | bytes | to Pillow's | SSIMULACRA2 | to Pillow's | PSNR | SSIM |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, (milliseconds, size, quality, psnr, ssim) in results.items():
        print(
            f"| {name} | {milliseconds:.1f} | {milliseconds / pillow_time:.2f}x | {milliseconds / sharp_time:.2f}x "
            f"| {size:,.0f} | {(size / pillow_bytes - 1) * 100:+.1f}% | {quality:.2f} | {quality - pillow_score:+.2f} "
            f"| {psnr:.2f} | {ssim:.4f} |"
        )


_running = {}


def ask(command, order):
    """One process serves all rounds. It answers an order with the milliseconds that it took."""
    if command not in _running:
        _running[command] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process = _running[command]
    print(order, file=process.stdin, flush=True)
    return float(process.stdout.readline())


def atelier(encode, png, method):
    with tempfile.NamedTemporaryFile(suffix=".webp") as target:
        milliseconds = ask((encode, "--orders"), f"{method}\t{png}\t{target.name}")
        return milliseconds, Path(target.name).read_bytes()


def pillow(png, method):
    png = png.read_bytes()
    start = time.thread_time()
    image = Image.open(io.BytesIO(png))
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    made = io.BytesIO()
    image.save(made, "WEBP", quality=QUALITY, method=method)
    return (time.thread_time() - start) * 1000, made.getvalue()


def sharp(png, effort):
    with tempfile.NamedTemporaryFile(suffix=".webp") as target:
        order = {"input": str(png), "output": target.name, "effort": effort, "quality": QUALITY, "longest": LONGEST}
        milliseconds = ask(("node", HERE / "sharp.mjs"), json.dumps(order))
        return milliseconds, Path(target.name).read_bytes()


if __name__ == "__main__":
    main()
