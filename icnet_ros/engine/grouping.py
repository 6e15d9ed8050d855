"""How the classes of a network become the classes of its label maps."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.classes import ClassTableError
from icnet_ros.checkpoint.groups import LabelGroups, load_groups
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import EngineError, EngineOptions, UInt8


class Grouping:
    """The classes that an engine publishes.

    spec: of the network, with the classes of its label maps. groups: None if these are the classes of the network.
    classes: number of classes of the network. group_of: int64 (classes,), the index of the group of each class.
    ids: uint8 (groups,), the label of each group.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        """Raises EngineError for groups that cannot be used."""
        self.groups = read_groups(spec, options.label_groups)
        self.classes = len(spec.classes)
        self.spec = spec if self.groups is None else replace(spec, classes=self.groups.classes)
        groups = tuple(range(self.classes)) if self.groups is None else self.groups.group_of
        self.group_of: npt.NDArray[np.int64] = np.array(groups, np.int64)
        self.ids: UInt8 = np.array(range(self.classes) if self.groups is None else self.groups.ids, np.uint8)

    def channel_of(self, scores: Sequence[int]) -> npt.NDArray[np.int64]:
        """For each class of the network its channel among the published classes `scores`, -1 for none."""
        channels = {index: channel for channel, index in enumerate(scores)}
        return np.array([channels.get(int(group), -1) for group in self.group_of], np.int64)


def read_groups(spec: ModelSpec, name: str) -> LabelGroups | None:
    """Label groups by name or path for the classes of `spec`; None for "". Raises EngineError."""
    if not name:
        return None
    try:
        return load_groups(name, spec.classes)
    except ClassTableError as err:
        raise EngineError(f"label_groups: {err}") from err


def published_spec(spec: ModelSpec, options: EngineOptions) -> ModelSpec:
    """`spec` with the classes of the label maps that an engine with these options gives. Raises EngineError."""
    return Grouping(spec, options).spec
