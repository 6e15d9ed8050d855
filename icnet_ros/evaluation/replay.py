"""A recorded drive through an engine: every frame once, in order, kept as it goes."""

import csv
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.engine.base import STAGES, Engine, Frame
from icnet_ros.evaluation.confusion import ConfusionMatrix
from icnet_ros.evaluation.report import by_class, percentiles
from icnet_ros.render import UInt8
from icnet_ros.wire.bag import Bag, BagWriter, Message, Topic, open_bag
from icnet_ros.wire.cdr import IMAGE, WireError
from icnet_ros.wire.image import Picture, decode_compressed, decode_image, decode_labels, encode_image, stamp_ns

LABELS_TOPIC = "/icnet/labels"
JOURNAL = "frames.jsonl"  # every row as soon as it is known


@dataclass(frozen=True)
class Selection:
    """Which frames of a bag, and what is their ground truth. Empty topics: found by type and name.

    start, end: seconds after the first message. stride: every so many frames. limit: at most so many, 0
    = all. tolerance: seconds by which the stamp of a ground truth may differ from that of its image.
    """

    image_topic: str = ""
    truth_topic: str = ""
    start: float = 0.0
    end: float = float("inf")
    stride: int = 1
    limit: int = 0
    tolerance: float = 0.0


@dataclass(frozen=True)
class Row:
    """One frame of frames.csv. Figures of a frame that could not be decoded, or has no truth, are NaN.

    crc: of the message; a row counts for its own message only. confidence: mean over the pixels, 0..1.
    changed: share of the pixels that the frame before labelled otherwise. problem: why there are no
    labels, "" if there are.
    """

    number: int
    stamp_ns: int
    recorded_ns: int
    crc: int
    confidence: float = float("nan")
    changed: float = float("nan")
    pixel_accuracy: float = float("nan")
    miou: float = float("nan")
    decode_ms: float = float("nan")
    preprocess_ms: float = float("nan")
    inference_ms: float = float("nan")
    postprocess_ms: float = float("nan")
    problem: str = ""


@dataclass
class Replay:
    """What a replay found. coverage: pixels by class. matrix: None without ground truth. damage: why the
    bag could not be read to its end, "" if it was. done: False if it was interrupted.
    """

    image: Topic
    truth: Topic | None
    rows: list[Row]
    coverage: np.ndarray[Any, np.dtype[np.int64]]
    matrix: ConfusionMatrix | None
    damage: str = ""
    done: bool = True


def replay(
    path: Path, engine: Engine, out: Path, selection: Selection, progress: Callable[[int, int], None], identity: str
) -> Replay:
    """Label the frames of a bag; leaves OUT/frames.csv, OUT/labels/*.png and the bag OUT/answers.

    Labels that a run with the same `identity` left in OUT are taken as they are, so that one that was killed
    is resumed by starting it again. Ctrl-C ends it early with what there is. Raises WireError for a bag that
    cannot be opened.
    """
    (out / "labels").mkdir(parents=True, exist_ok=True)
    kept = _kept_rows(out, identity)
    with open_bag(path) as bag:
        image, truth = bag.image_topic(selection.image_topic), bag.truth_topic(selection.truth_topic)
        classes = len(engine.spec.classes)
        found = Replay(image, truth, [], np.zeros(256, np.int64), ConfusionMatrix(classes) if truth else None)
        truths = _Truths(bag, truth, selection.tolerance)
        answers = _fresh_bag(out / "answers")
        before: UInt8 | None = None
        with (out / "labels" / JOURNAL).open("a") as journal:
            try:
                for number, message in enumerate(_selected(bag, image, selection)):
                    row, labels, picture = _frame(number, message, image, engine, out, kept)
                    if labels is not None and picture is not None:
                        row = _judged(row, labels, before, truths.of(row.stamp_ns), found)
                        answers.write(LABELS_TOPIC, encode_image(picture.header, labels, "mono8"), message.recorded_ns)
                        before = labels
                    found.rows.append(row)
                    journal.write(json.dumps(asdict(row)) + "\n")
                    journal.flush()  # a killed run is resumed from here
                    progress(number + 1, selection.limit or image.messages // selection.stride)
            except KeyboardInterrupt:
                found.done = False
            except WireError as err:
                found.damage = str(err)
            finally:
                answers.close()
    with (out / "frames.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Row)])
        table.writeheader()
        table.writerows(asdict(row) for row in found.rows)
    return found


def _selected(bag: Bag, image: Topic, selection: Selection) -> Iterator[Message]:
    first: int | None = None

    def inside() -> Iterator[Message]:
        nonlocal first
        for message in bag.messages(image.name):
            first = message.recorded_ns if first is None else first
            if selection.start <= (message.recorded_ns - first) / 1e9 <= selection.end:
                yield message

    return islice(inside(), 0, selection.limit * selection.stride or None, selection.stride)


def _frame(
    number: int, message: Message, image: Topic, engine: Engine, out: Path, kept: dict[int, Row]
) -> tuple[Row, UInt8 | None, Picture | None]:
    crc = zlib.crc32(message.data)
    started = perf_counter()
    try:
        picture = (decode_compressed if image.compressed else decode_image)(message.data)
    except WireError as err:
        return Row(number, 0, message.recorded_ns, crc, problem=str(err)), None, None
    decode_ms = 1000 * (perf_counter() - started)
    file = out / "labels" / f"{number:06d}.png"
    row = kept.get(number)
    if row is not None and row.crc == crc and (labels := _read_labels(file, picture)) is not None:
        return row, labels, picture
    answer = engine.segment([Frame(picture.pixels, picture.order)], confidence=True)[0]
    temporary = file.with_suffix(".partial.png")
    cv2.imwrite(str(temporary), answer.labels)
    temporary.replace(file)
    sure = float("nan") if answer.confidence is None else float(answer.confidence.mean() / 255)
    stages: dict[str, Any] = {f"{stage}_ms": round(answer.stages[stage], 3) for stage in STAGES}
    stamp = stamp_ns(picture.header)
    row = Row(number, stamp, message.recorded_ns, crc, round(sure, 5), decode_ms=round(decode_ms, 3), **stages)
    return row, answer.labels, picture


def _judged(row: Row, labels: UInt8, before: UInt8 | None, truth: UInt8 | None, found: Replay) -> Row:
    figures: dict[str, Any] = {}
    found.coverage += np.bincount(labels.reshape(-1), minlength=256)
    if before is not None and before.shape == labels.shape:
        figures["changed"] = float((before != labels).mean())
    if truth is not None and found.matrix is not None:
        alone = ConfusionMatrix(len(found.matrix.counts))
        alone.update(truth, labels)
        found.matrix.counts += alone.counts
        for name, value in (("pixel_accuracy", alone.pixel_accuracy()), ("miou", alone.miou())):
            figures[name] = float("nan") if value is None else value
    return replace(row, **{name: round(value, 6) for name, value in figures.items()})


class _Truths:
    """Ground truth by stamp: the equal one, else the nearest within the tolerance."""

    def __init__(self, bag: Bag, topic: Topic | None, tolerance: float) -> None:
        self._tolerance = round(1e9 * tolerance)
        self._messages = bag.messages(topic.name) if topic else iter(())
        self._near: dict[int, UInt8] = {}
        self._newest = -1

    def of(self, stamp: int) -> UInt8 | None:
        """Stamps are asked for in the order of the bag."""
        while self._newest <= stamp + self._tolerance and (message := next(self._messages, None)) is not None:
            header, truth = decode_labels(message.data)
            self._newest = stamp_ns(header)
            self._near[self._newest] = truth
        self._near = {time: truth for time, truth in self._near.items() if time >= stamp - self._tolerance}
        if not self._near:
            return None
        nearest = min(self._near, key=lambda time: abs(time - stamp))
        return self._near[nearest] if abs(nearest - stamp) <= self._tolerance else None


def _kept_rows(out: Path, identity: str) -> dict[int, Row]:
    mark, journal = out / "labels" / "made_with.json", out / "labels" / JOURNAL
    if not mark.exists() or json.loads(mark.read_text()) != identity:
        mark.write_text(json.dumps(identity) + "\n")
        journal.unlink(missing_ok=True)
    rows: dict[int, Row] = {}
    for line in journal.read_text().splitlines() if journal.exists() else ():
        try:
            row = Row(**json.loads(line))
        except (TypeError, ValueError):  # the line at which a run was killed
            continue
        rows[row.number] = row
    return rows


def _read_labels(file: Path, picture: Picture) -> UInt8 | None:
    labels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.exists() else None
    return labels if labels is not None and labels.shape == picture.pixels.shape[:2] else None  # type: ignore[return-value]


def _fresh_bag(folder: Path) -> BagWriter:
    for name in (f"{folder.name}.mcap", "metadata.yaml"):
        (folder / name).unlink(missing_ok=True)
    if folder.exists():
        folder.rmdir()
    return BagWriter(folder, [(LABELS_TOPIC, IMAGE)])


def bag_hash(path: Path) -> str:
    """Of all files of a bag, in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as content:
                while chunk := content.read(1 << 20):
                    digest.update(chunk)
    return digest.hexdigest()


def report(found: Replay, classes: ClassTable, facts: dict[str, Any]) -> dict[str, Any]:
    """The content of report.json; facts: of the bag, the checkpoint and the engine."""
    labelled = [row for row in found.rows if not row.problem]
    pixels = int(found.coverage.sum())
    matrix = found.matrix
    return {
        "schema_version": 1,
        **facts,
        "image_topic": found.image.name,
        "truth_topic": found.truth.name if found.truth else None,
        "complete": found.done and not found.damage,
        "damage": found.damage,
        "frames": {"read": len(found.rows), "labelled": len(labelled), "failed": len(found.rows) - len(labelled)},
        "miou": matrix.miou() if matrix else None,
        "pixel_accuracy": matrix.pixel_accuracy() if matrix else None,
        "per_class": by_class(matrix, classes) if matrix else None,
        "confusion": matrix.counts.tolist() if matrix else None,
        "coverage": {name: int(found.coverage[k]) / pixels if pixels else 0.0 for k, name in enumerate(classes.names)},
        "confidence": percentiles([row.confidence for row in labelled]),
        "changed": percentiles([row.changed for row in labelled]),
        "least_confident": [row.number for row in sorted(labelled, key=lambda row: row.confidence)[:10]],
        "latency_ms": {
            stage: percentiles([getattr(row, f"{stage}_ms") for row in labelled]) for stage in ("decode", *STAGES)
        },
    }
