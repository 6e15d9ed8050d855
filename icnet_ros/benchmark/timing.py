"""Times that can be compared: all contestants in turn, round after round, in one process."""

import statistics
from collections.abc import Callable, Mapping
from time import perf_counter, sleep

Progress = Callable[[str, int, int], None]
SETTLE_S = 0.05  # thread pools of one contestant spin on after its work and would slow the next


def interleaved(
    contestants: Mapping[str, Callable[[], object]], rounds: int, progress: Progress, warm_up: int = 1
) -> dict[str, float]:
    """Median seconds of each, over `rounds` in which each runs once; a busy machine is busy for all.

    A contestant returns when its work is done: it waits for its device itself.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    done, total = 0, (rounds + warm_up) * len(contestants)
    for number in range(warm_up + rounds):
        for name, run in contestants.items():
            sleep(SETTLE_S)
            started = perf_counter()
            run()
            if number >= warm_up:
                times[name].append(perf_counter() - started)
            done += 1
            progress(name, done, total)
    return {name: statistics.median(values) for name, values in times.items()}
