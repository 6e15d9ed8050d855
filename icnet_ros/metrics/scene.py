"""Whether a camera sees what the network was trained for: a running mean of the confidence of its frames."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

EVERY = 8  # pixels: a grid of this step is enough for the mean of a frame


@dataclass(frozen=True)
class SceneSettings:
    """When a scene counts as unlike the training.

    warning: mean confidence, 0..1, under which it does; 0: never. seconds: of the running mean.
    margin: how far the mean must rise above `warning` before a scene is familiar again.
    """

    warning: float = 0.7
    seconds: float = 5.0
    margin: float = 0.03


class SceneMonitor:
    """Running mean of the confidence of one camera's frames, by an exponential window of the time between them."""

    def __init__(self, settings: SceneSettings = SceneSettings()) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget all frames, as after a jump of the clock or another model."""
        self._time, self._began = math.nan, math.nan
        self.mean = math.nan  # 0..1, NaN before the first frame
        self._unfamiliar = False

    def update(self, now: float, confidence: npt.NDArray[np.uint8]) -> None:
        """Take in the confidence map of a frame, uint8 (H, W); now: seconds of a monotonic clock."""
        value = float(confidence[::EVERY, ::EVERY].mean()) / 255
        if math.isnan(self.mean):
            self.mean, self._began = value, now
        else:
            weight = 1 - math.exp(-max(now - self._time, 0.0) / self._settings.seconds)
            self.mean += weight * (value - self.mean)
        self._time = now
        limit = self._settings.warning
        self._unfamiliar = self.mean < (limit + self._settings.margin if self._unfamiliar else limit)

    def warning(self) -> str:
        """Why the labels of this camera are doubtful, "" if they are not; for a warning in /diagnostics.

        Not before frames of `seconds` were seen.
        """
        if not self._unfamiliar or self._time - self._began < self._settings.seconds:
            return ""
        return (
            f"scene: mean confidence {self.mean:.2f}, under {self._settings.warning:g}: not like the training images; "
            "train on images of this place, or do not rely on the labels"
        )
