"""Images that two splits share, also scaled or compressed anew: what was trained on must not be scored."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from icnet_ros.dataset.base import Dataset

DISTANCE = 3  # of 64 bits; neighbouring frames of a drive differ in more
SMALLEST = 32  # rows or columns of a reduced picture, of which the cells are still means of many pixels


class Duplicate(NamedTuple):
    """Two files that look alike. bits: in which their hashes differ, of 64."""

    first: Path
    second: Path
    bits: int


def difference_hash(path: Path) -> int | None:
    """Whether each of 8x8 cells is brighter than its right neighbour, 64 bits; None for an unreadable or flat image."""
    grey = cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_4)
    if grey is not None and min(grey.shape) < SMALLEST:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        return None
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(int)
    if np.ptp(small) < 8:
        return None
    return int("".join("1" if one else "0" for one in (small[:, :-1] > small[:, 1:]).reshape(-1)), 2)


def duplicates(first: Dataset, second: Dataset, progress: Callable[[int, int], None]) -> list[Duplicate]:
    """Images of `second` that are also in `first`, each with the one that it is most like."""
    names, hashes = _hashes(first, progress)
    others, wanted = _hashes(second, progress)
    found: list[Duplicate] = []
    for path, value in zip(others, wanted, strict=True):
        bits = np.bitwise_count(hashes ^ value) if hasattr(np, "bitwise_count") else _count(hashes ^ value)
        best = int(bits.argmin()) if len(bits) else 0
        if len(bits) and bits[best] <= DISTANCE:
            found.append(Duplicate(names[best], path, int(bits[best])))
    return found


def _hashes(dataset: Dataset, progress: Callable[[int, int], None]) -> tuple[list[Path], npt.NDArray[np.uint64]]:
    paths = list(dict.fromkeys(pair.image for pair in dataset.pairs))
    kept: list[tuple[Path, int]] = []
    with ThreadPoolExecutor(4) as threads:
        for done, (path, value) in enumerate(zip(paths, threads.map(difference_hash, paths), strict=True), 1):
            if value is not None:
                kept.append((path, value))
            progress(done, len(paths))
    return [path for path, _ in kept], np.array([value for _, value in kept], np.uint64)


def _count(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Set bits; numpy 1 has no function for it."""
    counts: npt.NDArray[np.uint8] = np.unpackbits(values[:, None].view(np.uint8), axis=1).sum(1).astype(np.uint8)
    return counts
