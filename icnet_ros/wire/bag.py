"""Reading bags (topic selection, messages as bytes in recorded order) and writing new ones."""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError

from icnet_ros.files import check_regular, open_regular, writing
from icnet_ros.share import share
from icnet_ros.wire.cdr import WireError, typestore
from icnet_ros.wire.decoders.base import ImageInfo
from icnet_ros.wire.decoders.table import base_of, has_decoder, image_types, may_be_labels, open_decoder, preference
from icnet_ros.wire.storage.files import FILES, Storage, open_storage
from icnet_ros.wire.topic import Message, Topic, kinds_by_folder

OWN = ("/clock", "/diagnostics", "/parameter_events", "/rosout")  # topics of ROS itself
GROUND_TRUTH_WORDS = ("ground_truth", "groundtruth", "label", "annotation", "_gt", "/gt", "mask")  # the surest first

MARKER = ".icnet_ros"  # in the folders of bags that this package wrote, which it may replace
DEPTH_ENCODINGS = ("16UC1", "32FC1")
NUMBERS = re.compile(r"(8S|16S|32S|32F|64F)C")  # encodings of OpenCV that no picture has: ids of objects, optical flow
LABEL_MAPS = ("labels_map", "colored_map")  # of Gazebo's segmentation camera
SEGMENTATION = re.compile(r"(segmentation|semantic)[^/]*(/[^/]*)?$", re.IGNORECASE)  # in the last two parts of a name
OUTPUTS = {"labels", "confidence", "scores", "color", "overlay"}  # image topics of a node
OUTPUT_ROLE = "output of a segmentation node"
PROBED = 10  # messages that are read to find the encoding of a topic


class Bag:
    """An open bag of ROS 2 (folder, or a single .mcap or .db3 file) or ROS 1 (.bag)."""

    def __init__(self, storage: Storage, path: Path) -> None:
        self._storage = storage
        self._first: dict[Topic, ImageInfo | None] = {}
        self._by_name: dict[str, Topic] = {}
        for topic in sorted(storage.topics(), key=_readability):
            self._by_name.setdefault(topic.name, topic)
        self.path = path

    def topics(self) -> list[Topic]:
        """All topics, by name; those with messages of two types once, see `remarks`."""
        return sorted(self._by_name.values())

    def remarks(self, name: str) -> list[str]:
        """What a user should know of a topic, though it is read."""
        topic = self._by_name[name]
        kinds = [f"{one.kind} ({one.messages})" for one in self._storage.topics() if one.name == name]
        two = [f"{name} has messages of {' and '.join(kinds)}; those of {topic.kind} are read"] if kinds[1:] else []
        return two + self._storage.remarks(topic)

    def cameras(self, ground_truth: str = "") -> list[Topic]:
        """One image topic per camera, raw preferred to compressed; without depth and ground truth.

        What is called segmentation is a camera only if there is no other. ground_truth: another topic that is none.
        """
        images = [t for t in self.topics() if has_decoder(t.kind, t.encoding) and not self._is_output(t)]
        seen: dict[str, Topic] = {}
        for topic in sorted(images, key=lambda topic: preference(topic.kind, topic.encoding)):
            other = topic.name == ground_truth or self._is_ground_truth(topic) or self._no_picture(topic)
            if topic.messages and not other:
                seen.setdefault(topic.base, topic)
        return sorted([one for one in seen.values() if not SEGMENTATION.search(one.base)] or seen.values())

    def image_topic(self, name: str = "", ground_truth: str = "") -> Topic:
        """The topic with camera images: `name`, or the only candidate if it is empty.

        A raw topic is preferred to the compressed one of the same camera; ground truth is excluded.
        Raises WireError that lists the topics of the bag.
        """
        if name:
            named = [topic for topic in self.topics() if topic.name == name]
            images = [topic for topic in named if has_decoder(topic.kind, topic.encoding)]
            if images:
                return images[0]
            why = f" (it is {named[0].described}, not one of {', '.join(image_types())})" if named else ""
            raise WireError(f"{self.path}: no image topic {name!r}{why}; the bag has {self._listing()}")
        cameras = self.cameras(ground_truth)
        if len(cameras) != 1:
            problem = "no image topic" if not cameras else f"{len(cameras)} cameras: name one of their topics"
            raise WireError(f"{self.path}: {problem}; the bag has {self._listing()}")
        return cameras[0]

    def ground_truth_topic(self, name: str = "", camera: Topic | None = None) -> Topic | None:
        """The topic with ground-truth label images: `name`, or else the one of `ground_truth_topics`, or None."""
        if not name:
            found = self.ground_truth_topics(camera)
            return found[0] if len(found) == 1 else None
        for topic in self.topics():
            if topic.name == name and may_be_labels(topic.kind, topic.encoding) and topic.messages:
                return topic
        raise WireError(f"{self.path}: no image topic {name!r} for ground truth")

    def ground_truth_topics(self, camera: Topic | None = None) -> list[Topic]:
        """The topics of label images whose names say ground truth the most surely; several are ambiguous.

        camera: the camera that they belong to. With several cameras, the topics whose names begin most like that of
        `camera`, unless they are as similar to another camera.
        """
        found = [topic for topic in self.topics() if topic.messages and self._is_ground_truth(topic)]
        others = [other for other in self.cameras() if camera and other.base != camera.base]
        if camera is not None and others:
            shared = {topic: _shared_names(topic.name, camera.name) for topic in found}
            # A topic that shares as much of its name with another camera belongs to neither.
            own = [t for t, n in shared.items() if n > max(_shared_names(t.name, other.name) for other in others)]
            found = [topic for topic in own if shared[topic] == max(shared[one] for one in own)]
        sure = [_sureness(topic.name) for topic in found]
        return [topic for topic, one in zip(found, sure, strict=True) if one == min(sure)]

    def messages(self, *topics: str, start: int | None = None) -> Iterator[Message]:
        """Messages of these topics in recorded order, from `start` (ns) on. Raises WireError if the bag is corrupt.

        Of a topic with two types, those of one type: see `remarks`.
        """
        try:
            yield from self._storage.messages([self._by_name[name] for name in topics if name in self._by_name], start)
        except WireError as err:
            raise WireError(f"{self.path}: damaged: {err}") from err
        except Exception as err:  # rosbags raises many exception types for corrupt files
            raise WireError(f"{self.path}: damaged: {type(err).__name__}: {err}") from err

    def first_image(self, topic: Topic) -> ImageInfo | None:
        """What the first message that can be read says of its image; None if there is none."""
        if topic not in self._first:
            self._first[topic] = self._read_first(topic)
        return self._first[topic]

    def role(self, topic: Topic) -> str:
        """What a replay takes a topic for: "camera", "depth", ...; "" if it holds no images."""
        if not has_decoder(topic.kind, topic.encoding):
            return ""
        if not topic.messages:
            return "no messages"
        if self._is_output(topic):
            return OUTPUT_ROLE
        if self._is_ground_truth(topic):
            return "ground truth"
        if what := self._no_picture(topic):
            return what
        camera = next((camera for camera in self.cameras() if camera.base == topic.base), None)
        other = f"same images as {camera.name}" if camera else "segmentation"
        return "camera" if camera == topic else other

    def inputs(self) -> list[str]:
        """Names of the topics without those of a segmentation node that was recorded, and without ROS's own."""
        return [topic.name for topic in self.topics() if topic.name not in OWN and not self._is_output(topic)]

    def _listing(self) -> str:
        roles = {topic: self.role(topic) for topic in self.topics()}
        taken = {topic: f", taken for {role}" if role not in ("", "camera") else "" for topic, role in roles.items()}
        return ", ".join(f"{one.name} ({one.described}, {one.messages}{taken[one]})" for one in roles) or "nothing"

    @cached_property
    def _kinds(self) -> dict[str, dict[str, str]]:
        return kinds_by_folder(self.topics())

    def _is_output(self, topic: Topic) -> bool:
        """Whether it is of a segmentation node, by what is recorded beside it: its labels are no ground truth."""
        folder, _, name = base_of(topic.name).rpartition("/")
        beside = self._kinds[folder]
        if any(kind.endswith("/FrameLatency") for kind in beside.values()):
            return True
        told = "icnet" in folder.split("/") or beside.get("label_info", "").endswith("/LabelInfo")
        return name in {*OUTPUTS, "label_info"} and "labels" in beside and (told or len(beside.keys() & OUTPUTS) > 1)

    def _is_ground_truth(self, topic: Topic) -> bool:
        if not may_be_labels(topic.kind, topic.encoding) or self._is_output(topic):
            return False
        if _sureness(topic.name) == len(GROUND_TRUTH_WORDS):
            return False
        found = self.first_image(topic)
        channels = found.channels if found else 0
        return channels == 1 or (channels > 1 and topic.base.endswith(LABEL_MAPS[0]))

    def _no_picture(self, topic: Topic) -> str:
        """What its images are if they are no pictures, such as "depth" or "numbers"; else ""."""
        if topic.base.endswith(LABEL_MAPS):
            return "label colours of a simulator"
        encoding = self._encoding(topic)  # of a compressed image: "16UC1; compressedDepth png"
        of_topic = encoding.split(";")[-1]  # of a FFMPEGPacket: "hevc;gray16le;16UC1;16UC1"
        depth = any(one.startswith(DEPTH_ENCODINGS) for one in (encoding, of_topic)) or "compressedDepth" in encoding
        if depth or (encoding.startswith("mono16") and "depth" in topic.name.lower()):
            return "depth"
        return "numbers" if NUMBERS.match(encoding) else ""

    def _encoding(self, topic: Topic) -> str:
        """Encoding, or format of a compressed image, of the first message that can be read; "" if there is none."""
        found = self.first_image(topic)
        return found.encoding if found else ""

    def _read_first(self, topic: Topic) -> ImageInfo | None:
        with suppress(WireError):  # the bag is corrupt
            for message in islice(self.messages(topic.name), PROBED):
                with suppress(WireError):  # the message is
                    return open_decoder(topic.kind, topic.encoding).peek(message.data)
        return None


def _readability(topic: Topic) -> tuple[bool, float, int]:
    """Sort key: topics with messages first, and of those the ones of images, in the order of the decoders."""
    place = preference(topic.kind, topic.encoding) if has_decoder(topic.kind, topic.encoding) else math.inf
    return not topic.messages, place, -topic.messages


def _sureness(name: str) -> int:
    """Place in GROUND_TRUTH_WORDS of the surest word in a topic's name; their number if it has none."""
    words = (place for place, word in enumerate(GROUND_TRUTH_WORDS) if word in name.lower())
    return next(words, len(GROUND_TRUTH_WORDS))


def _shared_names(one: str, other: str) -> int:
    """Length of the common prefix of two topic names, in parts: 2 for /a/b/c and /a/b/d."""
    pairs = zip(one.strip("/").split("/"), other.strip("/").split("/"), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


@contextmanager
def open_bag(path: str | Path) -> Iterator[Bag]:
    """Open a bag for reading, even if it is incomplete. Raises WireError if nothing can be read."""
    path = Path(path)
    if not path.exists():
        raise WireError(f"{path}: no such bag")
    try:
        for file in sorted(path.glob("*")) if path.is_dir() else [path]:
            if file.suffix in (*FILES, ".yaml") or file == path:
                check_regular(file)
    except OSError as err:
        raise WireError(f"{err.filename or path}: {err.strerror}") from err
    with open_storage(path) as storage:
        yield Bag(storage, path)


def bag_hash(path: Path, progress: Callable[[int, int], None] = lambda *_: None) -> str:
    """SHA-256 of the files of a bag in the order of their names. progress: called with MiB done and in total."""
    kinds = (*FILES, ".yaml", ".zstd")  # results may lie in the same folder
    files = sorted(file for file in path.iterdir() if file.suffix in kinds) if path.is_dir() else [path]
    total = sum(file.stat().st_size for file in files)
    done, digest = 0, hashlib.sha256()
    for file in files:
        with open_regular(file) as content:
            while chunk := content.read(1 << 22):
                digest.update(chunk)
                done += len(chunk)
                progress(done >> 20, total >> 20)
    return digest.hexdigest()


class BagWriter:
    """Writes serialised messages into a new mcap bag that ROS 2 from Humble on reads; its chunks are compressed."""

    def __init__(self, path: Path, topics: Sequence[tuple[str, str]]) -> None:
        """topics: (name, message type). Raises WireError if the folder exists already."""
        self._path = path
        definitions = typestore(share("msg", "FrameLatency.msg"))
        try:
            # Humble cannot read version 9. Label maps as chunks take a small part of their size.
            self._writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
            (path / MARKER).touch()
        except WriterError as err:
            raise WireError(f"{path}: cannot write a bag: {err}") from err
        self._connections: dict[str, Connection] = {
            name: self._writer.add_connection(name, kind, typestore=definitions) for name, kind in topics
        }

    def write(self, topic: str, data: bytes, recorded_ns: int) -> None:
        """Append one message."""
        with writing(self._path, "--out"):
            self._writer.write(self._connections[topic], recorded_ns, data)

    def close(self) -> None:
        """Complete the file; without this it cannot be read."""
        with writing(self._path, "--out"):
            self._writer.close()


def prepare_bag_folder(path: Path, source: Path | None = None) -> Path:
    """Make `path` free for a new bag: remove one that BagWriter wrote.

    source: a bag that is still needed. Raises WireError if the folder is that one, or holds anything else.
    """
    if path.is_dir() and any(path.iterdir()):
        if source is not None and path.resolve() in (source.resolve(), *source.resolve().parents):
            raise WireError(f"{path} is the bag to be read, and would be replaced; choose another --out")
        foreign = [file.name for file in path.iterdir() if file.suffix not in (*FILES, ".yaml") and file.name != MARKER]
        if foreign:
            raise WireError(f"{path} contains {foreign[0]}, which is not part of a bag; choose another --out")
        if not (path / MARKER).exists():
            raise WireError(f"{path} holds a bag that icnet_ros did not write; choose another --out")
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    return path
