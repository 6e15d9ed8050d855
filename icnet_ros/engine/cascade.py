"""Early exits and smaller inputs under a deadline: use the most accurate that is expected to finish in time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from time import perf_counter

import numpy as np

from icnet_ros.checkpoint.ladder import Step
from icnet_ros.engine.adapted import AdaptedEngine
from icnet_ros.engine.base import LABELS_ONLY, Engine, Frame, LabelMap, Request

SMOOTHING = 0.2  # weight of the newest frame in the running mean and deviation of the slowdown
MARGIN = 2.0  # deviations added to the mean for the expected time of a frame
PATIENCE = 10  # frames in a row for which a slower step must have fitted before it is tried
LONGEST_PATIENCE = 160


class StepChooser:
    """Chooses a step (exit and input size) for each frame: a faster one at once, a slower one after PATIENCE frames.

    Load, larger frames and thermal throttling slow all steps alike: one running mean and deviation of the slowdown
    predicts the time of each. If a slower step has to be left soon after it was tried, the patience is doubled, so that
    the choice does not oscillate.
    """

    def __init__(self, milliseconds: Mapping[str, float]) -> None:
        """milliseconds: time of a frame with each step on an idle machine, from fast to accurate."""
        self._cost = dict(milliseconds)
        self._steps = list(milliseconds)
        self._current = len(self._steps) - 1
        self._slowdown, self._deviation = 1.0, 0.0
        self._fitting = 0  # frames in a row for which the next slower step would have fitted
        self._since_climb = LONGEST_PATIENCE
        self._patience = PATIENCE

    def expected(self, step: str) -> float:
        """Upper estimate of the milliseconds of a frame with this step under the current load."""
        return self._cost[step] * (self._slowdown + MARGIN * self._deviation)

    def choose(self, remaining_ms: float) -> str:
        """The step for a frame that has `remaining_ms` left; the fastest one if none fits."""
        self._since_climb += 1
        if self.expected(self._steps[self._current]) > remaining_ms:
            if self._since_climb < PATIENCE:
                self._patience = min(2 * self._patience, LONGEST_PATIENCE)
            while self._current > 0 and self.expected(self._steps[self._current]) > remaining_ms:
                self._current -= 1
            self._fitting = 0
        elif self._current + 1 < len(self._steps):
            fits = self.expected(self._steps[self._current + 1]) <= remaining_ms
            self._fitting = self._fitting + 1 if fits else 0
            if self._fitting >= self._patience:
                self._current += 1
                self._fitting, self._since_climb = 0, 0
        if self._since_climb > LONGEST_PATIENCE:
            self._patience = PATIENCE
        return self._steps[self._current]

    def observe(self, step: str, milliseconds: float) -> None:
        """Update the estimate with the measured time of a frame with this step."""
        error = milliseconds / self._cost[step] - self._slowdown
        self._slowdown += SMOOTHING * error
        self._deviation += SMOOTHING * (abs(error) - self._deviation)


class Cascade(Engine):
    """One engine per step; chooses among them by the time that is left for a frame."""

    def __init__(self, ladder: Mapping[Step, Engine], exits: Mapping[str, Engine]) -> None:
        """ladder: engines by step, from fast to accurate. exits: those of one checkpoint, by exit."""
        self._steps = {step.name: step for step in ladder}
        self._ladder = {step.name: engine for step, engine in ladder.items()}
        self._exits = dict(exits)
        deepest = list(exits.values())[-1]
        self.name, self.spec, self.device, self.precision = (
            deepest.name,
            deepest.spec,
            deepest.device,
            deepest.precision,
        )
        self.exit = deepest.exit
        self._used = deepest
        self._chooser = StepChooser(dict.fromkeys(self._ladder, 1.0))

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """See Engine. Measures what each step takes."""
        sizes = (size for engine in self._engines() if isinstance(engine, AdaptedEngine) for size in engine.frame_sizes)
        height, width = next(sizes, (height, width))
        picture = np.zeros((height, width, 3), np.uint8)
        cost: dict[str, float] = {}
        for engine in self._engines():
            engine.warm_up(height, width, batch)
        for step, engine in self._ladder.items():
            times = []
            for number in range(5):
                # One after another, as of a camera: engines may carry something over.
                frames = [Frame(picture, self.spec.channel_order, time=number / 30)] * batch
                started = perf_counter()
                engine.segment(frames)
                times.append(1000 * (perf_counter() - started))
            cost[step] = median(times)
        self._chooser = StepChooser(cost)

    def segment(self, frames: Sequence[Frame], request: Request = LABELS_ONLY) -> list[LabelMap]:
        """See Engine."""
        started = perf_counter()
        if request.exit != "auto":
            self.exit, self._used = request.exit, self._exits[request.exit]
            return self._used.segment(frames, request)
        step = self._chooser.choose(request.remaining_ms)
        self.exit, self._used = self._steps[step].label, self._ladder[step]
        label_maps = self._used.segment(frames, request)
        self._chooser.observe(step, 1000 * (perf_counter() - started))
        reduced = step != list(self._ladder)[-1]
        return [replace(label_map, reduced=reduced) for label_map in label_maps]

    def memory(self) -> int | None:
        """See Engine."""
        return self._used.memory()

    def close(self) -> None:
        """See Engine."""
        for engine in self._engines():
            engine.close()

    def _engines(self) -> list[Engine]:
        """All engines, those that both mappings hold once."""
        return list({id(engine): engine for engine in (*self._ladder.values(), *self._exits.values())}.values())
