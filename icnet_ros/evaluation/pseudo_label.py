"""Predictions of a teacher network for images without labels, averaged over input sizes and mirroring."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from icnet_ros.engine.base import Engine, Frame, Request, UInt8

Float32 = npt.NDArray[np.float32]


def mean_probabilities(engines: Sequence[Engine], image: UInt8, *, flip: bool) -> Float32:
    """Mean of the softmax probabilities (H, W, classes) of a network, `engines` at several input sizes.

    image: BGR uint8 (H, W, 3). flip: also of the mirrored image. Raises EngineError.
    """
    views = [(engine, mirrored) for engine in engines for mirrored in (False, True)[: 1 + flip]]
    total = np.zeros((*image.shape[:2], len(engines[0].spec.classes)), np.float32)
    wanted = Request(scores=tuple(range(total.shape[2])))
    for engine, mirrored in views:
        pixels = np.ascontiguousarray(image[:, ::-1]) if mirrored else image
        scores = engine.segment([Frame(pixels)], wanted)[0].scores
        assert scores is not None
        total += scores[:, ::-1] if mirrored else scores
    total /= len(views)
    return total
