"""A recorded drive through an engine: every frame once, in order, kept as it goes."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import cv2

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.engine.base import STAGES, Engine, Frame, LabelMap
from icnet_ros.evaluation.confusion import ConfusionMatrix
from icnet_ros.evaluation.frames import Before, Note, Row, judge
from icnet_ros.evaluation.kept import Kept, add_row
from icnet_ros.evaluation.selection import REACH, Selection
from icnet_ros.evaluation.truth import FolderTruth, Mapped, TopicTruth, Truth, read_mapping
from icnet_ros.render import UInt8
from icnet_ros.wire.bag import Bag, open_bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.image import Picture, decode_compressed, decode_image, stamp_ns
from icnet_ros.wire.index import Index, Numbered, read_index
from icnet_ros.wire.storage import Message, Topic

Labeller = Callable[[Picture], LabelMap]
Progress = Callable[[int, int], None]
Stopped = Callable[[], bool]


@dataclass
class Replay:
    """What a replay found. image: topic. truth: topic or folder, None without ground truth, as is `matrix` then.

    notes: what could not be used of the ground truth. damage: why the bag could not be read to its end, "" if
    it was. done: False if it was interrupted. fresh, seconds: frames that were labelled now, not kept from an
    earlier run, and what that took; without the first, which waits for the engine.
    """

    image: str
    truth: str | None
    rows: list[Row]
    matrix: ConfusionMatrix | None
    notes: set[Note] = field(default_factory=set)
    damage: str = ""
    done: bool = True
    fresh: int = 0
    seconds: float = 0.0


class Indexes(NamedTuple):
    """Of a camera and of its ground truth; that is None without a topic of it."""

    images: Index
    truth_topic: str
    truth: Index | None

    @property
    def damage(self) -> str:
        """Why either has no more messages, "" if these are all."""
        return self.images.damage or (self.truth.damage if self.truth else "")


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


def replay(
    path: Path,
    label: Labeller,
    classes: ClassTable,
    out: Path,
    selection: Selection,
    progress: Progress,
    *,
    indexes: Indexes | None = None,
    part: range | None = None,
    confidence: bool = False,
    stopped: Stopped = lambda: False,
) -> Replay:
    """Label the frames of a bag into OUT/labels/*.png, and OUT/confidence/*.png if asked for; see `Kept.prepare`.

    Labels that are there already are judged again, not made again, so that a run that was killed is resumed
    by starting it again. indexes: see `look_through`, which is done now if they are not given. part: which of the
    selected frames. stopped: asked before each frame, ends it with what there is. Raises WireError for a bag that
    cannot be opened, TruthError, EngineError.
    """
    # Opened twice, for images and ground truth are read on two threads.
    with open_bag(path) as bag, open_bag(path) as truth_bag:
        image = bag.image_topic(selection.image_topic)
        indexes = indexes or look_through(bag, selection)
        chosen = selection.of(indexes.images)
        part = range(len(chosen)) if part is None else part
        wanted = chosen[part.start : part.stop]
        kept = Kept(out)
        source = _Labels(image, label, kept, confidence)
        found = Replay(image.name, None, [], None, damage=indexes.damage)
        if (truths := open_truth(truth_bag, indexes, classes, selection, found)) is not None:
            found.matrix = ConfusionMatrix(len(classes))
        before: Before | None = None
        started, fresh = perf_counter(), 0
        with kept.journal(part) as journal:

            def keep(number: int, row: Row, answer: LabelMap | None, *, lead: bool = False) -> None:
                nonlocal before
                if answer is not None:
                    source.write(number, answer)
                    truth = truths.of(number, row.stamp_ns, row.recorded_ns) if truths else None
                    if not lead:
                        near = before and number - before.number <= REACH * selection.stride
                        row = judge_or_note(row, answer.labels, before if near else None, truth, found, len(classes))
                    before = Before(number, answer.labels)
                if not lead:
                    found.rows.append(row)
                    add_row(journal, row)
                    progress(len(found.rows), len(wanted))

            try:
                with _Beside() as beside:
                    earlier = chosen[max(0, part.start - REACH) : part.start]
                    if (known := source.last_with_labels(bag, indexes.images, earlier)) is not None:
                        beside.do(keep, *known, lead=True)
                    for number, message in indexes.images.read(bag, image.name, wanted):
                        if stopped():
                            found.done = False
                            break
                        beside.do(keep, number, *source.of(number, message))
                        if not fresh:
                            started, fresh = perf_counter(), source.fresh
            except WireError as err:
                found.damage = found.damage or str(err)
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
        notes=set().union(*(part.notes for part in parts)),
        damage=next((part.damage for part in parts if part.damage), ""),
        done=all(part.done for part in parts),
        fresh=sum(part.fresh for part in parts),
        seconds=sum(part.seconds for part in parts),
    )


def _one_of(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(name for name in names if name))


def judge_or_note(
    row: Row, labels: UInt8, before: Before | None, truth: UInt8 | None, found: Replay, classes: int
) -> Row:
    """See `judge`; a ground truth that does not fit the labels is noted in `found`, not scored."""
    try:
        return judge(row, labels, before, truth, found.matrix, classes)
    except ValueError as err:
        found.notes.add(Note(str(err), row.number))
        return judge(row, labels, before, None, None, classes)


def look_through(bag: Bag, selection: Selection, progress: Progress = lambda *_: None) -> Indexes:
    """What the bag has of the camera and of its ground truth. Raises WireError."""
    image = bag.image_topic(selection.image_topic)
    topic = None if selection.truth_folder else bag.truth_topic(selection.truth_topic, image)
    found = read_index(bag, [image.name, *([topic.name] if topic else [])], progress)
    return Indexes(found[image.name], topic.name if topic else "", found[topic.name] if topic else None)


def open_truth(bag: Bag, indexes: Indexes, classes: ClassTable, selection: Selection, found: Replay) -> Truth | None:
    """Ground truth of a camera, its name in `found`; None if there is none. Raises TruthError, WireError."""
    table = read_mapping(Path(selection.mapping), classes) if selection.mapping else None
    truths: Truth
    if selection.truth_folder:
        found.truth, truths = selection.truth_folder, FolderTruth(Path(selection.truth_folder), indexes.images)
    elif (index := indexes.truth) is not None:

        def read(places: Sequence[int]) -> Iterator[Numbered]:
            try:
                yield from index.read(bag, indexes.truth_topic, places)
            except WireError as err:
                found.damage = found.damage or str(err)

        found.truth, truths = indexes.truth_topic, TopicTruth(index, read, selection.tolerance, found.notes)
    else:
        if table is not None:
            found.notes.add(Note("there is a --mapping, but no ground truth", -1))
        return None
    return truths if table is None else Mapped(truths, table)


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

    def __init__(self, image: Topic, label: Labeller, kept: Kept, confidence: bool) -> None:
        self._decode = decode_compressed if image.compressed else decode_image
        self._topic = image.name
        self._label, self._kept, self._confidence = label, kept, confidence
        self._rows = kept.rows()
        self._there: set[int] = set()  # whose label maps are there already
        self.fresh = 0

    def of(self, number: int, message: Message) -> tuple[Row, LabelMap | None]:
        """None for a frame that cannot be labelled; the row says why."""
        crc = zlib.crc32(message.data)
        row = self._rows.get(number)
        if row is not None and row.crc == crc:
            if row.problem:
                return row, None
            labels = self._kept.labels(number)
            if labels is not None and labels.size == sum(row.pixels):
                self._there.add(number)
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

    def last_with_labels(self, bag: Bag, images: Index, wanted: Sequence[int]) -> tuple[int, Row, LabelMap] | None:
        """Of consecutive frames."""
        for number, message in reversed(list(images.read(bag, self._topic, wanted))):
            row, answer = self.of(number, message)
            if answer is not None:
                return number, row, answer
        return None

    def write(self, number: int, answer: LabelMap) -> None:
        """Keep it, if it is new."""
        if number in self._there:
            return
        self._kept.write_labels(number, answer.labels)
        if self._confidence and answer.confidence is not None:
            self._kept.write_confidence(number, answer.confidence)
