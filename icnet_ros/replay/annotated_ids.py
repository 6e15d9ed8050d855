"""Ground truth whose ids are not those of the classes."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress

import cv2
import numpy as np
import yaml

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.metrics.frame import UInt8
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.wire.bag import Bag
from icnet_ros.wire.cdr import LABEL_INFO, WireError, deserialise
from icnet_ros.wire.topic import Topic


class AnnotatedIds:
    """Warns of ids in ground truth that are no class: they count nowhere, and the others may mean other classes."""

    def __init__(self, classes: ClassTable, warn: Callable[[str, int], None], remedy: str) -> None:
        """classes: whose ids the ground truth should have. warn: takes a text and a place, see DataWarning.

        remedy: how to give the class of each id.
        """
        self._classes, self._warn, self._remedy = classes, warn, remedy
        self._first = -1

    def check(self, labels: UInt8, place: int) -> None:
        """Look at a label map, uint8 (H, W)."""
        counts = cv2.calcHist([np.ascontiguousarray(labels)], [0], None, [256], [0, 256]).reshape(-1)
        counts[: len(self._classes)] = counts[self._classes.ignore] = 0
        found = np.flatnonzero(counts)
        if not found.size:
            return
        if self._first < 0:
            self._first = int(found[0])
        self._warn(
            f"the ground truth has ids that are no class of {self._classes.name}, such as {self._first}; they count "
            "nowhere. If it has the ids of another label set, the others mean other classes, too: give the class of "
            f"each id with {self._remedy}, lines of the form `{self._first}: {self._classes.names[0]}` or "
            f"`{self._first}: ignore`",
            place,
        )


def check_recorded_names(bag: Bag, topic: Topic, classes: ClassTable, warn: Callable[[str, int], None]) -> None:
    """`compare_names` for a ground truth topic of a bag and the LabelInfo that was recorded beside it, if any."""
    info, names = _recorded_names(bag, topic)
    compare_names(topic.name, info, names, classes, warn, "--mapping FILE")


def compare_names(
    topic: str, info: str, names: Mapping[int, str], classes: ClassTable, warn: Callable[[str, int], None], remedy: str
) -> None:
    """Compare `classes` with the names that the LabelInfo on topic `info` gives to the ids of a ground truth topic.

    warn, remedy: see AnnotatedIds; for an id of a class whose name is that of no class. Raises GroundTruthError if a
    class has another id there.
    """
    ids = {_plain(name): number for number, name in enumerate(classes.names)}
    known = {number: ids[_plain(name)] for number, name in names.items() if _plain(name) in ids}
    if wrong := [number for number, one in known.items() if one != number]:
        mapping = {number: classes.names[one] for number, one in sorted(known.items())} | {"others": "ignore"}
        shown = yaml.safe_dump(mapping, default_flow_style=True, sort_keys=False, width=10_000).strip()
        raise GroundTruthError(
            f"{topic} has other ids than {classes.name}: {info} calls {wrong[0]} {names[wrong[0]]!r}, which is "
            f"{known[wrong[0]]} there. Give the class of each id with {remedy}, such as {shown}"
        )
    if strange := [number for number in names if number not in known and number < len(classes)]:
        warn(
            f"{info} calls {strange[0]} {names[strange[0]]!r}, which is scored as {classes.names[strange[0]]!r} of "
            f"{classes.name}; if that is another class, give the class of each id with {remedy}",
            -1,
        )


def lies_beside(info: str, base: str) -> bool:
    """Whether a topic of LabelInfo names the ids of the image topic `base`: it lies in its folder or below it."""
    return info.rpartition("/")[0] in (base, base.rpartition("/")[0])


def _recorded_names(bag: Bag, topic: Topic) -> tuple[str, dict[int, str]]:
    """The topic of LabelInfo that belongs to a topic of label images, and its names by id; "" and {} without one."""
    inputs = bag.inputs()
    if topic.name not in inputs:  # of a node, and chosen as ground truth
        inputs = [one.name for one in bag.topics()]
    kinds = {one.name: one.kind for one in bag.topics()}
    infos = [name for name in inputs if kinds[name] == LABEL_INFO and lies_beside(name, topic.base)]
    for info in sorted(infos, key=len, reverse=True):
        with suppress(WireError):  # the bag or the message is corrupt
            for message in bag.messages(info):
                found = deserialise(message.content(), LABEL_INFO).class_map
                return info, {int(one.class_id): str(one.class_name) for one in found}
    return "", {}


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()
