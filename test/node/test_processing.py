"""What is done with the images that the worker takes, with stand-ins for cameras and engine."""

import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from icnet_ros.engine.base import EngineError
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.outputs.camera_outputs import Wanted
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.processing import FrameProcessor
from icnet_ros.wire.cdr import WireError


class Camera:
    def __init__(self, name):
        self.name, self.failures, self.published, self.publish_error, self.decode_error = name, [], [], None, None
        self.outputs = SimpleNamespace(wanted=lambda _: Wanted({}, Needs(scores=(len(name),))))

    def decode(self, image, *_):
        if self.decode_error:
            raise self.decode_error
        return SimpleNamespace(camera=self.name, frame=image)

    def publish(self, decoded, label_map, *_):
        if self.publish_error:
            raise self.publish_error
        self.published.append((decoded.frame, label_map))

    def fail(self, reason):
        self.failures.append(reason)


class Engine:
    """Refuses batches with a frame "bad"; notes what was asked for, and whether an earlier batch is still in memory."""

    def __init__(self):
        self.requests, self.batches, self.pinned = [], [], []

    def segment(self, frames, request):
        self.pinned.append([batch() is not None for batch in self.batches])
        self.requests.append((tuple(frames), request.scores))
        memory = np.zeros(1)  # as the tensors of a batch
        self.batches.append(weakref.ref(memory))
        if "bad" in frames:
            raise EngineError("out of memory")
        return [f"labels of {frame}" for frame in frames]


@pytest.fixture
def setup():
    cameras, engine, logged = {name: Camera(name) for name in ("left", "front")}, Engine(), []
    logger = SimpleNamespace(error=lambda text, **_: logged.append(text))
    node = SimpleNamespace(get_logger=lambda: logger)
    processor = FrameProcessor(node, engine, cameras, Parameters(exit="sub4"))
    return processor, cameras, engine, logged


def test_a_batch_asks_for_what_any_camera_needs(setup):
    processor, cameras, engine, logged = setup
    assert processor.process({"left": "a", "front": "b"}) == {"left", "front"}
    assert engine.requests == [(("a", "b"), (4, 5))]
    assert (cameras["front"].published, logged) == ([("b", "labels of b")], [])


def test_one_bad_frame_costs_a_batch_only_itself_and_no_memory(setup):
    processor, cameras, engine, logged = setup
    assert processor.process({"left": "a", "front": "bad"}) == {"left"}
    assert [frames for frames, _ in engine.requests] == [("a", "bad"), ("a",), ("bad",)]
    assert not any(any(pinned) for pinned in engine.pinned), "the batch is freed before its frames are tried alone"
    assert (cameras["left"].failures, cameras["front"].failures) == ([], ["frame not segmented: out of memory"])
    assert logged == ["front: frame not segmented: out of memory"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (WireError("cut off"), "unusable image: cut off"),
        (ValueError("no size yet"), "frame not segmented: no size yet"),
        (SystemExit(3), "frame not segmented: SystemExit: 3"),
    ],
)
@pytest.mark.parametrize("where", ["decode_error", "publish_error"])
def test_whatever_is_raised_fails_one_frame_and_the_thread_goes_on(setup, error, text, where):
    processor, cameras, _, logged = setup
    setattr(cameras["left"], where, error)
    assert processor.process({"left": "a", "front": "b"}) == {"front"}
    assert cameras["left"].failures == [text]
    assert logged[-1] == f"left: {text}"
    assert ("Traceback" in logged[0]) == (type(error) is SystemExit)
