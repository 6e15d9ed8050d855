"""Why frames have no labels, in few lines: errors that differ only in numbers are one."""

import re
from collections import Counter
from collections.abc import Iterable

from icnet_ros.replay.results.frame_record import FrameRecord

MAX_LISTED = 10
NUMBER = re.compile(r"\d+(\.\d+)?")


def frame_errors(frames: Iterable[FrameRecord]) -> list[str]:
    """The first error of each kind and how many frames have it, the most frequent kind first."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for frame in frames:
        if frame.error:
            kind = NUMBER.sub("0", frame.error)
            first.setdefault(kind, frame.error)
            counts[kind] += 1
    listed = counts.most_common(MAX_LISTED)
    texts = [f"{first[kind]} ({count} frame{'s' if count > 1 else ''})" for kind, count in listed]
    if more := len(counts) - len(listed):
        texts.append(f"and {more} other reasons")
    return texts
