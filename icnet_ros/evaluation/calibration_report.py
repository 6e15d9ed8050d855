"""Files and tables about the confidence of a network: what `icnet evaluate --calibration` writes."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from icnet_ros.metrics.calibration import Calibration

THRESHOLDS = (0, 100, 128, 153, 178, 204, 230, 242)  # of 255


def calibration_report(sources: Mapping[str, Calibration], names: Sequence[str]) -> dict[str, Any]:
    """Figures of all images, by source and by predicted class, for a JSON file; None where there is nothing to count.

    names: of the classes.
    """
    whole = _sum(sources)
    classes = {name: _figures(whole.of_class(index)) for index, name in enumerate(names)}
    return {
        "all": _figures(whole),
        "sources": {name: _figures(part) for name, part in sources.items()},
        "classes": {name: one for name, one in classes.items() if one["pixels"]},
    }


def _sum(sources: Mapping[str, Calibration]) -> Calibration:
    first, *others = sources.values()
    whole = Calibration(len(first.counts))
    for part in (first, *others):
        whole.add(part)
    return whole


def _figures(part: Calibration) -> dict[str, Any]:
    frames = sum(part.frames) / len(part.frames) if part.frames else None
    return {
        "pixels": part.pixels(),
        "ece": _number(part.expected_calibration_error()),
        "error_auroc": _number(part.error_auroc()),
        "frame_confidence": frames,
        "reliability": [one._asdict() for one in part.reliability()],
        "thresholds": [
            {name: _number(value) for name, value in one._asdict().items()} for one in part.thresholds(THRESHOLDS)
        ],
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def save(report: dict[str, Any], folder: Path) -> None:
    """Write calibration.json and the reliability diagram, calibration.png, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "calibration.json").write_text(json.dumps(report, indent=2) + "\n")
    draw(report, folder / "calibration.png")


def draw(report: dict[str, Any], file: Path) -> None:
    """Reliability diagram of each source, and what thresholds keep and remove."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.8), layout="constrained")
    reliability, thresholds = figure.subplots(1, 2)
    reliability.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfect")
    for name, one in report["sources"].items():
        if one["reliability"]:
            x = [row["confidence"] for row in one["reliability"]]
            y = [row["accuracy"] for row in one["reliability"]]
            label = f"{name or 'all images'}: ECE {one['ece']:.3f}"
            reliability.plot(x, y, marker="o", markersize=3, label=label)
            rows = one["thresholds"]
            at = [row["confidence"] / 255 for row in rows]
            (line,) = thresholds.plot(at, [row["errors_removed"] or 0 for row in rows], label=f"{name}: errors removed")
            kept = [row["correct_kept"] or 0 for row in rows]
            thresholds.plot(at, kept, color=line.get_color(), linestyle=":", label=f"{name}: correct kept")
    reliability.set(
        xlabel="confidence", ylabel="share of correct labels", xlim=(0, 1), ylim=(0, 1), title="Reliability"
    )
    thresholds.set(xlabel="threshold of confidence", xlim=(0, 1), ylim=(0, 1), title="Labels below a threshold removed")
    for axes in (reliability, thresholds):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(file, dpi=110)
