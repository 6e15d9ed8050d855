import numpy as np
import pytest

from icnet_ros.engine.base import Engine, EngineError, EngineOptions, Frame, FrameError, LabelMap
from icnet_ros.engine.retrying import LONGEST_PAUSE_S, RetryingEngine
from icnet_ros.engine.table import open_engine

FRAME = [Frame(np.zeros((40, 40, 3), np.uint8))]


class Engines:
    """Two engines, the first of which fails when told to, and a clock that is moved by hand."""

    def __init__(self, tiny, *, fallback=True):
        self.time, self.broken, self.asked = 0.0, False, 0
        first = open_engine("torch", tiny, EngineOptions("cpu"))
        first.segment = self.answer
        second = open_engine("torch", tiny, EngineOptions("cpu", exit="sub4")) if fallback else None
        self.engine = RetryingEngine(first, second, now=lambda: self.time)

    def answer(self, frames, request=None):
        self.asked += 1
        if self.broken:
            raise EngineError("out of memory")
        return [LabelMap(np.zeros((40, 40), np.uint8))] * len(frames)


def test_an_engine_that_works_is_all_there_is(tiny):
    engines = Engines(tiny)
    assert isinstance(engines.engine, Engine)
    for _ in range(3):
        engines.engine.segment(FRAME)
    assert (engines.asked, engines.engine.last_error, engines.engine.exit) == (3, "", "sub124")


def test_one_failure_costs_one_frame(tiny):
    engines = Engines(tiny, fallback=False)
    engines.broken = True
    with pytest.raises(EngineError, match="out of memory"):
        engines.engine.segment(FRAME)
    engines.broken = False
    engines.engine.segment(FRAME)
    assert engines.engine.last_error == ""


def test_the_fallback_lives_however_long_the_engine_is_broken(tiny):
    engines = Engines(tiny)
    engines.broken = True
    for step in range(1200):  # a try every 30 s
        engines.time = 31.0 * step
        assert engines.engine.segment(FRAME)[0].labels.shape == (40, 40)
        assert engines.engine.exit == "sub4"
    assert engines.asked == 1200


@pytest.mark.parametrize("fallback", [True, False])
def test_a_frame_that_cannot_be_labelled_is_no_failure_of_the_engine(tiny, fallback):
    engines = Engines(tiny, fallback=fallback)
    good = engines.answer

    def answer(frames, request):
        if engines.broken:
            raise FrameError("the network gave NaN")
        return good(frames, request)

    engines.engine._engine.segment = answer
    for _ in range(3):
        engines.broken = True
        if fallback:
            assert engines.engine.segment(FRAME)[0].labels.shape == (40, 40)
            assert (engines.engine.exit, engines.engine.last_error) == ("sub4", "the network gave NaN")
        else:
            with pytest.raises(FrameError):
                engines.engine.segment(FRAME)
    engines.broken = False
    engines.engine.segment(FRAME)
    assert (engines.asked, engines.engine.exit, engines.engine.last_error) == (1, "sub124", "")


def test_an_engine_that_goes_on_failing_is_left_alone_longer_and_longer(tiny):
    engines = Engines(tiny, fallback=False)
    engines.broken = True
    tries = []
    for step in range(6000):
        engines.time = step * 0.05
        before = engines.asked
        with pytest.raises(EngineError, match="out of memory"):
            engines.engine.segment(FRAME)
        if engines.asked > before:
            tries.append(engines.time)
    pauses = np.diff(tries)
    assert pauses[0] < 0.1
    assert np.allclose(pauses[1:7], [0.5, 1, 2, 4, 8, 16], atol=0.051)
    assert pauses.max() <= LONGEST_PAUSE_S + 0.051
    with pytest.raises(EngineError, match=r"failed \d+ times in a row, next try in"):
        engines.engine.segment(FRAME)
    engines.broken, engines.time = False, engines.time + LONGEST_PAUSE_S
    engines.engine.segment(FRAME)
    assert engines.engine.last_error == ""


def test_the_fallback_answers_meanwhile_and_the_first_comes_back(tiny):
    engines = Engines(tiny)
    engines.broken = True
    for step in range(20):
        engines.time = step * 0.1
        assert len(engines.engine.segment(FRAME)) == 1
        assert (engines.engine.exit, engines.engine.last_error) == ("sub4", "out of memory")
    assert engines.asked < 6
    engines.broken, engines.time = False, 60.0
    engines.engine.segment(FRAME)
    assert (engines.engine.exit, engines.engine.last_error) == ("sub124", "")


def test_a_frame_that_is_no_good_is_nobodys_fault(tiny):
    engines = Engines(tiny)
    guard = RetryingEngine(open_engine("torch", tiny, EngineOptions("cpu")), now=lambda: engines.time)
    for _ in range(3):
        with pytest.raises(ValueError, match="at least 32x32"):
            guard.segment([Frame(np.zeros((8, 8, 3), np.uint8))])
    assert guard.last_error == ""
