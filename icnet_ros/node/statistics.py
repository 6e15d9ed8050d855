"""Rates and latency percentiles over a sliding window."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from itertools import islice, pairwise
from statistics import median
from typing import NamedTuple

import numpy as np

from icnet_ros.node.worker import SILENT_S

PERCENTILES = (50, 95, 99)
LAST = 20  # intervals between images whose median is their period: a gap, as of a paused bag, does not count


class _Finished(NamedTuple):
    """A labelled frame, see `Statistics.finished`."""

    time: float
    stages: Mapping[str, float]
    exit: str
    reduced: bool


class Statistics:
    """Rates and latencies of the last `window` seconds of a monotonic clock. Thread-safe."""

    def __init__(self, window: float) -> None:
        self.window = window
        self._lock = threading.Lock()
        self._arrivals: deque[float] = deque()
        self._drops: deque[float] = deque()
        self._failures: deque[float] = deque()
        self._damaged: deque[float] = deque()
        self._frames: deque[_Finished] = deque()

    def arrived(self, now: float, *, dropped: bool) -> None:
        """Record an image received at `now` (s); dropped: it replaced an older one in the mailbox."""
        with self._lock:
            self._arrivals.append(now)
            if dropped:
                self._drops.append(now)

    def image_rate(self, now: float) -> float:
        """Images per second by the median interval of the last ones; 0 where none came for a second."""
        with self._lock:
            last = list(islice(reversed(self._arrivals), LAST + 1))
        if len(last) < 2 or last[0] < now - SILENT_S:
            return 0.0
        return 1 / max(median(late - early for late, early in pairwise(last)), 1e-6)

    def finished(self, now: float, stages: Mapping[str, float], exit_: str, *, reduced: bool = False) -> None:
        """Record a frame labelled at `now` (s) by `exit_`; stages: milliseconds by stage; reduced: see LabelMap."""
        with self._lock:
            self._frames.append(_Finished(now, stages, exit_, reduced))

    def failed(self, now: float) -> None:
        """Record a frame that could not be labelled at `now` (s)."""
        with self._lock:
            self._failures.append(now)

    def damaged(self, now: float) -> None:
        """Record an image received damaged, decoded at `now` (s)."""
        with self._lock:
            self._damaged.append(now)

    def reset(self) -> None:
        """Discard all records, as after a jump of the clock."""
        with self._lock:
            for events in (self._arrivals, self._drops, self._failures, self._damaged, self._frames):
                events.clear()

    def summary(self, now: float) -> dict[str, float]:
        """Statistics of the window.

        Keys: frame_rate_msg and frame_rate_node (Hz), drop_ratio, failed_ratio, damaged_ratio and reduced_ratio (0..1),
        STAGE_pNN (ms), and exit_share_EXIT (0..1) of each exit used. What cannot be known is left out.
        """
        start = now - self.window
        with self._lock:
            for times in (self._arrivals, self._drops, self._failures, self._damaged):
                while times and times[0] < start:
                    times.popleft()
            while self._frames and self._frames[0].time < start:
                self._frames.popleft()
            arrivals, frames = list(self._arrivals), list(self._frames)
            drops, failures, damaged = len(self._drops), len(self._failures), len(self._damaged)
        result = {
            "frame_rate_msg": _rate(arrivals),
            "frame_rate_node": _rate([frame.time for frame in frames]),
            "drop_ratio": drops / len(arrivals) if arrivals else 0.0,
            "failed_ratio": failures / (failures + len(frames)) if failures else 0.0,
            "reduced_ratio": sum(frame.reduced for frame in frames) / len(frames) if frames else 0.0,
        }
        for stage in frames[-1].stages if frames else ():
            values = np.array([frame.stages[stage] for frame in frames])
            values = values[np.isfinite(values)]
            if values.size:
                for p, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True):
                    result[f"{stage}_p{p}"] = float(value)
        if damaged:
            result["damaged_ratio"] = min(damaged / max(failures + len(frames), 1), 1.0)
        for exit_, count in Counter(frame.exit for frame in frames).items():
            result[f"exit_share_{exit_}"] = count / len(frames)
        return result


def _rate(times: list[float]) -> float:
    """Events per second between the first and the last."""
    return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
