"""docs/images/learning_curve.png: mIoU over the number of labelled images, measured on drawn photographs of a yard.

    python scripts/learning_curve.py models/icnet_street.safetensors -o docs/images/learning_curve.png

Each point is a training of the recipe `finetune` at a smaller size, from the same checkpoint, scored on 20 other
images. The images are drawn (path, grass, crates, shadows, changing light): the shape of the curve is what carries over
to other data, not its height.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import yaml
from matplotlib.figure import Figure

CLASSES = {"grass": (107, 142, 35), "path": (128, 64, 128), "crate": (220, 20, 60), "sky": (70, 130, 180)}
COUNTS, SEEDS, VALIDATION = (5, 10, 20, 40), (0,), 20
HEIGHT, WIDTH = 96, 128
RECIPE = {
    "base": "finetune", "iterations": 60, "crop": [96, 128], "scale": [0.8, 1.4], "warm_up": 6, "validate_every": 60,
    "validate_images": 0, "patience": 0,
}  # fmt: skip


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A drawn photograph, BGR uint8 (H, W, 3), and its class ids (H, W)."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    horizon = int(HEIGHT * rng.uniform(0.25, 0.45))
    labels[:horizon] = 3
    near, far = rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.7)
    half = rng.uniform(0.15, 0.35)
    path = [(far - 0.04, horizon / HEIGHT), (far + 0.04, horizon / HEIGHT), (near + half, 1), (near - half, 1)]
    cv2.fillPoly(labels, [(np.array(path) * (WIDTH, HEIGHT)).astype(np.int32)], 1)
    for _ in range(rng.integers(1, 4)):
        depth = rng.uniform(0.2, 1)
        x, y, size = rng.uniform(0, WIDTH), horizon + depth * (HEIGHT - horizon) * 0.8, 6 + 20 * depth
        box = np.array([x, y - size, x + size * rng.uniform(0.7, 1.3), y]).astype(int)
        cv2.rectangle(labels, tuple(box[:2].tolist()), tuple(box[2:].tolist()), 2, cv2.FILLED)
    base = np.array([(60, 120, 90), (120, 130, 140), (70, 100, 160), (200, 180, 170)], float)
    image = (base + rng.normal(0, 18, base.shape))[labels]
    for scale, strength in ((2, 14), (6, 14), (24, 20)):  # surfaces, unevenly lit
        coarse = rng.normal(0, strength, (HEIGHT // scale + 2, WIDTH // scale + 2, 1)) * np.ones(3)
        image += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    shadow = rng.uniform(0.45, 0.8) if rng.random() < 0.7 else 1.0
    left = int(rng.uniform(0, WIDTH * 0.7))
    image[horizon:, left : left + int(rng.uniform(20, 80))] *= shadow
    return np.clip(image * rng.uniform(0.7, 1.25), 0, 255).astype(np.uint8), labels


def dataset(folder: Path, count: int, seed: int) -> Path:
    """A dataset.yaml of `count` training images and VALIDATION others, which are the same for all counts."""
    for split, number, start in (("train", count, 1000 * (seed + 1)), ("val", VALIDATION, 0)):
        for index in range(number):
            image, labels = draw(np.random.default_rng(start + index))
            for kind, pixels in (("images", image), ("labels", labels)):
                (folder / split / kind).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / split / kind / f"{index:03d}.png"), pixels)
    table = {"classes": [{"name": name, "colour": list(colour)} for name, colour in CLASSES.items()]}
    splits = {split: [{"images": f"{split}/images", "labels": f"{split}/labels"}] for split in ("train", "val")}
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"classes": table, "splits": splits}))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return folder


def score(checkpoint: Path, count: int, seed: int) -> tuple[float, float]:
    """Mean IoU after a training on so many images, and its minutes."""
    with tempfile.TemporaryDirectory() as place:
        folder = dataset(Path(place), count, seed)
        words = ["--data", folder / "dataset.yaml", "--recipe", folder / "recipe.yaml", "--init", checkpoint]
        started = time.monotonic()
        icnet("train", *words, "--seed", seed, "-o", folder / "run")
        minutes = (time.monotonic() - started) / 60
        best = folder / "run" / "best.safetensors"
        icnet("evaluate", "--data", folder / "dataset.yaml", "--model", best, "--json", folder / "score.json")
        return float(json.loads((folder / "score.json").read_text())["miou"]), minutes


def icnet(*words: object) -> None:
    """Run a command of icnet."""
    subprocess.run([sys.executable, "-m", "icnet_ros.command.main", *map(str, words)], check=True, capture_output=True)


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-o", type=Path, required=True)
    parser.add_argument("--recipe", default="finetune", help="finetune or finetune_frozen")
    parser.add_argument("--iterations", type=int, default=60)
    given = parser.parse_args()
    RECIPE.update(base=given.recipe, iterations=given.iterations, validate_every=given.iterations)
    points = []
    for count in COUNTS:
        for seed in SEEDS:
            miou, minutes = score(given.checkpoint, count, seed)
            points.append((count, miou))
            print(f"{count} images, seed {seed}: mIoU {miou:.3f}, {minutes:.1f} min", flush=True)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    means = [np.mean([miou for count, miou in points if count == one]) for one in COUNTS]
    axes.plot(COUNTS, means, "-", color="tab:blue")
    axes.plot(*zip(*points, strict=True), "o", color="tab:blue", markersize=4)
    axes.set(
        xscale="log", xticks=COUNTS, xticklabels=COUNTS, xlabel="labelled images", ylabel="mIoU on 20 other images"
    )
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.set_title(f"Drawn yard, {RECIPE['iterations']} iterations of 4 crops from {given.checkpoint.stem}")
    figure.savefig(given.o, dpi=120)


if __name__ == "__main__":
    main()
