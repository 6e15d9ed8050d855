"""The report of a drive that a node labelled live."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.evaluation.answers import recording_selection
from icnet_ros.evaluation.confusion import ConfusionMatrix
from icnet_ros.evaluation.demo import Recording
from icnet_ros.evaluation.frames import Before, Note, Row
from icnet_ros.evaluation.kept import Kept
from icnet_ros.evaluation.outputs import Outputs, Pictures, write_outputs
from icnet_ros.evaluation.page import write_report
from icnet_ros.evaluation.replay import Progress, Replay, judge_or_note
from icnet_ros.evaluation.verdict import write_verdict
from icnet_ros.render import UInt8
from icnet_ros.wire.bag import bag_hash

PATIENCE = 60  # frames that may come before the ground truth of one is given up on
STAGES = ("decode", "preprocess", "inference", "postprocess")


def write_demo_report(
    recording: Recording, found: Replay, spec: ModelSpec, summary: Mapping[str, Any], out: Path, progress: Progress
) -> None:
    """OUT/report.json, report.html and frames.csv of a demo, as `icnet replay` writes them."""
    selection = recording_selection(recording)
    pictures = write_outputs(found, recording.bag, spec, out, selection, Outputs(answers=False, video=False), progress)
    found.fresh = 0  # nothing was labelled just now
    facts = {
        "bag": str(recording.bag),
        "bag_sha256": bag_hash(recording.bag),
        "checkpoint": Path(summary["checkpoint"]).stem,
        "trained": summary["trained"],
        "engine": summary["engine"],
        "exit": summary["exit"],
        "live": dict(summary["frames"]),
    }
    answer = write_verdict(found, spec.classes, facts, out)
    write_report(out / "report.html", recording.bag.name, answer, found.rows, spec.classes, pictures)


class LiveScore:
    """Scores label maps as they come, each once its ground truth is there too; whichever of them is first.

    found: what is known so far. scored: how many frames have ground truth.
    """

    def __init__(self, classes: ClassTable, out: Path, image: str, truth: str) -> None:
        """Label maps are kept in OUT/labels, as `icnet replay` does. image, truth: names of topics."""
        self._kept = Kept(out)
        self._kept.prepare("live", resume=False)
        self.found = Replay(image, truth, [], ConfusionMatrix(len(classes)))
        self._classes, self._out = classes, out
        self._truths: dict[int, UInt8] = {}
        self._waiting: dict[int, tuple[Row, UInt8, Before | None]] = {}
        self._before: Before | None = None
        self.scored = 0
        self._count = 0
        self._stages: dict[int, dict[str, float]] = {}

    @property
    def miou(self) -> float | None:
        """Over the frames that have ground truth so far."""
        return self.found.matrix.miou() if self.found.matrix else None

    def labels(self, stamp: int, arrived_ns: int, labels: UInt8) -> None:
        """A label map with the stamp of its image (ns); `labels` must stay as it is."""
        if labels.max() >= len(self._classes):
            self.found.notes.add(Note(f"label {labels.max()} is none of {len(self._classes)} classes", arrived_ns))
            return
        self._kept.write_labels(self._count, labels)
        if stamp in self._waiting:  # again, as when a bag is played in a loop
            self._judge(stamp, None)
        self._waiting[stamp] = Row(self._count, stamp, arrived_ns, 0), labels, self._before
        self._before = Before(self._count, labels)
        self._count += 1
        self._settle()

    def truth(self, stamp: int, labels: UInt8) -> None:
        """A ground truth."""
        self._truths[stamp] = labels
        while len(self._truths) > PATIENCE:
            del self._truths[next(iter(self._truths))]
        self._settle()

    def latency(self, stamp: int, stages: Mapping[str, float]) -> None:
        """What the stages of a frame took, ms."""
        self._stages[stamp] = {f"{name}_ms": stages[f"{name}_ms"] for name in STAGES}

    def _settle(self, *, patience: int = PATIENCE) -> None:
        for stamp in self._waiting.keys() & self._truths.keys():
            self._judge(stamp, self._truths.pop(stamp))
        while len(self._waiting) > patience:
            self._judge(next(iter(self._waiting)), None)

    def _judge(self, stamp: int, truth: UInt8 | None) -> None:
        row, labels, before = self._waiting.pop(stamp)
        row = judge_or_note(row, labels, before, truth, self.found, len(self._classes))
        self.scored += len(row.truth) > 0
        self.found.rows.append(row)

    def write(self, facts: dict[str, Any], title: str) -> dict[str, Any]:
        """OUT/report.json, report.html and frames.csv; the content of report.json."""
        self._settle(patience=0)
        in_order = sorted(self.found.rows, key=lambda row: row.number)
        times: dict[int, dict[str, Any]] = {**self._stages}
        rows = [replace(row, **times.get(row.stamp_ns, {})) for row in in_order]
        found = replace(self.found, rows=rows)
        if not self.scored:
            found.truth = found.matrix = None
        answer = write_verdict(found, self._classes, facts, self._out)
        write_report(self._out / "report.html", title, answer, rows, self._classes, Pictures())
        return answer
