"""What a list of figures amounts to."""

from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Mean, p5, p50 and p95 of the finite ones; None if there is none."""
    finite = np.array([value for value in values if np.isfinite(value)])
    if not finite.size:
        return None
    quantiles = {f"p{p}": round(float(np.percentile(finite, p)), 6) for p in (5, 50, 95)}
    return {"mean": round(float(finite.mean()), 6), **quantiles}


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """p50, p95 and p99 of the finite ones; None if there is none."""
    finite = np.array([value for value in values if np.isfinite(value)])
    if not finite.size:
        return None
    return {f"p{p}": round(float(np.percentile(finite, p)), 3) for p in (50, 95, 99)}
