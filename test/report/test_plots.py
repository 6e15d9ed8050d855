"""Charts of the HTML pages, without a browser."""

import pytest

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.report.plots import timeline

CLASSES = ClassTable("two", ("a", "b"), ((0, 0, 0), (1, 1, 1)))


@pytest.mark.parametrize(
    ("recorded", "places", "title"),
    [
        ((5, 6, 6, 8), [0, 1, 1, 3], "seconds"),
        ((5, 6, 5, 6), [7, 8, 9, 10], "frame"),  # the clock of a simulation was set back
        ((0, 0, 0, 0), [7, 8, 9, 10], "frame"),  # written by a program that knows no times
        ((5,), [0], "seconds"),
        ((), [], "seconds"),
    ],
)
def test_frames_go_on_along_the_drive(recorded, places, title):
    frames = [
        FrameRecord(number, stamp_ns=1, recorded_ns=time * 10**9, confidence=0.5, pixels=(3, 1))
        for number, time in enumerate(recorded, 7)
    ]
    figure = timeline(frames, CLASSES, scored=False)
    assert all(list(line.x) == places for line in figure.data)
    assert figure.layout.xaxis2.title.text == title
