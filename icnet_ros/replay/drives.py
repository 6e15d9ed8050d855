"""Finds the drives to replay and names them."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path

from icnet_ros.replay.results.result_store import MADE_WITH
from icnet_ros.replay.selection import Selection
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.topic import Topic

MAX_CAMERA_NAME = 100  # characters; file systems allow 255 bytes for the name of a folder
PREDICTIONS = "predictions"  # name of the bag that a replay writes


@dataclass(frozen=True)
class Drive:
    """One camera of one bag. folder: for its results. error: why it cannot be replayed, "" if it can."""

    name: str
    bag: Path
    folder: Path
    selection: Selection
    error: str = ""


def find_drives(
    bags: Sequence[Path], pattern: str, out: Path, selection: Selection, cameras: Sequence[str]
) -> list[Drive]:
    """Drives of the given bags and of those that match `pattern`: all cameras, or the topics in `cameras`.

    The results of a single drive go to `out`, those of several to one subfolder each. Raises WireError if no bag
    matches, or if the only one cannot be read.
    """
    matches = [Path(name) for name in sorted(glob(pattern, recursive=True))]  # noqa: PTH207  patterns may be absolute
    paths = [*bags, *(_bag_of(path) for path in matches if not _of_a_replay(path, out))]
    by_target: dict[Path, Path] = {}
    for path in paths:
        by_target.setdefault(path.resolve(), path)  # one bag by two paths is one drive
    paths = list(by_target.values())
    if not paths:
        raise WireError(f"no bag matches {pattern!r}" if pattern else "no bag given; pass a bag, or --fleet 'PATTERN'")
    found: list[Drive] = []
    for name, path in zip(bag_names(paths), paths, strict=True):
        try:
            with open_bag(path) as bag:
                annotated = selection.ground_truth_topic
                requested = list(dict.fromkeys(bag.image_topic(camera) for camera in cameras))
                topics = requested or bag.cameras(annotated) or [bag.image_topic("", annotated)]
                if annotated and len(topics) > 1:
                    raise WireError(
                        f"{path}: {annotated} is the ground truth of one camera: name it with --image-topic"
                    )
        except WireError as err:
            if len(paths) == 1:
                raise
            found.append(Drive(name, path, out, selection, error=str(err)))
            continue
        for topic, camera in zip(topics, _camera_names(topics), strict=True):
            found.append(Drive(name + camera, path, out, replace(selection, image_topic=topic.name)))
    if len(found) == 1:
        return found
    names = _distinct([drive.name for drive in found])
    return [replace(drive, name=name, folder=out / name) for drive, name in zip(found, names, strict=True)]


def bag_names(paths: Sequence[Path]) -> list[str]:
    """File or folder names, with parent folders and suffixes where they would be equal otherwise."""
    full = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  removes .. but keeps symlinks
    plain = [path.with_suffix("") if path.is_file() else path for path in full]
    short = [path.name for path in plain]
    if len(set(short)) < len(short):
        root = Path(os.path.commonpath([path.parent for path in full]))
        counts = Counter(plain)
        long = (path if counts[stem] > 1 else stem for path, stem in zip(full, plain, strict=True))
        short = [".".join(path.relative_to(root).parts) for path in long]
    return _distinct(short)


def _camera_names(topics: Sequence[Topic]) -> list[str]:
    """Suffixes of drive names such as ".front.image"; "" for a single camera.

    They become names of folders: characters that ROS does not allow in topic names become "_", long names are cut.
    """
    if len(topics) == 1:
        return [""]
    bases = Counter(topic.base for topic in topics)
    names = (topic.base if bases[topic.base] == 1 else topic.name for topic in topics)
    parts = (f".{name.removeprefix('/').replace('/', '.')}" for name in names)  # only ROS requires the first /
    return [re.sub(r"[^A-Za-z0-9_.~-]", "_", part)[:MAX_CAMERA_NAME] for part in parts]


def _distinct(names: Sequence[str]) -> list[str]:
    """The names made unique: a repeated name becomes name-2, name-3, ..."""
    unique: dict[str, None] = {}
    for name in names:
        number, candidate = 1, name
        while candidate in unique:
            number += 1
            candidate = f"{name}-{number}"
        unique[candidate] = None
    return list(unique)


def _of_a_replay(path: Path, out: Path) -> bool:
    """Whether an earlier replay wrote this path: a predictions bag, or the folder that contains it."""
    if path.resolve() == out.resolve():
        return not (out / "metadata.yaml").exists()
    written = [one for one in (path, *path.parents) if one.name == PREDICTIONS]
    return any((one.parent / "labels" / MADE_WITH).exists() for one in written)


def _bag_of(path: Path) -> Path:
    """The bag that a file belongs to."""
    return path.parent if path.is_file() and (path.parent / "metadata.yaml").exists() else path
