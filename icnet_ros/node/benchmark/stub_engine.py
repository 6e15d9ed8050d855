"""The segmentation node with a stub engine, to measure everything else: `python -m ...stub_engine`."""

from collections.abc import Sequence

import numpy as np

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import LABELS_ONLY, STAGES, Engine, Frame, LabelMap, Request
from icnet_ros.engine.table import ENGINES, Entry


class StubEngine(Engine):
    """Every pixel is class 0."""

    def __init__(self, *_: object) -> None:
        self.name, self.device, self.precision, self.exit = "stub", "cpu", "fp32", "sub124"
        self.spec = ModelSpec(load_classes("camvid"), trained=True)

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """See Engine."""

    def segment(self, frames: Sequence[Frame], request: Request = LABELS_ONLY) -> list[LabelMap]:
        """See Engine."""
        return [LabelMap(np.zeros(frame.label_size, np.uint8), stages=dict.fromkeys(STAGES, 0.0)) for frame in frames]

    def memory(self) -> int | None:
        """See Engine."""
        return None

    def close(self) -> None:
        """See Engine."""


if __name__ == "__main__":
    from icnet_ros.node.main import main

    ENGINES["torch"] = Entry("icnet_ros.node.benchmark.stub_engine", "StubEngine")
    raise SystemExit(main())
