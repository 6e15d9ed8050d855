"""The accuracy ablations of the paper (tables 1 to 3, figure 5), at any budget on any dataset."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from matplotlib.figure import Figure

from icnet_ros.checkpoint.file import load
from icnet_ros.dataset.base import Dataset
from icnet_ros.documents import parse_json
from icnet_ros.evaluation.evaluate import evaluate
from icnet_ros.files import read_text, write_text
from icnet_ros.metrics.confusion import ConfusionMatrix
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.loop import Progress, Trainer
from icnet_ros.training.pruning.progressive import prune_progressively
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.start import FROM_SCRATCH, Start


@dataclass(frozen=True)
class Run:
    """A training with changes to the recipe, or a pruning of run `parent` to `keep` times its width."""

    changes: dict[str, Any] = field(default_factory=dict)
    parent: str = ""
    keep: float = 1.0


@dataclass(frozen=True)
class Row:
    """A row of an ablation table: an exit of a run, and the mIoU in the paper, percent.

    Deltas are relative to the first row of the group. scale: of the input, relative to the recipe's input_scale.
    """

    group: str
    name: str
    run: str
    paper: float
    exit: str = "sub124"
    scale: float = 1.0


ICNET = {"architecture": "icnet", "fusion": "cff"}
PSPNET = {"architecture": "pspnet50", "output_stride": 8}
RUNS = {
    "icnet": Run(ICNET),
    "icnet-deconv3": Run({**ICNET, "fusion": "deconv3"}),
    "icnet-deconv5": Run({**ICNET, "fusion": "deconv5"}),
    "icnet-deconv7": Run({**ICNET, "fusion": "deconv7"}),
    "icnet-unguided": Run({**ICNET, "loss_weights": (0.0, 0.0, 1.0)}),
    "pspnet50": Run(PSPNET),
    "pspnet50-stride16": Run({**PSPNET, "output_stride": 16}),
    "pspnet50-stride32": Run({**PSPNET, "output_stride": 32}),
    "pspnet50-keep0.5": Run(PSPNET, "pspnet50", 0.5),
    "pspnet50-keep0.25": Run(PSPNET, "pspnet50-keep0.5", 0.5),
}
ROWS = (
    Row("branches", "sub4", "icnet", 59.6, exit="sub4"),
    Row("branches", "sub24", "icnet", 66.5, exit="sub24"),
    Row("branches", "sub124", "icnet", 67.7),
    Row("fusion", "CFF", "icnet", 67.7),
    Row("fusion", "deconvolution 3x3", "icnet-deconv3", 66.7),
    Row("fusion", "deconvolution 5x5", "icnet-deconv5", 66.7),
    Row("fusion", "deconvolution 7x7", "icnet-deconv7", 68.0),
    Row("guidance", "with label guidance", "icnet", 67.7),
    Row("guidance", "without", "icnet-unguided", 66.8),
    Row("keep", "PSPNet50 whole", "pspnet50", 71.7, exit="main"),
    Row("keep", "half of its filters", "pspnet50-keep0.5", 67.9, exit="main"),
    Row("keep", "a quarter", "pspnet50-keep0.25", 59.4, exit="main"),
    Row("stride", "PSPNet50 at 1/8", "pspnet50", 71.7, exit="main"),
    Row("stride", "1/16", "pspnet50-stride16", 70.2, exit="main"),
    Row("stride", "1/32", "pspnet50-stride32", 67.1, exit="main"),
    Row("scale", "PSPNet50, whole image", "pspnet50", 71.7, exit="main"),
    Row("scale", "half size", "pspnet50", 68.4, exit="main", scale=0.5),
    Row("scale", "quarter size", "pspnet50", 60.7, exit="main", scale=0.25),
)
GROUPS = tuple(dict.fromkeys(row.group for row in ROWS))


@dataclass(frozen=True)
class AblationConfig:
    """Settings of all runs. baseline_width: width of PSPNet50 before pruning; 1 in the paper."""

    recipe: Recipe
    data: Dataset
    validation: Dataset
    out: Path
    fabric: Fabric
    baseline_width: float = 1.0
    start: Start = FROM_SCRATCH


def ablate(setting: AblationConfig, groups: Sequence[str], progress: Progress) -> list[dict[str, Any]]:
    """Train the runs of the groups and evaluate every row; resumes after an interruption.

    Rows are {group, name, run, miou, delta, paper_miou, paper_delta}: mIoU in percent on the validation
    split, delta to the first row of the group. Writes OUT/ablation.json and OUT/ablation.png, which keep the rows of
    earlier calls with the same settings. Raises RecipeError for an unknown group and a recipe without label guidance.
    """
    if unknown := [group for group in groups if group not in GROUPS]:
        raise RecipeError(f"no ablation {unknown[0]!r}; there are {', '.join(GROUPS)}")
    if not all(setting.recipe.loss_weights):
        raise RecipeError("a recipe for ablations has label guidance: three loss_weights above 0")
    rows = [row for row in ROWS if row.group in groups]
    checkpoints = {row.run: _trained(row.run, setting, progress) for row in rows}

    @cache  # rows share runs, and one evaluation covers every exit
    def measured(run: str, scale: float) -> dict[str, ConfusionMatrix]:
        checkpoint = load(checkpoints[run])
        spec = replace(checkpoint.spec, input_scale=checkpoint.spec.input_scale * scale)
        device = str(setting.fabric.device)
        return evaluate(replace(checkpoint, spec=spec), setting.validation, lambda *_: None, device=device)

    measured_rows: list[dict[str, Any]] = []
    for row in rows:
        miou = 100 * (measured(row.run, row.scale)[row.exit].miou() or 0.0)
        baseline = next((other for other in measured_rows if other["group"] == row.group), None)
        measured_rows.append(
            {
                "group": row.group,
                "name": row.name,
                "run": row.run,
                "miou": miou,
                "delta": miou - baseline["miou"] if baseline else 0.0,
                "paper_miou": row.paper,
                "paper_delta": row.paper - baseline["paper_miou"] if baseline else 0.0,
            }
        )
    if setting.fabric.global_rank == 0:
        _write(setting, measured_rows)
    return measured_rows


def _write(setting: AblationConfig, measured_rows: Sequence[dict[str, Any]]) -> None:
    """Write ablation.json and ablation.png, with the rows of other groups that the folder has of the same settings."""
    data = {"name": setting.data.name, "images": len(setting.data), "validation_images": len(setting.validation)}
    settings = {
        "recipe": setting.recipe.to_dict(),
        "baseline_width": setting.baseline_width,
        "data": data,
        "start": setting.start.origin,
    }
    settings = json.loads(json.dumps(settings))  # lists in place of tuples
    setting.out.mkdir(parents=True, exist_ok=True)
    path = setting.out / "ablation.json"
    earlier = parse_json(read_text(path), str(path)) if path.exists() else {}
    same = all(earlier.get(name) == value for name, value in settings.items())
    rows = {(row["group"], row["name"]): row for row in [*(earlier["rows"] if same else []), *measured_rows]}
    ordered = [rows[row.group, row.name] for row in ROWS if (row.group, row.name) in rows]
    write_text(path, json.dumps({**settings, "rows": ordered}, indent=2) + "\n")
    draw_ablation(ordered, setting.out / "ablation.png")


def draw_ablation(measured_rows: Sequence[dict[str, Any]], picture: Path) -> None:
    """Draw the measured deltas beside the paper's as a bar chart, PNG."""
    rows = [row for row in measured_rows if row["delta"] or row["paper_delta"]]
    figure = Figure(figsize=(9, 1.2 + 0.5 * len(rows)), layout="constrained")
    panel = figure.subplots()
    places = range(len(rows))
    panel.barh([place - 0.2 for place in places], [row["delta"] for row in rows], 0.38, label="measured")
    panel.barh(
        [place + 0.2 for place in places], [row["paper_delta"] for row in rows], 0.38, label="paper (Cityscapes)"
    )
    panel.set_yticks(list(places), [f"{row['group']}: {row['name']}" for row in rows])
    panel.invert_yaxis()
    panel.axvline(0, color="black", linewidth=0.8)
    panel.set_xlabel("mIoU difference to the first row of the group, percentage points")
    panel.legend()
    figure.savefig(picture, dpi=120)


def _trained(name: str, setting: AblationConfig, progress: Progress) -> Path:
    """Path of the checkpoint of a run; trains the run, and its parent first, if needed."""
    run, out = RUNS[name], setting.out / name
    recipe = replace(setting.recipe, **run.changes)
    if recipe.architecture == "pspnet50":
        recipe = replace(recipe, width=setting.baseline_width)

    def report(message: str, done: int, total: int) -> None:
        progress(f"{name}: {message}", done, total)

    data = setting.data, setting.validation
    if run.parent:
        parent = load(_trained(run.parent, setting, progress))
        widths = [parent.spec.width * run.keep]
        return prune_progressively(parent, widths, recipe, *data, out, setting.fabric, report).checkpoint
    out.mkdir(parents=True, exist_ok=True)
    Trainer(recipe, *data, out, setting.fabric, setting.start).run(report)
    return out / "best.safetensors"
