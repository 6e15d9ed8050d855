"""Opens the files of a bag, whatever is left of it, and reads them one after the other.

metadata.yaml says which files there are, and in which order; all else is read from the files themselves, as it may be
missing, edited for playback, or of a recorder that was killed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from icnet_ros.documents import read_yaml
from icnet_ros.files import open_regular
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.picture_file import PICTURES
from icnet_ros.wire.storage.mcap_file import McapFile
from icnet_ros.wire.storage.mcap_layout import MAGIC as MCAP_MAGIC
from icnet_ros.wire.storage.mcap_layout import ChunkTooLargeError
from icnet_ros.wire.storage.payload import ZSTD_MAGIC
from icnet_ros.wire.storage.ros1_file import Ros1File
from icnet_ros.wire.storage.sqlite_file import SqliteFile
from icnet_ros.wire.storage.zstd_file import temporary_folder, unpack_file
from icnet_ros.wire.topic import Message, Topic, sum_topics

FILES = (".mcap", ".db3")
PACKED = ".zstd"
SQLITE_MAGIC, ROS_1_MAGIC = b"SQLite format 3\0", b"#ROSBAG V"
LOOKED_AT = 10_000  # files and folders, for advice
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".ts", ".h264", ".hevc")  # for advice


class Storage(Protocol):
    """Topics and messages of a bag, or of one of its files.

    problems: why messages may be missing.
    """

    problems: list[str]

    def topics(self) -> list[Topic]:
        """All topics, by name; a name occurs twice if it has messages of two types."""

    def remarks(self, topic: Topic) -> list[str]:
        """What a user should know of a topic, though it is read."""

    def messages(self, topics: Sequence[Topic], start: int | None = None) -> Iterator[Message]:
        """Messages of these topics in recorded order; WireError at the end if some could not be read.

        start: only messages recorded at this time (ns) or later.
        """


class Parts:
    """The files of a bag, read one after the other."""

    def __init__(self, parts: Sequence[Storage], problems: Sequence[str]) -> None:
        """problems: of the bag, and of the files of which nothing can be read."""
        self._parts, self.problems = parts, list(problems)
        self._lost: dict[str, str] = {}

    def compare(self, declared: Mapping[str, int]) -> None:
        """Compare the messages of each topic with the number that metadata.yaml declares.

        A number that is too small, as after an edit, means nothing. If all are right, no file lacks anything, even if
        it has no end: `ros2 bag reindex` does not write one.
        """
        found = Counter[str]()
        for topic in self.topics():
            found[topic.name] += topic.messages
        for name, count in declared.items():
            if count > found[name]:
                self._lost[name] = f"metadata.yaml declares {count} messages on {name}, {found[name]} could be read"
        if declared and found == Counter(declared):
            for part in self._parts:
                if isinstance(part, McapFile):
                    part.confirm_end()

    def topics(self) -> list[Topic]:
        """See Storage."""
        return sum_topics(topic for part in self._parts for topic in part.topics())

    def remarks(self, topic: Topic) -> list[str]:
        """See Storage."""
        return list(dict.fromkeys(remark for part in self._parts for remark in part.remarks(topic)))

    def messages(self, topics: Sequence[Topic], start: int | None = None) -> Iterator[Message]:
        """See Storage. Continues with the next file if one is corrupt."""
        problems = list(self.problems)
        for part in self._parts:
            try:
                yield from part.messages(topics, start)
            except Exception as err:  # readers raise many exception types for corrupt files
                problems.append(str(err) or type(err).__name__)
        problems += [self._lost[topic.name] for topic in topics if topic.name in self._lost]
        if problems:
            raise WireError("; ".join(dict.fromkeys(problems)))


@dataclass
class _Metadata:
    """What metadata.yaml says. files: names in their order. counts: messages by topic."""

    files: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


@contextmanager
def open_storage(path: Path) -> Iterator[Storage]:
    """Open a bag, complete or not. Raises WireError if nothing of it can be read."""
    with ExitStack() as stack:
        metadata = _metadata(path) if path.is_dir() else None
        files, problems = _files(path, metadata)
        parts: list[Storage] = []
        for file in files:
            try:
                parts.append(_open(file, stack, problems))
            except ChunkTooLargeError:
                raise
            except Exception as err:  # as above
                problems.append(f"{file.name}: {err}")
        if not parts:
            why = "; ".join(problems) or "no recording is in this folder"
            raise WireError(f"{path}: not a readable ROS bag: {why}{_advice(path)}")
        storage = Parts(parts, problems)
        if metadata is not None:
            storage.compare(metadata.counts)
        yield storage


def _open(file: Path, stack: ExitStack, problems: list[str]) -> Storage:
    """Open a file by what it begins with; its suffix may be missing or another. Raises many exception types."""
    with open_regular(file) as content:
        begin = content.read(16)
    if begin.startswith(ZSTD_MAGIC):
        unpacked, problem = unpack_file(file, stack.enter_context(temporary_folder()))
        if problem:
            problems.append(f"{file.name}: {problem}")
        return _open(unpacked, stack, problems)
    if begin.startswith(MCAP_MAGIC):
        return McapFile(file)
    opened: SqliteFile | Ros1File
    if begin == SQLITE_MAGIC:
        opened = SqliteFile(file)
    elif begin.startswith(ROS_1_MAGIC):
        opened = Ros1File(file)
    elif file.suffix == PACKED:
        raise WireError(f"compressed, but it does not begin as a zstd file: {begin.hex(' ')}")
    else:
        raise WireError(f"begins with {begin.hex(' ')}, not as mcap, SQLite or ROS 1 do" if begin else "it is empty")
    stack.callback(opened.close)
    return opened


def is_recording(path: Path) -> bool:
    """Whether a file begins as a bag, or a folder holds files that are named as those of a bag."""
    if path.is_dir():
        return any(_is_recording(file.name) or file.suffix == ".bag" for file in path.iterdir())
    with open_regular(path) as content:
        return content.read(16).startswith((MCAP_MAGIC, SQLITE_MAGIC, ROS_1_MAGIC))


def first_below(path: Path, suffixes: Sequence[str]) -> Path | None:
    """A file with such a suffix in a folder, or up to three folders below, if one is found soon."""
    found = (file for depth in range(1, 5) for file in path.glob("/".join("*" * depth)))
    return next((file for file in islice(found, LOOKED_AT) if file.suffix.lower() in suffixes), None)


def _advice(path: Path) -> str:
    """What to do with pictures, videos and recordings of ROS 1 in place of a bag."""
    if path.is_dir() and (bags := sorted(path.glob("*.bag"))):
        return f". Recordings of ROS 1 are given as files: {bags[0]}, or --fleet '{path}/*.bag'"
    found = first_below(path, (*PICTURES, *VIDEOS)) if path.is_dir() else path
    if found is None or found.suffix.lower() not in (*PICTURES, *VIDEOS):
        return ""
    several = path.is_dir() and found.suffix.lower() in PICTURES
    return f". Pictures and videos: `icnet segment {found.parent if several else found}`"


def _files(path: Path, metadata: _Metadata | None) -> tuple[list[Path], list[str]]:
    """The files to read, and what is wrong with those that will not be."""
    if path.is_file():
        return [path], []
    there = {file.name: file for file in path.iterdir() if _is_recording(file.name)}
    if metadata is None:
        names = [name for name in there if name.removesuffix(PACKED) not in there or not name.endswith(PACKED)]
        return [there[name] for name in sorted(names, key=lambda name: (len(_stem(name)), name))], []
    files: list[Path | None] = []
    missing: list[str] = []
    for name in metadata.files:
        # One of them may have been packed or unpacked since.
        found = next((there[one] for one in (name, name + PACKED, name.removesuffix(PACKED)) if one in there), None)
        files.append(found)
        if found is None:
            missing.append(name)
    taken = {_stem(file.name) for file in files if file is not None}
    unlisted = sorted(name for name in there if _stem(name) not in taken)
    if len(unlisted) == len(missing):  # renamed since
        renamed = iter(unlisted)
        return [file or there[next(renamed)] for file in files], []
    problems = [f"{name}: missing" for name in missing]
    problems += [f"{name}: not listed in metadata.yaml; run `ros2 bag reindex`" for name in unlisted]
    return [file for file in files if file is not None], problems


def _is_recording(name: str) -> bool:
    return name.removesuffix(PACKED).endswith(FILES)


def _stem(name: str) -> str:
    return Path(name.removesuffix(PACKED)).stem


def _metadata(path: Path) -> _Metadata | None:
    """Content of metadata.yaml as far as it makes sense; None without one that lists files."""
    try:
        content: dict[str, Any] = read_yaml(path / "metadata.yaml")["rosbag2_bagfile_information"]
        metadata = _Metadata([Path(name).name for name in content["relative_file_paths"]])
    except (OSError, ValueError, KeyError, TypeError):  # also DocumentError
        return None
    for entry in _entries(content.get("topics_with_message_count")):
        about = entry.get("topic_metadata")
        name, count = about.get("name") if isinstance(about, Mapping) else None, entry.get("message_count")
        if isinstance(name, str) and isinstance(count, int):
            metadata.counts[name] = metadata.counts.get(name, 0) + count
    return metadata if metadata.files else None


def _entries(content: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in content if isinstance(entry, Mapping)] if isinstance(content, list) else []
