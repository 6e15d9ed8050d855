"""A recorded drive through an engine: every frame once, in order, kept as it goes."""

import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.engine.base import STAGES, Engine, Frame, LabelMap
from icnet_ros.evaluation.confusion import ConfusionMatrix
from icnet_ros.evaluation.frames import Row, judge
from icnet_ros.evaluation.truth import FolderTruth, Mapped, TopicTruth, Truth, read_mapping
from icnet_ros.render import UInt8
from icnet_ros.wire.bag import Bag, open_bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.image import Picture, decode_compressed, decode_image, stamp_ns
from icnet_ros.wire.storage import Message, Topic

JOURNAL = "frames*.jsonl"  # every row as soon as it is known; one file for each part
MARK = "made_with.json"
Labeller = Callable[[Picture], LabelMap]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Selection:
    """Which frames of a bag, and what is their ground truth. Empty topics: found by type and name.

    truth_folder: label images instead of a topic, see FolderTruth. mapping: file for truth of another label
    set. start, end: seconds after the first image. stride: every so many frames. limit: at most so many, 0 =
    all. tolerance: seconds by which the stamp of a ground truth may differ from that of its image.
    """

    image_topic: str = ""
    truth_topic: str = ""
    truth_folder: str = ""
    mapping: str = ""
    start: float = 0.0
    end: float = float("inf")
    stride: int = 1
    limit: int = 0
    tolerance: float = 0.0


@dataclass
class Replay:
    """What a replay found. image: topic. truth: topic or folder, None without ground truth, as is `matrix` then.

    notes: how often something of the ground truth could not be used. damage: why the bag could not be read
    to its end, "" if it was. done: False if it was interrupted. fresh, seconds: frames that were labelled
    now, not kept from an earlier run, and what that took; without the first, which waits for the engine.
    """

    image: str
    truth: str | None
    rows: list[Row]
    matrix: ConfusionMatrix | None
    notes: Counter[str] = field(default_factory=Counter)
    damage: str = ""
    done: bool = True
    fresh: int = 0
    seconds: float = 0.0


def by_engine(engine: Engine) -> Labeller:
    """Label pictures with an engine, as the node does: warm when the first frame of a size comes."""
    warm: set[tuple[int, ...]] = set()

    def label(picture: Picture) -> LabelMap:
        height, width = picture.pixels.shape[:2]
        if (height, width) not in warm:
            engine.warm_up(height, width)
            warm.add((height, width))
        return engine.segment([Frame(picture.pixels, picture.order)], confidence=True)[0]

    return label


def prepare(out: Path, identity: str, *, resume: bool = True) -> None:
    """Make OUT/labels ready: what a run with the same `identity` left there stays and is taken as it is.

    Raises WireError if it holds files that no replay wrote.
    """
    folder, mark = out / "labels", out / "labels" / MARK
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise WireError(f"{out}: cannot be written to: {err.strerror}; choose another folder for --out") from err
    for path in folder.glob("*.partial.png"):  # of a run that was killed
        path.unlink()
    if mark.exists():
        try:
            same = json.loads(mark.read_text()) == identity
        except ValueError:  # killed while it wrote this
            same = False
        if resume and same:
            return
    elif any(folder.iterdir()):
        raise WireError(f"{folder} holds files that no replay wrote; choose another folder for --out")
    for path in (*folder.glob("*.png"), *folder.glob(JOURNAL), *(out / "confidence").glob("*.png")):
        path.unlink()
    mark.write_text(json.dumps(identity) + "\n")


def replay(
    path: Path,
    label: Labeller,
    classes: ClassTable,
    out: Path,
    selection: Selection,
    progress: Progress,
    *,
    part: range | None = None,
    confidence: bool = False,
) -> Replay:
    """Label the frames of a bag into OUT/labels/*.png, and OUT/confidence/*.png if asked for; see `prepare`.

    Labels that are there already are judged again, not made again, so that a run that was killed is resumed
    by starting it again. part: only frames whose number is in it. Ctrl-C ends it early with what there is.
    Raises WireError for a bag that cannot be opened, TruthError, EngineError.
    """
    (out / "labels").mkdir(parents=True, exist_ok=True)
    if confidence:
        (out / "confidence").mkdir(exist_ok=True)
    # Opened twice, for images and ground truth are read on two threads.
    with open_bag(path) as bag, open_bag(path) as truth_bag:
        image = bag.image_topic(selection.image_topic)
        source = _Labels(image, label, out, confidence)
        found = Replay(image.name, None, [], None)
        truths = None
        if (opened := open_truth(truth_bag, image, classes, selection, found.notes)) is not None:
            found.truth, truths = opened
            found.matrix = ConfusionMatrix(len(classes))
        before: UInt8 | None = None
        count = expected(image, selection, part)
        started, fresh = perf_counter(), 0
        with source.journal(part).open("a") as journal:

            def keep(number: int, row: Row, answer: LabelMap | None, *, lead: bool) -> None:
                nonlocal before
                if answer is not None and number not in source.kept:
                    source.write(number, answer)
                if not lead:
                    if answer is not None:
                        truth = truths.of(number, row.stamp_ns) if truths else None
                        row = judge_or_note(row, answer.labels, before, truth, found, len(classes))
                    found.rows.append(row)
                    journal.write(json.dumps(asdict(row)) + "\n")
                    journal.flush()  # a killed run is resumed from here
                    progress(len(found.rows), count)
                before = before if answer is None else answer.labels

            try:
                with _Beside() as beside:
                    for lead, number, message in _selected(bag, image, selection, part):
                        row, answer = source.of(number, message)
                        beside.do(keep, number, row, answer, lead=lead)
                        if not fresh:
                            started, fresh = perf_counter(), source.fresh
            except KeyboardInterrupt:
                found.done = False
            except WireError as err:
                found.damage = str(err)
        found.fresh, found.seconds = source.fresh - fresh, perf_counter() - started
    return found


def merged(parts: Sequence[Replay]) -> Replay:
    """Of consecutive parts of a drive, or of several drives, what one run over all would have found."""
    matrices = [part.matrix for part in parts if part.matrix is not None]
    matrix = None
    if matrices:
        matrix = ConfusionMatrix(len(matrices[0].counts))
        matrix.counts += sum(one.counts for one in matrices)
    return Replay(
        image=_one_of([part.image for part in parts]),
        truth=_one_of([part.truth for part in parts if part.truth]) or None,
        rows=[row for part in parts for row in part.rows],
        matrix=matrix,
        notes=sum((part.notes for part in parts), Counter()),
        damage=next((part.damage for part in parts if part.damage), ""),
        done=all(part.done for part in parts),
        fresh=sum(part.fresh for part in parts),
        seconds=sum(part.seconds for part in parts),
    )


def _one_of(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def selected(bag: Bag, image: Topic, selection: Selection) -> Iterator[tuple[int, Message]]:
    """Images that were asked for, each with its number on the topic."""
    first: int | None = None

    def inside() -> Iterator[tuple[int, Message]]:
        nonlocal first
        for number, message in enumerate(bag.messages(image.name)):
            first = message.recorded_ns if first is None else first
            if selection.start <= (message.recorded_ns - first) / 1e9 <= selection.end:
                yield number, message

    return islice(inside(), 0, selection.limit * selection.stride or None, selection.stride)


def expected(image: Topic, selection: Selection, part: range | None = None) -> int:
    """About how many frames that is."""
    inside = image.messages if part is None else min(len(part), image.messages - part.start)
    count = -(-inside // selection.stride)
    return min(count, selection.limit) if selection.limit else count


def _selected(bag: Bag, image: Topic, selection: Selection, part: range | None) -> Iterator[tuple[bool, int, Message]]:
    """Those of a part after the one before it, which is marked: only what changed is measured by it."""
    lead: tuple[int, Message] | None = None
    for number, message in selected(bag, image, selection):
        if part is not None and number >= part.stop:
            return
        if part is not None and number < part.start:
            lead = number, message
            continue
        if lead is not None:
            yield True, *lead
            lead = None
        yield False, number, message


class _Beside:
    """One thing is done on another thread while this one goes on: a frame is judged while the engine has the next."""

    def __enter__(self) -> "_Beside":  # noqa: PYI034  Self is of Python 3.11
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None
        return self

    def do(self, work: Callable[..., None], *arguments: Any, **options: Any) -> None:
        """Do it once what was asked for before is done. Raises what that raised."""
        if self._last is not None:
            self._last.result()
        self._last = self._thread.submit(work, *arguments, **options)

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        if self._last is not None:
            self._last.result()


class _Labels:
    """Rows and label maps of frames: kept ones if they belong to the same message, else new ones."""

    def __init__(self, image: Topic, label: Labeller, out: Path, confidence: bool) -> None:
        self._decode = decode_compressed if image.compressed else decode_image
        self._label, self._out, self._confidence = label, out, confidence
        self._rows = _kept_rows(out)
        self.kept: set[int] = set()  # whose label maps are there already
        self.fresh = 0

    def journal(self, part: range | None) -> Path:
        return self._out / "labels" / JOURNAL.replace("*", f".{part.start}" if part else "")

    def of(self, number: int, message: Message) -> tuple[Row, LabelMap | None]:
        crc = zlib.crc32(message.data)
        row = self._rows.get(number)
        if row is not None and row.crc == crc:
            labels = _read_labels(label_file(self._out, number))
            if row.problem:
                return row, None
            if labels is not None and labels.size == sum(row.pixels):
                self.kept.add(number)
                return row, LabelMap(labels)
        started = perf_counter()
        row = Row(number, 0, message.recorded_ns, crc)
        try:
            picture = self._decode(message.data)
            row = replace(row, stamp_ns=stamp_ns(picture.header))
            decode_ms = 1000 * (perf_counter() - started)
            answer = self._label(picture)
        except ValueError as err:  # WireError, or a frame that is too small
            return replace(row, problem=str(err)), None
        self.fresh += 1
        figures: dict[str, Any] = {f"{stage}_ms": round(answer.stages[stage], 3) for stage in STAGES if answer.stages}
        if answer.confidence is not None:
            figures["confidence"] = round(float(cv2.mean(answer.confidence)[0]) / 255, 5)
        return replace(row, decode_ms=round(decode_ms, 3), **figures), answer

    def write(self, number: int, answer: LabelMap) -> None:
        _write(label_file(self._out, number), answer.labels)
        if self._confidence and answer.confidence is not None:
            _write(confidence_file(self._out, number), answer.confidence)


def label_file(out: Path, number: int) -> Path:
    """Where the label map of a frame is kept."""
    return out / "labels" / f"{number:06d}.png"


def confidence_file(out: Path, number: int) -> Path:
    """Where the confidence of a frame is kept, if it was asked for."""
    return out / "confidence" / f"{number:06d}.png"


def judge_or_note(
    row: Row, labels: UInt8, before: UInt8 | None, truth: UInt8 | None, found: Replay, classes: int
) -> Row:
    """See `judge`; a ground truth that does not fit the labels is noted in `found`, not scored."""
    try:
        return judge(row, labels, before, truth, found.matrix, classes)
    except ValueError as err:
        found.notes[str(err)] += 1
        return judge(row, labels, before, None, None, classes)


def open_truth(
    bag: Bag, image: Topic, classes: ClassTable, selection: Selection, notes: Counter[str]
) -> tuple[str, Truth] | None:
    """Ground truth of a camera and what it is called; None if there is none. Raises TruthError, WireError."""
    truths: Truth
    if selection.truth_folder:
        name, truths = selection.truth_folder, FolderTruth(Path(selection.truth_folder), image.messages)
    elif (topic := bag.truth_topic(selection.truth_topic, image)) is not None:
        name, truths = topic.name, TopicTruth(bag.messages(topic.name), selection.tolerance, notes)
    else:
        return None
    return name, Mapped(truths, read_mapping(Path(selection.mapping), classes)) if selection.mapping else truths


def _kept_rows(out: Path) -> dict[int, Row]:
    rows: dict[int, Row] = {}
    for journal in sorted((out / "labels").glob(JOURNAL)):
        for line in journal.read_text().splitlines():
            try:
                row = Row(**json.loads(line))
            except (TypeError, ValueError):  # the line at which a run was killed
                continue
            rows[row.number] = row
    return rows


def _write(file: Path, picture: UInt8) -> None:
    temporary = file.with_suffix(f".{os.getpid()}.partial.png")
    if not cv2.imwrite(str(temporary), picture):
        raise OSError(f"{file} cannot be written")
    temporary.replace(file)


def _read_labels(file: Path) -> UInt8 | None:
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.exists() else None  # type: ignore[return-value]
