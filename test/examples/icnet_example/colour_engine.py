"""Engine `colours`: the class whose colour is nearest, for simulators that send label images in colours."""

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import LABELS_ONLY, Engine, EngineError, EngineOptions, Frame, LabelMap, Request


class ColourEngine(Engine):
    """Needs no network; the confidence falls from 1 to 0 with the distance between the colours."""

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        if options.device not in ("auto", "cpu"):
            raise EngineError(f"engine 'colours' has no device {options.device!r}; set device to auto")
        self.name, self.device, self.precision, self.exit = "colours", "cpu", "fp32", options.exit
        self.spec = checkpoint.spec
        self._colours = np.array(self.spec.classes.colours, np.int32)  # RGB

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """See Engine. Nothing is compiled."""

    def segment(self, frames: Sequence[Frame], request: Request = LABELS_ONLY) -> list[LabelMap]:
        """See Engine."""
        return [self._label(frame, request) for frame in frames]

    def _label(self, frame: Frame, request: Request) -> LabelMap:
        started = perf_counter()
        rows, columns = ((np.arange(n) * m) // n for n, m in zip(frame.label_size, frame.pixels.shape[:2], strict=True))
        rgb = frame.pixels[rows][:, columns].astype(np.int32)
        rgb = rgb if frame.order == "rgb" else rgb[..., ::-1]
        distance = np.abs(rgb[..., None, :] - self._colours).sum(axis=-1)  # (H, W, classes)
        labels = distance.argmin(axis=-1).astype(np.uint8)
        nearness = 1 - distance.astype(np.float32) / 765
        confidence = (255 * nearness.max(axis=-1)).astype(np.uint8) if request.confidence else None
        scores = nearness[..., list(request.scores)] if request.scores else None
        stages = {"preprocess": 0.0, "inference": 1000 * (perf_counter() - started), "postprocess": 0.0}
        return LabelMap(labels, confidence, scores, stages, frame.pixels.shape[0])

    def memory(self) -> int | None:
        """See Engine."""
        return None

    def close(self) -> None:
        """See Engine."""
