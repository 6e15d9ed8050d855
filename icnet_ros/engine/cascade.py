"""Deadlines: of a cascade's exits, the deepest whose answer will be there in time."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from time import perf_counter

import numpy as np

from icnet_ros.engine.base import Engine, Frame, LabelMap

MEMORY = 0.2  # weight of the newest frame in the running mean and deviation of the slowdown
MARGIN = 2.0  # deviations above the mean that a frame is expected to take
PATIENCE = 10  # frames in a row for which a deeper exit must have fitted before it is tried
LONGEST_PATIENCE = 160


class ExitChooser:
    """Picks an exit for each frame; goes to an earlier one at once, to a deeper one with patience.

    What slows one exit down (other processes, larger frames, heat) slows all: one running estimate of
    the slowdown, mean and deviation, tells what each would take. A deeper exit that has to be left
    soon after it was tried doubles the patience, so that the choice does not flutter.
    """

    def __init__(self, milliseconds: Mapping[str, float]) -> None:
        """milliseconds: of each exit on an idle machine, coarse to fine."""
        self._cost = dict(milliseconds)
        self._exits = list(milliseconds)
        self._current = len(self._exits) - 1
        self._slowdown, self._deviation = 1.0, 0.0
        self._fitting = 0  # frames in a row for which the next deeper exit would have fitted
        self._since_climb = LONGEST_PATIENCE
        self._patience = PATIENCE

    def expected(self, exit_: str) -> float:
        """Milliseconds that hardly any frame of this exit will exceed, as things are."""
        return self._cost[exit_] * (self._slowdown + MARGIN * self._deviation)

    def choose(self, remaining_ms: float) -> str:
        """The exit for a frame whose answer is wanted in `remaining_ms`; the earliest if none fits."""
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
        """What a frame of this exit really took."""
        error = milliseconds / self._cost[exit_] - self._slowdown
        self._slowdown += MEMORY * error
        self._deviation += MEMORY * (abs(error) - self._deviation)


class Cascade:
    """An engine for each exit, and the choice among them. Keeps the contract of Engine.

    remaining_ms: time that the next `segment` may take. wanted_exit: the exit to use, "auto" leaves it to the
    time. Both are set by who calls. exit: the one that answered last.
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

    def segment(self, frames: Sequence[Frame], *, confidence: bool = False) -> list[LabelMap]:
        """See Engine."""
        started = perf_counter()
        chosen = self._chooser.choose(self.remaining_ms)
        self.exit = chosen if self.wanted_exit == "auto" else self.wanted_exit
        label_maps = self._engines[self.exit].segment(frames, confidence=confidence)
        self._chooser.observe(self.exit, 1000 * (perf_counter() - started))
        return label_maps

    def memory(self) -> int | None:
        """See Engine."""
        return self._engines[self.exit].memory()

    def close(self) -> None:
        """See Engine."""
        for engine in self._engines.values():
            engine.close()
