"""Which drives there are to replay, and what they are called."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path

from icnet_ros.replay.result_store import MADE_WITH
from icnet_ros.replay.selection import Selection
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.storage import Topic

PREDICTIONS = "predictions"  # name of the bag that a replay writes


@dataclass(frozen=True)
class Drive:
    """One camera of one bag. folder: where its results go. error: why there will be none, "" otherwise."""

    name: str
    bag: Path
    folder: Path
    selection: Selection
    error: str = ""


def find_drives(
    bags: Sequence[Path], pattern: str, out: Path, selection: Selection, cameras: Sequence[str]
) -> list[Drive]:
    """All cameras, or those whose topics are named, of these bags and of those that match the pattern.

    One drive alone has its results in `out`, several have a folder each below it. Raises WireError if no bag
    matches, or if the only one cannot be read.
    """
    matches = [Path(name) for name in sorted(glob(pattern, recursive=True))]  # noqa: PTH207  absolute ones, too
    paths = [*bags, *(_bag_of(path) for path in matches if not _of_a_replay(path, out))]
    by_target: dict[Path, Path] = {}
    for path in paths:
        by_target.setdefault(path.resolve(), path)  # one bag by two paths is one drive
    paths = list(by_target.values())
    if not paths:
        raise WireError(f"no bag matches {pattern!r}" if pattern else "name a bag, or several with --fleet 'PATTERN'")
    found: list[Drive] = []
    for name, path in zip(bag_names(paths), paths, strict=True):
        try:
            with open_bag(path) as bag:
                known = selection.ground_truth_topic
                named = list(dict.fromkeys(bag.image_topic(camera) for camera in cameras))
                topics = named or bag.cameras(known) or [bag.image_topic("", known)]
                if known and len(topics) > 1:
                    raise WireError(f"{path}: {known} is the ground truth of one camera: name it with --image-topic")
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
    """File or folder names; with parent folders, and with suffixes, where they would be the same."""
    full = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  a link keeps its name, .. goes
    plain = [path.with_suffix("") if path.is_file() else path for path in full]
    short = [path.name for path in plain]
    if len(set(short)) < len(short):
        root = Path(os.path.commonpath([path.parent for path in full]))
        often = Counter(plain)
        long = (path if often[one] > 1 else one for path, one in zip(full, plain, strict=True))
        short = [".".join(path.relative_to(root).parts) for path in long]
    return _distinct(short)


def _camera_names(topics: Sequence[Topic]) -> list[str]:
    """.front.image for each, empty for one alone."""
    if len(topics) == 1:
        return [""]
    bases = Counter(topic.base for topic in topics)
    return [(topic.base if bases[topic.base] == 1 else topic.name).replace("/", ".") for topic in topics]


def _distinct(names: Sequence[str]) -> list[str]:
    """The second of a name is called name-2."""
    given: dict[str, None] = {}
    for name in names:
        number, one = 1, name
        while one in given:
            number += 1
            one = f"{name}-{number}"
        given[one] = None
    return list(given)


def _of_a_replay(path: Path, out: Path) -> bool:
    """Whether an earlier replay wrote it: the predictions bag of a drive, or the folder that it is in."""
    if path.resolve() == out.resolve():
        return not (out / "metadata.yaml").exists()
    written = [one for one in (path, *path.parents) if one.name == PREDICTIONS]
    return any((one.parent / "labels" / MADE_WITH).exists() for one in written)


def _bag_of(path: Path) -> Path:
    """The bag that a file belongs to."""
    return path.parent if path.is_file() and (path.parent / "metadata.yaml").exists() else path
