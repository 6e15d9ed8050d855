"""Early exits under a deadline: use the deepest exit that is expected to finish in time."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from time import perf_counter

import numpy as np

from icnet_ros.engine.base import Engine, Frame, LabelMap

SMOOTHING = 0.2  # weight of the newest frame in the running mean and deviation of the slowdown
MARGIN = 2.0  # deviations added to the mean for the expected time of a frame
PATIENCE = 10  # frames in a row for which a deeper exit must have fitted before it is tried
LONGEST_PATIENCE = 160


class ExitChooser:
    """Chooses an exit for each frame: an earlier one at once, a deeper one only after PATIENCE frames.

    Load, larger frames and thermal throttling slow all exits alike: one running mean and deviation of
    the slowdown predicts the time of each. If a deeper exit has to be left soon after it was tried, the
    patience is doubled, so that the choice does not oscillate.
    """

    def __init__(self, milliseconds: Mapping[str, float]) -> None:
        """milliseconds: time of a frame with each exit on an idle machine, coarse to fine."""
        self._cost = dict(milliseconds)
        self._exits = list(milliseconds)
        self._current = len(self._exits) - 1
        self._slowdown, self._deviation = 1.0, 0.0
        self._fitting = 0  # frames in a row for which the next deeper exit would have fitted
        self._since_climb = LONGEST_PATIENCE
        self._patience = PATIENCE

    def expected(self, exit_: str) -> float:
        """Upper estimate of the milliseconds of a frame with this exit under the current load."""
        return self._cost[exit_] * (self._slowdown + MARGIN * self._deviation)

    def choose(self, remaining_ms: float) -> str:
        """The exit for a frame that has `remaining_ms` left; the earliest one if none fits."""
        self._since_climb += 1
        if self.expected(self._exits[self._current]) > remaining_ms:
            if self._since_climb < PATIENCE:
                self._patience = min(2 * self._patience, LONGEST_PATIENCE)
            while self._current > 0 and self.expected(self._exits[self._current]) > remaining_ms:
                self._current -= 1
            self._fitting = 0
        elif self._current + 1 < len(self._exits):
            fits = self.expected(self._exits[self._current + 1]) <= remaining_ms
            self._fitting = self._fitting + 1 if fits else 0
            if self._fitting >= self._patience:
                self._current += 1
                self._fitting, self._since_climb = 0, 0
        if self._since_climb > LONGEST_PATIENCE:
            self._patience = PATIENCE
        return self._exits[self._current]

    def observe(self, exit_: str, milliseconds: float) -> None:
        """Update the estimate with the measured time of a frame with this exit."""
        error = milliseconds / self._cost[exit_] - self._slowdown
        self._slowdown += SMOOTHING * error
        self._deviation += SMOOTHING * (abs(error) - self._deviation)


class Cascade:
    """Implements Engine with one engine per exit, and chooses among them.

    remaining_ms: time that the next `segment` may take. wanted_exit: the exit to use, or "auto" to choose by
    the time left. The caller sets both. exit: the one that was used last.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        """engines: of one checkpoint, coarse to fine."""
        self._engines = {engine.exit: engine for engine in engines}
        deepest = engines[-1]
        self.name, self.spec, self.device, self.precision = (
            deepest.name,
            deepest.spec,
            deepest.device,
            deepest.precision,
        )
        self.exit = deepest.exit
        self.remaining_ms, self.wanted_exit = math.inf, "auto"
        self._chooser = ExitChooser({engine.exit: 1.0 for engine in engines})

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """See Engine. Measures what each exit takes."""
        frames = [Frame(np.zeros((height, width, 3), np.uint8), self.spec.channel_order)] * batch
        cost: dict[str, float] = {}
        for exit_, engine in self._engines.items():
            engine.warm_up(height, width, batch)
            times = []
            for _ in range(5):
                started = perf_counter()
                engine.segment(frames)
                times.append(1000 * (perf_counter() - started))
            cost[exit_] = median(times)
        self._chooser = ExitChooser(cost)

    def segment(
        self, frames: Sequence[Frame], *, confidence: bool = False, scores: Sequence[int] = ()
    ) -> list[LabelMap]:
        """See Engine."""
        started = perf_counter()
        chosen = self._chooser.choose(self.remaining_ms)
        self.exit = chosen if self.wanted_exit == "auto" else self.wanted_exit
        label_maps = self._engines[self.exit].segment(frames, confidence=confidence, scores=scores)
        self._chooser.observe(self.exit, 1000 * (perf_counter() - started))
        return label_maps

    def memory(self) -> int | None:
        """See Engine."""
        return self._engines[self.exit].memory()

    def close(self) -> None:
        """See Engine."""
        for engine in self._engines.values():
            engine.close()
