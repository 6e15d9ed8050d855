"""Summary statistics of a list of measurements."""

from collections.abc import Sequence

import numpy as np


def distribution(values: Sequence[float]) -> dict[str, float] | None:
    """Mean, p5, p50 and p95 of the finite values; None if there is none."""
    found = percentiles(values, (5, 50, 95), digits=6)
    return found and {"mean": round(float(np.mean([value for value in values if np.isfinite(value)])), 6), **found}


def percentiles(
    values: Sequence[float], at: Sequence[int] = (50, 95, 99), *, digits: int = 3
) -> dict[str, float] | None:
    """Percentiles of the finite values as {"p50": ..., "p95": ..., "p99": ...}; None if there is none."""
    finite = [value for value in values if np.isfinite(value)]
    return {f"p{p}": round(float(np.percentile(finite, p)), digits) for p in at} if finite else None
