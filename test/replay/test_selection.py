"""Which frames of a drive are replayed."""

from icnet_ros.replay.selection import Selection
from icnet_ros.wire.index import TopicIndex

SECOND = 10**9


def test_frames_before_the_first_one_are_selected():
    """The clock was set back while it was recorded into a file without chunks, which is read in its own order."""
    recorded = tuple(SECOND * time for time in (100, 101, 3, 4))
    images = TopicIndex(recorded, recorded)
    assert list(Selection().of(images)) == [0, 1, 2, 3]
    assert list(Selection(start=1.0, end=50.0).of(images)) == [3]
