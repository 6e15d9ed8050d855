"""The frames of a bag again, each with the label map that a replay kept of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from icnet_ros.evaluation.frames import Row
from icnet_ros.evaluation.kept import Kept
from icnet_ros.evaluation.replay import Replay
from icnet_ros.evaluation.selection import Selection
from icnet_ros.render import UInt8
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import WireError, deserialise
from icnet_ros.wire.image import Picture, decode_compressed, decode_image
from icnet_ros.wire.index import Index
from icnet_ros.wire.storage import Message, Topic


@dataclass(frozen=True)
class Shown:
    """A frame that has labels (H, W)."""

    row: Row
    labels: UInt8
    message: Message
    topic: Topic

    @cached_property
    def header(self) -> Any:
        """Of the image."""
        return deserialise(self.message.data, self.topic.kind).header

    @cached_property
    def picture(self) -> Picture:
        """The image."""
        return (decode_compressed if self.topic.compressed else decode_image)(self.message.data)


def shown(found: Replay, bag_path: Path, folder: Path, selection: Selection, images: Index) -> Iterator[Shown]:
    """The labelled frames of `found` in their order, with their label maps in `folder`.

    Raises WireError if the bag cannot be opened, FileNotFoundError if a label map is gone.
    """
    rows = {row.number: row for row in found.rows if not row.problem}
    kept = Kept(folder)
    try:
        with open_bag(bag_path) as bag:
            topic = bag.image_topic(selection.image_topic)
            for number, message in images.read(bag, topic.name, sorted(rows)):
                labels = kept.labels(number)
                if labels is None:
                    raise FileNotFoundError(
                        f"{folder}: the label map of frame {number} is gone; start the replay again"
                    )
                yield Shown(rows[number], labels, message, topic)
    except WireError:
        if not found.damage:
            raise
