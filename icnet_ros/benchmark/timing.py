"""Comparable timings: all candidates run alternately, round by round, in one process."""

import statistics
from collections.abc import Callable, Mapping
from time import perf_counter, sleep

Progress = Callable[[str, int, int], None]
SETTLE_S = 0.05  # s; thread pools keep spinning after a run and would slow down the next candidate


def interleaved(
    candidates: Mapping[str, Callable[[], object]], rounds: int, progress: Progress, warm_up: int = 1
) -> dict[str, float]:
    """Median seconds of each candidate. Each runs once per round, so that load on the machine affects all alike.

    A candidate must not return before its work is done; it synchronises with its device itself.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    done, total = 0, (rounds + warm_up) * len(candidates)
    for number in range(warm_up + rounds):
        for name, run in candidates.items():
            sleep(SETTLE_S)
            started = perf_counter()
            run()
            if number >= warm_up:
                times[name].append(perf_counter() - started)
            done += 1
            progress(name, done, total)
    return {name: statistics.median(values) for name, values in times.items()}
