"""Retry of a failing engine with exponential backoff, and an optional fallback engine."""

import math
from collections.abc import Callable, Sequence
from time import monotonic

from icnet_ros.engine.base import LABELS_ONLY, Engine, EngineError, Frame, FrameError, LabelMap, Request

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


class RetryingEngine(Engine):
    """Runs `engine`, with retries and an optional fallback.

    One failure costs one frame, or none with a fallback. From the second consecutive failure on, `engine`
    is not called for a while, twice as long each time (exponential backoff); frames meanwhile go to the
    fallback or fail at once.
    """

    def __init__(self, engine: Engine, fallback: Engine | None = None, now: Callable[[], float] = monotonic) -> None:
        """now: seconds of a monotonic clock."""
        self._engine, self._fallback, self._now = engine, fallback, now
        self.spec, self.device, self.precision = engine.spec, engine.device, engine.precision
        self.name, self.exit = engine.name, engine.exit
        self.last_error = ""
        self.has_fallback = fallback is not None
        self._failures = 0
        self._next_try = -math.inf

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """See Engine. Warms up both engines, so that the fallback is ready when it is needed."""
        for engine in self._engines():
            engine.warm_up(height, width, batch)

    def segment(self, frames: Sequence[Frame], request: Request = LABELS_ONLY) -> list[LabelMap]:
        """See Engine."""
        if self._now() >= self._next_try:
            try:
                label_maps = self._run(self._engine, frames, request)
            except ValueError:  # an invalid frame, not a failure of the engine
                raise
            except FrameError as err:  # nor this, and the fallback may be able to label it
                if self._fallback is None:
                    raise
                self.last_error = str(err)
                return self._run(self._fallback, frames, request)
            except Exception as err:  # runtimes have errors of their own
                self._failed(err)
                if self._fallback is None:
                    raise
            else:
                self.last_error, self._failures = "", 0
                return label_maps
        if self._fallback is None:
            wait = self._next_try - self._now()
            raise EngineError(f"{self.last_error} (failed {self._failures} times in a row, next try in {wait:.1f} s)")
        return self._run(self._fallback, frames, request)

    def memory(self) -> int | None:
        """See Engine."""
        return self._engine.memory()

    def close(self) -> None:
        """See Engine."""
        for engine in self._engines():
            engine.close()

    def _run(self, engine: Engine, frames: Sequence[Frame], request: Request) -> list[LabelMap]:
        label_maps = engine.segment(frames, request)
        self.name, self.exit = engine.name, engine.exit
        return label_maps

    def _failed(self, err: Exception) -> None:
        self.last_error = str(err) if isinstance(err, EngineError) else f"{type(err).__name__}: {err}"
        self._failures += 1
        if self._failures > 1:
            self._next_try = self._now() + min(FIRST_PAUSE_S * 2.0 ** min(self._failures - 2, 30), LONGEST_PAUSE_S)

    def _engines(self) -> list[Engine]:
        return [self._engine] if self._fallback is None else [self._engine, self._fallback]
