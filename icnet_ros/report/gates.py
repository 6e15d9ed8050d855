"""Conditions under which a report fails: `miou<0.60`, `p95_ms>80`, `iou:car<0.5`."""

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from icnet_ros.report.document import Report
from icnet_ros.report.errors import GateError

SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
FORM = re.compile(r"\s*([a-z_0-9]+(?::.+?)?)\s*(<=|>=|<|>)\s*([-+]?\d*\.?\d+(?:e[-+]?\d+)?)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Gate:
    """A condition on a figure, e.g. miou < 0.6; the gate fails if it holds."""

    name: str
    sign: str
    limit: float

    @classmethod
    def parse(cls, text: str, known: Iterable[str]) -> "Gate":
        """Read a condition on one of the figures `known`. Raises GateError."""
        found = FORM.fullmatch(text)
        if found is None:
            raise GateError(f"--fail-if {text!r} is not of the form 'miou<0.60'")
        name, sign, limit = found.groups()
        if name not in (names := list(known)):
            raise GateError(f"--fail-if {text!r}: no figure {name!r}; there are {', '.join(names)}")
        return cls(name, sign, float(limit))

    def fails(self, figures: Mapping[str, float | None]) -> str:
        """Why it fails, "" if it does not. A figure without a value, as mIoU without ground truth, fails."""
        value = figures[self.name]
        if value is None:
            scored = self.name.removeprefix("delta_").startswith(("miou", "pixel_accuracy", "iou:"))
            hint = "is there ground truth?" if scored else "labels of an earlier run were used again: see --no-resume"
            return f"{self.name} has no value ({hint})"
        return f"{self.name} is {value:.4f}: {self.sign} {self.limit:g}" if SIGNS[self.sign](value, self.limit) else ""


def failures(gates: Sequence[Gate], figures: Mapping[str, float | None]) -> list[str]:
    """Reasons of the gates that fail."""
    return [reason for gate in gates if (reason := gate.fails(figures))]


def names(classes: Iterable[str]) -> list[str]:
    """Names of all figures of a report with these classes."""
    return [*SCALAR_FIGURES, *(f"iou:{name}" for name in classes)]


SCALAR_FIGURES = (
    "miou",
    "pixel_accuracy",
    "confidence",
    "changed_pixels",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "fps",
    "labelled",
    "failed",
)


def figures(report: Report) -> dict[str, float | None]:
    """Figures of a report by name. ms: engine latency. confidence, changed_pixels: means over the frames."""
    engine = report["latency_ms"]["engine"] or {}
    values: dict[str, float | None] = {
        "miou": report["miou"],
        "pixel_accuracy": report["pixel_accuracy"],
        "confidence": (report["confidence"] or {}).get("mean"),
        "changed_pixels": (report["changed_pixels"] or {}).get("mean"),
        **{f"{p}_ms": engine.get(p) for p in ("p50", "p95", "p99")},
        "fps": report["throughput_fps"],
        "labelled": report["frames"]["labelled"],
        "failed": report["frames"]["failed"],
    }
    classes = [entry["name"] for entry in report["class_table"]["classes"]]
    per_class = report["per_class"] or dict.fromkeys(classes)
    return values | {f"iou:{name}": per_class[name] for name in classes}
