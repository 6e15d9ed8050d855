"""The highest rate at which a node keeps up, as ros2_benchmark searches for it."""

from collections.abc import Callable

MAX_DROPPED = 0.05  # share of the images that may be left out at the highest rate
LOWEST_RATE, HIGHEST_RATE = 0.1, 2000.0  # Hz


def highest_rate(share_dropped: Callable[[float], float], start: float, precision: float = 0.03) -> float:
    """The largest rate (Hz) at which fewer than MAX_DROPPED are dropped, to a share of `precision`; 0 if there is none.

    share_dropped: rate -> share of the images that got no labels, measured anew with every call. start: the first rate
    that is tried; from there the rate is doubled or halved, then the interval is bisected.
    """
    kept, failed, rate = 0.0, float("inf"), start
    while rate >= LOWEST_RATE and kept < HIGHEST_RATE and failed > kept * (1 + precision):
        if share_dropped(rate) < MAX_DROPPED:
            kept = rate
            rate = min(2 * kept, HIGHEST_RATE) if failed == float("inf") else (kept + failed) / 2
        else:
            failed = rate
            rate = failed / 2 if not kept else (kept + failed) / 2
    return kept
