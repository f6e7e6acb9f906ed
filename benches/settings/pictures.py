"""Pictures of several kinds, 512x512, in two sets: one to choose settings with, one kept apart.

Photographs are those that Python packages ship. A set holds no part of a picture of the other.
"""

import sys
from pathlib import Path

import matplotlib
import numpy
import skimage
import sklearn.datasets
from PIL import Image, ImageDraw, ImageFont

SIDE = 512
SKIMAGE = Path(skimage.__file__).parent / "data"
SKLEARN = Path(sklearn.datasets.__file__).parent / "images"
MATPLOTLIB = Path(matplotlib.__file__).parent / "mpl-data" / "sample_data"
TEXT = "A teacher posts an assignment with a prompt. The fleet makes the picture. " * 40
PHOTOGRAPHS = {
    "chosen with": ["astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "china.jpg", "ihc.png"],
    "kept apart": ["chelsea.png", "flower.jpg", "grace_hopper.jpg", "retina.jpg", "hubble_deep_field.jpg"],
}


def sets(painted):
    """{set: {kind: {name: picture}}}. `painted` are files of the development cloud's model."""
    gray = {"chosen with": ["camera.png", "brick.png", "gravel.png"], "kept apart": ["moon.png", "grass.png"]}
    result = {}
    for number, (name, files) in enumerate(PHOTOGRAPHS.items()):
        opened = {file: fit(Image.open(find(file))) for file in files}
        kinds = {
            "photographs": {file: noisy(picture, 4.0) for file, picture in opened.items()},
            "dark": {file: noisy(dark(opened[file]), 6.0) for file in files[1:3]},
            "noisy": {file: noisy(opened[file], 14.0) for file in files[2:4]},
            "textures": {file: fit(Image.open(find(file))) for file in gray[name]},
            "text": {f"text {size}": text(size, number) for size in (11, 17 + 6 * number)},
            "drawings": {f"drawing {seed}": drawing(10 * number + seed) for seed in range(3 - number)},
            "gradients": {f"gradient {seed}": gradient(10 * number + seed) for seed in range(2)},
            "painted": {path.stem: noisy(fit(Image.open(path)), 2.0) for path in painted[number::2]},
        }
        result[name] = {kind: pictures for kind, pictures in kinds.items() if pictures}
    return result


def find(file):
    return next(folder / file for folder in (SKIMAGE, SKLEARN, MATPLOTLIB) if (folder / file).exists())


def fit(picture, side=SIDE):
    """The middle, scaled so that the shorter side fits."""
    picture = picture.convert("RGB")
    scale = side / min(picture.size)
    size = [max(side, round(length * scale)) for length in picture.size]
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    left, top = [(length - side) // 2 for length in size]
    return picture.crop((left, top, left + side, top + side))


def noisy(picture, sigma):
    """With a sensor's noise, which grows with light."""
    pixels = numpy.asarray(picture).astype(float)
    random = numpy.random.default_rng(1)
    pixels += random.normal(0.0, 1.0, pixels.shape) * sigma * (0.6 + 0.8 * pixels / 255)
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def dark(picture):
    return picture.point([round(255 * (value / 255) ** 1.4 * 0.3) for value in range(256)] * 3)


def text(size, number):
    picture = Image.new("RGB", (SIDE, SIDE), ["white", "#fdf6e3"][number])
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(picture)
    per_line = int(1.9 * SIDE / size)
    lines = [TEXT[at : at + per_line] for at in range(0, len(TEXT), per_line)]
    draw.multiline_text((10, 10), "\n".join(lines), ["black", "#073642"][number], font)
    return picture


def drawing(seed):
    random = numpy.random.default_rng(seed)
    color = lambda: tuple(int(value) for value in random.integers(0, 256, 3))
    picture = Image.new("RGB", (SIDE, SIDE), color())
    draw = ImageDraw.Draw(picture)
    for _ in range(40):
        (x, y), (w, h) = random.integers(0, SIDE, 2), random.integers(8, 160, 2)
        shape = [draw.ellipse, draw.rectangle][random.integers(2)]
        shape([int(x), int(y), int(x + w), int(y + h)], fill=color(), outline="black", width=2)
    return picture


def gradient(seed):
    random = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[0:SIDE, 0:SIDE] / SIDE
    planes = [128 + 110 * numpy.sin(random.uniform(1, 4) * x + random.uniform(1, 4) * y + phase) for phase in random.uniform(0, 6, 3)]
    return Image.fromarray(numpy.stack(planes, -1).astype("uint8"))


def main():
    """Writes the photographs at 1024x1024, with the noise that `benches/compare` adds, for its `--photos`."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for file in PHOTOGRAPHS["chosen with"] + PHOTOGRAPHS["kept apart"]:
        noisy(fit(Image.open(find(file)), 1024), 4.0).save(folder / f"{Path(file).stem}.png")


if __name__ == "__main__":
    main()
