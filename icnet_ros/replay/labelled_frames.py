"""Iterates over the labelled frames of a drive: bag message, frame record and stored label map."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from icnet_ros.metrics.frame import UInt8
from icnet_ros.replay.frame_record import FrameRecord
from icnet_ros.replay.replay_drives import DriveResult
from icnet_ros.replay.result_store import ResultStore
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import WireError, deserialise
from icnet_ros.wire.image import Picture, decode_compressed, decode_image
from icnet_ros.wire.topic import Message, Topic


@dataclass(frozen=True)
class LabelledFrame:
    """A frame that has labels (H, W)."""

    record: FrameRecord
    labels: UInt8
    message: Message
    topic: Topic

    @cached_property
    def header(self) -> Any:
        """Header of the image."""
        return deserialise(self.message.data, self.topic.kind).header

    @cached_property
    def picture(self) -> Picture:
        """The image, decoded."""
        return (decode_compressed if self.topic.compressed else decode_image)(self.message.data)


def labelled_frames(drive_result: DriveResult) -> Iterator[LabelledFrame]:
    """The frames of a drive that have labels, in their order.

    Raises WireError if the bag cannot be opened, FileNotFoundError if a label map is gone.
    """
    drive, result, index = drive_result.drive, drive_result.result, drive_result.index
    if result is None or index is None:
        return
    records = {record.number: record for record in result.frames if not record.error}
    store = ResultStore(drive.folder)
    try:
        with open_bag(drive.bag) as bag:
            topic = bag.image_topic(drive.selection.image_topic)
            for number, message in index.images.read(bag, topic.name, sorted(records)):
                labels = store.labels(number)
                if labels is None:
                    raise FileNotFoundError(
                        f"{drive.folder}: the label map of frame {number} is gone; start the replay again"
                    )
                yield LabelledFrame(records[number], labels, message, topic)
    except WireError:
        if not result.corruption:
            raise
