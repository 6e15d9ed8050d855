"""Ground truth of the frames of a drive: from a topic of the bag, or from a folder of label images."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.groups import LabelGroups
from icnet_ros.dataset.label_files import LabelRules, id_table, misplaced_colour, misplaced_grey, of_table
from icnet_ros.documents import DocumentError, read_yaml
from icnet_ros.files import by_number, read_bytes
from icnet_ros.metrics.frame import UInt8
from icnet_ros.replay.annotated_ids import AnnotatedIds, check_recorded_names
from icnet_ros.replay.drive_index import DriveIndex
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.results.result import ReplayResult
from icnet_ros.replay.selection import Selection
from icnet_ros.wire.bag import Bag
from icnet_ros.wire.cdr import NO_STAMP, WireError
from icnet_ros.wire.decoders.base import Decoder
from icnet_ros.wire.decoders.image import ImageDecoder
from icnet_ros.wire.decoders.table import open_decoder
from icnet_ros.wire.index import IndexedMessage, TopicIndex
from icnet_ros.wire.pictures.stored_picture import StoredPicture, label_image

UNLISTED = -1
IGNORE = "ignore"  # in a mapping: pixels that count nowhere
READ_AHEAD = 100  # messages; a smaller gap is read through, a larger one is skipped by seeking


class GroundTruth(Protocol):
    """Source of ground truth label maps."""

    def of(self, number: int, stamp: int, recorded: int) -> UInt8 | None:
        """Label map of a frame, None if it has none. number: index on the image topic. stamp, recorded: ns."""


class TopicGroundTruth:
    """Topic of label images, matched by the nearest stamp within the tolerance, then by recording time.

    A label image belongs to the image nearest to it: where labels have a lower rate than images, the others have none.
    """

    def __init__(
        self,
        index: TopicIndex,
        images: TopicIndex,
        read: Callable[[Sequence[int]], Iterator[IndexedMessage]],
        tolerance: float,
        warn: Callable[[str, int], None],
        decoder: Decoder | None = None,
        check: Callable[[StoredPicture, str], None] = lambda *_: None,
    ) -> None:
        """images: the topic that is labelled. read: yields the messages at these indices of `index`.

        tolerance: seconds. warn: called for unusable ground truth. decoder: of the topic, that of sensor_msgs/Image if
        it is not given. check: see `palette_check`.
        """
        self._decoder, self._check = decoder or ImageDecoder(), check
        self._index, self._images, self._read, self._warn = index, images, read, warn
        self._tolerance = round(1e9 * tolerance)
        stamped = (place for place, stamp in enumerate(index.stamps) if stamp != NO_STAMP)
        self._places = sorted(stamped, key=index.stamps.__getitem__)
        self._stamps = [index.stamps[place] for place in self._places]
        self._image_stamps = sorted({*images.stamps} - {0, NO_STAMP})
        self._reader: Iterator[IndexedMessage] | None = None
        self._at = -1  # index of the last message that was read; _labels is its label map
        self._labels: UInt8 | None = None

    def of(self, number: int, stamp: int, recorded: int) -> UInt8 | None:
        """See GroundTruth. None for ambiguous stamps: 0, or the same as that of the previous image.

        Raises what `check` does.
        """
        if stamp == 0 or (number and stamp == self._images.stamps[number - 1]):
            reason = "images without a stamp" if stamp == 0 else "consecutive images with the same stamp"
            self._warn(f"{reason} cannot be matched with ground truth; use --ground-truth FOLDER", number)
            return None
        first = bisect_left(self._stamps, stamp - self._tolerance)
        index = self._index
        within = self._places[first : bisect_right(self._stamps, stamp + self._tolerance)]
        near = [place for place in within if self._nearest_image(index.stamps[place]) == stamp]
        if not near:
            return None

        def distance(place: int) -> tuple[int, int, int]:
            return abs(index.stamps[place] - stamp), abs(index.recorded[place] - recorded), place

        return self._labels_at(min(near, key=distance))

    def _nearest_image(self, stamp: int) -> int:
        """The stamp of the image nearest to `stamp`, the earlier of two."""
        place = bisect_left(self._image_stamps, stamp)
        return min(self._image_stamps[max(0, place - 1) : place + 1], key=lambda one: abs(one - stamp))

    def _labels_at(self, place: int) -> UInt8 | None:
        if place != self._at:
            if self._reader is None or not self._at < place <= self._at + READ_AHEAD:
                self._reader = self._read(range(place, len(self._index.stamps)))
            self._at, self._labels = place, None
            for there, message in self._reader:
                if there == place:
                    try:
                        picture = self._decoder.labels(message.data)[1]
                    except WireError as err:
                        self._warn(f"ground truth: {err}", message.recorded_ns)
                    else:
                        self._check(picture, f"the ground truth recorded at {message.recorded_ns} ns")
                        self._labels = picture.values
                    break
        return self._labels


class FolderGroundTruth:
    """Folder of 8-bit PNGs, named by frame number (000012.png) or stamp (ns), or one per image, ordered `by_number`."""

    def __init__(self, folder: Path, images: TopicIndex, check: Callable[[StoredPicture, str], None]) -> None:
        """images: of the whole bag, as far as it can be read. check: see `palette_check`. Raises GroundTruthError."""
        self._check = check
        count = len(images.recorded)
        files = by_number(folder.glob("*.png")) if folder.is_dir() else []
        if not files:
            raise GroundTruthError(f"{folder}: no .png label images there")
        self._stamped = False
        if all(file.stem.removeprefix("-").isdecimal() for file in files):
            self._by_key = {int(file.stem): file for file in files}
            if set(self._by_key) == set(range(1, count + 1)):
                raise GroundTruthError(f"{folder}: numbered 1 to {count}; the first image has number 0 (000000.png)")
            numbers = sum(key < count for key in self._by_key)
            self._stamped = len(self._by_key.keys() & set(images.stamps)) > numbers
        elif len(files) == count:
            self._by_key = dict(enumerate(files))
        else:
            raise GroundTruthError(
                f"{folder}: {len(files)} label images for {count} images: name them by frame number (000012.png) or "
                "stamp in nanoseconds, or provide one per image"
            )

    def of(self, number: int, stamp: int, recorded: int) -> UInt8 | None:
        """See GroundTruth. Raises GroundTruthError for a file that is no label image, or has another palette."""
        file = self._by_key.get(stamp if self._stamped else number)
        if file is None:
            return None
        try:
            picture = label_image(read_bytes(file))
        except (OSError, ValueError, SyntaxError) as err:
            raise GroundTruthError(f"{file}: {err}") from err
        self._check(picture, f"{file}")
        return picture.values


class CheckedGroundTruth:
    """Ground truth that should have class ids; warns of others."""

    def __init__(self, ground_truth: GroundTruth, classes: ClassTable, warn: Callable[[str, int], None]) -> None:
        """classes: whose ids it should have. warn: see AnnotatedIds."""
        self._ground_truth, self._ids = ground_truth, AnnotatedIds(classes, warn, "--mapping FILE")

    def of(self, number: int, stamp: int, recorded: int) -> UInt8 | None:
        """See GroundTruth."""
        found = self._ground_truth.of(number, stamp, recorded)
        if found is not None:
            self._ids.check(found, number)
        return found


class MappedGroundTruth:
    """Ground truth of another label set, with its ids mapped to class ids."""

    def __init__(self, ground_truth: GroundTruth, table: npt.NDArray[np.int16]) -> None:
        """table: int16 (256,), id of the other label set -> class id, UNLISTED where an id may not occur."""
        self._ground_truth, self._table = ground_truth, table

    def of(self, number: int, stamp: int, recorded: int) -> UInt8 | None:
        """See GroundTruth. Raises GroundTruthError for an id that may not occur."""
        found = self._ground_truth.of(number, stamp, recorded)
        if found is None:
            return None
        return map_ids(found, self._table, f"the ground truth of frame {number}")


def map_ids(labels: UInt8, table: npt.NDArray[np.int16], what: str) -> UInt8:
    """A label map with class ids. table: see MappedGroundTruth. what: the label map, for messages.

    Raises GroundTruthError for an id that may not occur.
    """
    mapped = table[labels]
    if (unlisted := mapped == UNLISTED).any():
        raise GroundTruthError(
            f"{what} has id {labels[unlisted][0]}, which is not in the mapping: add it, or `others: ignore`"
        )
    return mapped.astype(np.uint8)


def palette_check(classes: ClassTable, mapping: npt.NDArray[np.int16] | None) -> Callable[[StoredPicture, str], None]:
    """What raises GroundTruthError, which names the place, for a palette in another order than the ids.

    mapping: see MappedGroundTruth; what it says of indices counts, but grey levels that it has, too, may be the ids.
    """
    known = id_table(of_table(classes), classes, LabelRules(), "") if mapping is None else mapping

    def check(picture: StoredPicture, where: str) -> None:
        grey = misplaced_grey(picture, known)
        wrong = grey or (misplaced_colour(picture, classes) if mapping is None else "")
        if wrong:
            other = "" if grey else ", or give the class of each index with --mapping"
            raise GroundTruthError(
                f"{where}: its palette is in another order than the ids of the classes: {wrong}. Store the ids as a "
                f"grey PNG{other}"
            )

    return check


def read_mapping(path: Path, classes: ClassTable) -> npt.NDArray[np.int16]:
    """Read a YAML file `ID: CLASS NAME` as a table (256,), UNLISTED for the ids that it does not have.

    A class may be "ignore"; `others: ignore` stands for all other ids. Raises GroundTruthError.
    """
    try:
        entries = read_yaml(path)
    except OSError as err:
        raise GroundTruthError(
            f"mapping {path}: {err.strerror}; it takes a file with lines of the form `7: road`"
        ) from err
    except DocumentError as err:
        raise GroundTruthError(str(err)) from err
    if not isinstance(entries, dict) or not entries or "from" in entries:
        raise GroundTruthError(
            f"{path}: not lines of the form `7: road`, which give the class of each id of the ground truth; mappings "
            "of the classes of a model are for `icnet evaluate`"
        )
    others = entries.pop("others", "")
    if others not in ("", IGNORE):
        raise GroundTruthError(f"{path}: others is {others!r}, it takes {IGNORE}")
    table: npt.NDArray[np.int16] = np.full(256, classes.ignore if others else UNLISTED, np.int16)
    table[classes.ignore] = classes.ignore
    for number, name in entries.items():
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 255:
            raise GroundTruthError(f"{path}: {number!r} is no id of 0..255")
        if name not in (*classes.names, IGNORE):
            raise GroundTruthError(f"{path}: {name!r} is none of the classes {', '.join(classes.names)}")
        table[number] = classes.ignore if name == IGNORE else classes.names.index(name)
    return table


def open_ground_truth(
    bag: Bag,
    index: DriveIndex,
    classes: ClassTable,
    selection: Selection,
    result: ReplayResult,
    groups: LabelGroups | None = None,
) -> GroundTruth | None:
    """Ground truth of a camera, None if there is none.

    groups: those that `classes` are the table of; the ground truth has the classes of the checkpoint and is folded.
    Sets `result.ground_truth`; warnings and corruption are added to `result` later. Raises GroundTruthError, WireError.
    """
    source = classes if groups is None else groups.source
    table = read_mapping(Path(selection.mapping), source) if selection.mapping else None
    check = palette_check(source, table)
    found: GroundTruth
    if selection.ground_truth_folder:
        result.ground_truth = selection.ground_truth_folder
        found = FolderGroundTruth(Path(selection.ground_truth_folder), index.images, check)
    elif (topic := index.ground_truth) is not None:

        def read(places: Sequence[int]) -> Iterator[IndexedMessage]:
            try:
                yield from topic.read(bag, index.ground_truth_topic, places)
            except WireError as err:
                result.corrupt(str(err))

        result.ground_truth = index.ground_truth_topic
        source_topic = next(one for one in bag.topics() if one.name == index.ground_truth_topic)
        if table is None:
            check_recorded_names(bag, source_topic, source, result.warn)
        decoder = open_decoder(source_topic.kind, source_topic.encoding)
        found = TopicGroundTruth(topic, index.images, read, selection.tolerance, result.warn, decoder, check)
    else:
        if index.untaken:
            result.warn(f"not scored: {index.untaken}", -1)
        elif table is not None:
            result.warn("there is a --mapping, but no ground truth", -1)
        return None
    if table is None:
        found = CheckedGroundTruth(found, source, result.warn)
    for ids in (table, None if groups is None else groups.fold().astype(np.int16)):
        if ids is not None:
            found = MappedGroundTruth(found, ids)
    return found
