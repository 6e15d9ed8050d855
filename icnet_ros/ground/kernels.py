"""Kernels from label maps to the polar map, and from that to grid and scan."""

import numpy as np
from numba import njit

from icnet_ros.ground.arrays import Float32, Int8, Int32, UInt8, UInt32

# As in `costs`: numba takes them for constants.
HIDDEN, FIRST, UPRIGHT, VALUE = np.uint8(1), 2, np.uint8(128), np.uint8(127)


@njit(cache=True, nogil=True)
def march(  # pragma: no cover
    pixels: Int32, aside: Int32, labels: UInt8, confidence: UInt8, threshold: int, codes: UInt8, polar: UInt8
) -> None:  # pragma: no cover
    """Write the code of each sample into `polar` (bearings, radii), outward along each bearing.

    aside: (bearings,) from a place in the label map to that of the pixel beside it, across the bearing. labels:
    (H * W,). confidence: the same, or empty; labels below `threshold` are hidden. codes: (256,). An upright label
    counts where it begins, see `_foot`, with the bit UPRIGHT; until the ground is seen again, the samples are hidden.
    """
    bearings, radii = pixels.shape
    for b in range(bearings):
        behind = False
        for k in range(radii):
            place = pixels[b, k]
            if place < 0:
                polar[b, k] = 0
                continue
            code = codes[labels[place]]
            if confidence.size and confidence[place] < threshold:
                code = HIDDEN
            if code & UPRIGHT:
                polar[b, k] = HIDDEN
                if not behind and (code & VALUE) != HIDDEN:
                    foot = _foot(pixels[b], k, aside[b], labels, codes)
                    if foot >= 0:
                        polar[b, foot] = code
                behind = True
            else:
                polar[b, k] = code
                if code != HIDDEN:
                    behind = False


@njit(cache=True, nogil=True)
def _foot(pixels: Int32, first: int, aside: int, labels: UInt8, codes: UInt8) -> int:  # pragma: no cover
    """Sample of a bearing at which what is upright in sample `first` begins, -1 if that is another sample's.

    A bearing along the side of an upright thing meets pixels of that and of the ground in turn. The thing begins where
    a pixel beside the bearing, too, is upright for the first time.
    """
    k = first
    while k > 0:
        place = pixels[k - 1]
        if place < 0:
            break
        if codes[labels[place]] & UPRIGHT:
            return -1
        left, right = max(place - aside, 0), min(place + aside, len(labels) - 1)
        if not (codes[labels[left]] | codes[labels[right]]) & UPRIGHT:
            break
        k -= 1
    return k


@njit(cache=True, nogil=True)
def fill_cells(  # pragma: no cover
    polar: UInt8, starts: UInt32, samples: UInt32, costs: Int8, cells: Int8
) -> None:  # pragma: no cover
    """Write the cost of each cell. polar: (n,). starts, samples: of Tables.cells. costs: by code, ascending.

    Where something stands, its cost or that of the ground, whichever is higher; else the cost that most of the samples
    have, the higher one of two with the same number, or -1 if as many are hidden.
    """
    counts = np.zeros(len(costs), np.int32)
    for cell in range(len(cells)):
        start, stop = starts[cell], starts[cell + 1]
        if start == stop:
            cells[cell] = -1
            continue
        first, i = polar[samples[start]], start
        while i < stop and polar[samples[i]] == first:  # most cells are of one class
            i += np.uint32(1)
        if i == stop:
            cells[cell] = costs[first & VALUE]
            continue
        counts[:] = 0
        standing = np.int64(HIDDEN)
        for i in range(start, stop):
            code = polar[samples[i]]
            if code & UPRIGHT:
                standing = max(standing, np.int64(code & VALUE))
            else:
                counts[code] += 1
        most = np.int64(HIDDEN)
        for code in range(FIRST, len(costs)):
            if counts[code] > counts[most] or (counts[code] == counts[most] > 0 and most != HIDDEN):
                most = np.int64(code)
        cells[cell] = costs[max(most, standing)]


@njit(cache=True, nogil=True)
def measure_beams(  # pragma: no cover
    polar: UInt8,
    starts: UInt32,
    samples: UInt32,
    distances: Float32,
    obstacle: int,
    gap: float,
    range_min: float,
    range_max: float,
    ranges: Float32,
) -> None:  # pragma: no cover
    """Write the range of each beam. polar: (n,). starts, samples, distances: of Tables.beams and Tables.ranges.

    obstacle: codes from this one on are obstacles. The nearest counts; -inf if it is nearer than `range_min`. Without
    one, inf if the ground is free out to `range_max` with no hidden stretch longer than `gap`, else NaN.
    """
    for beam in range(len(ranges)):
        start, stop = starts[beam], starts[beam + 1]
        i = start
        while i < stop and polar[samples[i]] & VALUE < obstacle:
            i += np.uint32(1)
        if i < stop:
            ranges[beam] = distances[i] if distances[i] >= range_min else np.float32(-np.inf)
            continue
        i = start
        while i < stop and polar[samples[i]] == HIDDEN:  # before the first ground, such as the robot itself
            i += np.uint32(1)
        free = distances[i] if i < stop else np.float32(-1)
        while i < stop:
            if polar[samples[i]] != HIDDEN:
                if distances[i] - free > gap:
                    free = np.float32(-1)
                    break
                free = distances[i]
            i += np.uint32(1)
        ranges[beam] = np.float32(np.inf) if free >= range_max - gap else np.float32(np.nan)
