"""The form of report.json. `python -m icnet_ros.report.document` prints its JSON schema, which is shipped beside this.

Its keys are explained in docs/replay.md.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, cast

from icnet_ros.replay.metadata import Percentiles, RunMetadata
from icnet_ros.report.schema import check, schema_of

SCHEMA = Path(__file__).parent / "report.schema.json"


class ClassEntry(TypedDict):
    """A class and its colour, RGB."""

    name: str
    colour: list[int]


class Classes(TypedDict):
    """A class table, see `ClassTable.to_dict`."""

    name: str
    ignore: int
    classes: list[ClassEntry]


class _Frames(TypedDict):
    read: int
    labelled: int
    failed: int
    scored: int


class FrameCounts(_Frames, total=False):
    """read = labelled + failed. scored: frames with ground truth. damaged: labelled though a part is missing."""

    damaged: int


class ListedFrame(TypedDict, total=False):
    """A frame among those with the lowest figure, which it names. drive: if there are several."""

    drive: str
    number: int
    stamp_ns: int
    confidence: float
    miou: float


class ListedDrive(TypedDict):
    """A drive of several. folder: of its report, None if it has none. error: "" if it is complete.

    read, labelled: numbers of frames. errors: why frames have no labels, and how many.
    """

    drive: str
    folder: str | None
    read: int
    labelled: int
    errors: list[str]
    miou: float | None
    error: str


class Figures(TypedDict):
    """What every report has. Lists and mappings by class are in the order of the class table, None without values."""

    schema_version: int
    versions: dict[str, str]
    class_table: Classes
    image_topic: str
    ground_truth: str | None
    complete: bool
    corruption: str
    warnings: dict[str, int]
    errors: list[str]
    frames: FrameCounts
    miou: float | None
    pixel_accuracy: float | None
    per_class: dict[str, float | None] | None
    confusion: list[list[int]] | None
    confusion_unlabelled: list[int] | None
    coverage: dict[str, float]
    flicker: dict[str, float | None]
    confidence: Percentiles | None
    changed_pixels: Percentiles | None
    least_confident: list[ListedFrame]
    worst: list[ListedFrame]
    latency_ms: dict[str, Percentiles | None]
    throughput_fps: float | None


class Combined(TypedDict, total=False):
    """What only the report of several drives has."""

    drives: list[ListedDrive]


class DriveReport(Figures, RunMetadata):
    """The report of one drive, or what that of several has in common with it."""


class Report(DriveReport, Combined):
    """Content of report.json."""


def check_report(report: Mapping[str, object]) -> Report:
    """The report of one drive. Raises ValueError that names the first entry that is missing or of the wrong type."""
    if isinstance(report.get("bag"), list):
        raise ValueError("it is of several drives: name the folder of one of them")  # noqa: TRY004  caught by callers
    if report.get("bag_sha256", "") is None:
        raise ValueError("it names no bag: start the evaluation node with bag:=")
    for name in ("bag", "bag_sha256"):
        if name not in report:
            raise ValueError(f"it has no entry {name!r}")
    check(report, Report)
    known = cast("Report", report)
    if min(known["frames"]["read"], known["frames"]["labelled"], known["frames"]["failed"]) < 0:
        raise ValueError(f"frames is {known['frames']}, not counts")
    if "engine" not in known["latency_ms"]:
        raise ValueError("it has no entry 'latency_ms.engine'")
    for entry in known["class_table"]["classes"]:
        if known["per_class"] is not None and entry["name"] not in known["per_class"]:
            raise ValueError(f"it has no entry {'per_class.' + entry['name']!r}")
    return known


if __name__ == "__main__":
    print(json.dumps(schema_of(Report), indent=2))
