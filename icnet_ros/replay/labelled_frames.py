"""Iterates over the labelled frames of a drive: bag message, frame record and stored label map."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from icnet_ros.metrics.frame import UInt8
from icnet_ros.replay.frame_record import FrameRecord
from icnet_ros.replay.replay_drives import DriveResult
from icnet_ros.replay.result_store import ResultStore
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import Header, WireError
from icnet_ros.wire.decoders.table import open_decoder
from icnet_ros.wire.image import Picture
from icnet_ros.wire.reading import ImageMessage, read_images
from icnet_ros.wire.recording.topic import Message, Topic


@dataclass(frozen=True)
class LabelledFrame:
    """A frame that has labels (H, W)."""

    record: FrameRecord
    labels: UInt8
    image: ImageMessage
    topic: Topic

    @property
    def message(self) -> Message:
        """The message of the image."""
        return self.image.message

    @cached_property
    def header(self) -> Header:
        """Header of the image."""
        return open_decoder(self.topic.kind, self.topic.encoding).peek(self.message.data).header

    @cached_property
    def picture(self) -> Picture:
        """The image, decoded."""
        return self.image.picture()


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
            for image in read_images(bag, topic, index.images, sorted(records)):
                labels = store.labels(image.number)
                if labels is None:
                    raise FileNotFoundError(
                        f"{drive.folder}: the label map of frame {image.number} is gone; start the replay again"
                    )
                yield LabelledFrame(records[image.number], labels, image, topic)
    except WireError:
        if not result.corruption:
            raise
