"""Frames of a drive with their predicted labels, for correction in an annotation tool and for training."""

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.report.annotation.base import Prelabelled
from icnet_ros.report.annotation.table import open_writer
from icnet_ros.report.outputs import Output, PaintedFrame
from icnet_ros.report.report_json import worst_first
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, WireError, deserialise
from icnet_ros.wire.image import png_file
from icnet_ros.wire.pictures.picture_file import is_turned, picture_size

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png"}  # of files that annotation tools read


class AnnotationExport(Output):
    """The worst frames, and every n-th, in a folder that an annotation tool imports."""

    def __init__(
        self,
        folder: Path,
        drive: str,
        records: Sequence[FrameRecord],
        classes: ClassTable,
        *,
        worst: int,
        every: int,
        tool: str = "cvat",
    ) -> None:
        """worst: number of frames with the lowest mIoU, or confidence without ground truth. every: each n-th, too.

        folder: or FOLDER-2, ... if there is one. tool: see `annotation.table`.
        """
        self._figure = "miou" if any(len(record.ground_truth) for record in records) else "confidence"
        chosen = [*worst_first(records, self._figure)[:worst], *(records[::every] if every else ())]
        self._numbers = {record.number for record in chosen}
        self._drive = drive
        self._writer = open_writer(tool, folder, drive, classes)
        self._any = False

    def add(self, frame: PaintedFrame) -> None:
        """See Output."""
        record = frame.frame.record
        if record.number not in self._numbers:
            return
        suffix, content = _image_file(frame)
        score = float(getattr(record, self._figure))
        name = f"{self._drive}_{record.number:06d}"
        known = score if math.isfinite(score) else None
        self._writer.add(Prelabelled(name, suffix, content, frame.frame.labels, known))
        self._any = True

    def close(self) -> None:
        """See Output."""
        if self._any:
            self._writer.close()


def _image_file(frame: PaintedFrame) -> tuple[str, bytes]:
    """Suffix and content of the image: the recorded JPEG or PNG file, or else a PNG of the decoded image.

    Also a PNG if the recorded file names an orientation: annotation tools would turn the image, but not its labels.
    """
    if frame.frame.topic.kind == COMPRESSED_IMAGE:
        content = bytes(deserialise(frame.frame.message.data, COMPRESSED_IMAGE).data)
        with suppress(WireError):  # another format
            suffix = SUFFIXES.get(picture_size(content)[0])
            if suffix is not None and not is_turned(content):
                return suffix, content
    return ".png", png_file(frame.bgr).tobytes()
