"""Comparable timings: all candidates run alternately, round by round, in one process."""

import statistics
from collections.abc import Callable, Mapping
from time import perf_counter, process_time, sleep
from typing import NamedTuple

Progress = Callable[[str, int, int], None]
SETTLE_S = 0.05  # s; thread pools keep spinning after a run and would slow down the next candidate


class Times(NamedTuple):
    """Seconds of a candidate by round. wall: by the clock. cpu: of all threads of this process."""

    wall: list[float]
    cpu: list[float]


def by_round(
    candidates: Mapping[str, Callable[[], object]], rounds: int, progress: Progress, warm_up: int = 1
) -> dict[str, Times]:
    """Times of each candidate. Each runs once per round, so that load on the machine affects all alike.

    A candidate must not return before its work is done; it synchronises with its device itself.
    """
    times = {name: Times([], []) for name in candidates}
    done, total = 0, (rounds + warm_up) * len(candidates)
    for number in range(warm_up + rounds):
        for name, run in candidates.items():
            sleep(SETTLE_S)
            started, cpu = perf_counter(), process_time()
            run()
            if number >= warm_up:
                times[name].wall.append(perf_counter() - started)
                times[name].cpu.append(process_time() - cpu)
            done += 1
            progress(name, done, total)
    return times


def interleaved(
    candidates: Mapping[str, Callable[[], object]], rounds: int, progress: Progress, warm_up: int = 1
) -> dict[str, float]:
    """Median seconds of each candidate by the clock, see `by_round`."""
    times = by_round(candidates, rounds, progress, warm_up)
    return {name: statistics.median(one.wall) for name, one in times.items()}


def ratio(first: list[float], second: list[float]) -> float:
    """Median of the ratios of two candidates in the same round."""
    return statistics.median(one / other for one, other in zip(first, second, strict=True))
