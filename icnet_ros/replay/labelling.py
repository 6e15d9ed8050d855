"""Label maps of the frames of a drive: from a predictor, or from what an earlier run stored."""

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, Literal

import cv2

from icnet_ros.engine.base import STAGES, Engine, Frame, FrameError, LabelMap, Request
from icnet_ros.metrics.frame import pixels_by_class
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.wire.bag import Bag
from icnet_ros.wire.decoders.base import decode_damaged
from icnet_ros.wire.image import Picture, stamp_ns
from icnet_ros.wire.index import TopicIndex
from icnet_ros.wire.pictures.jpeg import DamagedImageError
from icnet_ros.wire.reading import ImageMessage, read_images
from icnet_ros.wire.topic import Topic

# A picture -> its label map. Raises ValueError for a picture that cannot be labelled.
Predictor = Callable[[Picture], LabelMap]


# What happens to a JPEG of which a part is missing: "fail" gives it no labels; "count" labels it and warns.
DamagedImages = Literal["fail", "count"]
REQUEST = Request(confidence=True)


def engine_predictor(engine: Engine) -> Predictor:
    """Predictor that runs an engine; as in the node, it warms up before the first frame of each size."""
    warm: set[tuple[int, ...]] = set()

    def predict(picture: Picture) -> LabelMap:
        height, width = picture.pixels.shape[:2]
        if (height, width) not in warm:
            engine.warm_up(height, width)
            warm.add((height, width))
        stamp = stamp_ns(picture.header)
        frame = Frame(picture.pixels, picture.order, time=stamp / 1e9 if stamp else math.nan)
        return engine.segment([frame], REQUEST)[0]

    return predict


class FrameLabeller:
    """Records and label maps of frames: stored ones if they belong to the same message, else new ones.

    new: how many frames the predictor has labelled.
    """

    def __init__(
        self, image: Topic, predict: Predictor, store: ResultStore, *, confidence: bool, damaged: DamagedImages = "fail"
    ) -> None:
        """confidence: whether confidence maps are stored, too. damaged: see DamagedImages."""
        self._topic = image
        self._predict, self._store, self._confidence, self._damaged = predict, store, confidence, damaged
        self._records = store.records()
        self._stored: set[int] = set()  # frames whose label maps are in the store already
        self.new = 0

    def label(self, image: ImageMessage) -> tuple[FrameRecord, LabelMap | None]:
        """Record and label map of a frame. If it cannot be labelled, the label map is None and `error` is set."""
        number, message = image.number, image.message
        crc = zlib.crc32(message.data)
        record = self._records.get(number)
        if record is not None and record.crc == crc:
            if record.error:
                return record, None
            labels = self._store.labels(number)
            if labels is not None and pixels_by_class(labels, len(record.pixels)) == [*record.pixels]:
                self._stored.add(number)
                return record, LabelMap(labels)
        started = perf_counter()
        record = FrameRecord(number, stamp_ns=0, recorded_ns=message.recorded_ns, crc=crc)
        try:
            picture, damage = self._picture(image)
            record = replace(record, stamp_ns=stamp_ns(picture.header), damage=damage)
            decode_ms = 1000 * (image.seconds + perf_counter() - started)
            label_map = self._predict(picture)
        except (ValueError, FrameError) as err:  # also WireError; or a frame that is too small
            return replace(record, error=str(err)), None
        self.new += 1
        figures: dict[str, Any] = {}
        if label_map.stages:
            figures = {f"{stage}_ms": round(label_map.stages[stage], 3) for stage in STAGES}
        if label_map.confidence is not None:
            figures["confidence"] = round(float(cv2.mean(label_map.confidence)[0]) / 255, 5)
        return replace(record, decode_ms=round(decode_ms, 3), **figures), label_map

    def _picture(self, image: ImageMessage) -> tuple[Picture, str]:
        """The picture of a message, and what is wrong with it if it is damaged. Raises WireError."""
        try:
            return image.picture(), ""
        except DamagedImageError as err:
            if self._damaged == "fail":
                raise
            return decode_damaged(err), str(err)

    def last_labelled(
        self, bag: Bag, images: TopicIndex, numbers: Sequence[int]
    ) -> tuple[int, FrameRecord, LabelMap] | None:
        """The last of these frames that has labels, None if none has."""
        for image in reversed(list(read_images(bag, self._topic, images, numbers))):
            record, label_map = self.label(image)
            if label_map is not None:
                return image.number, record, label_map
        return None

    def store(self, number: int, label_map: LabelMap) -> None:
        """Write a new label map into the result store."""
        if number in self._stored:
            return
        self._store.write_labels(number, label_map.labels)
        if self._confidence and label_map.confidence is not None:
            self._store.write_confidence(number, label_map.confidence)
