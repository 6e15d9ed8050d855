import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icnet_ros.engine.base import Engine, EngineOptions, Frame
from icnet_ros.engine.cascade import LONGEST_PATIENCE, PATIENCE, ExitChooser
from icnet_ros.engine.table import open_engine

COST = {"sub4": 10.0, "sub24": 20.0, "sub124": 40.0}


def drive(chooser, budget, load, frames):
    """Exits chosen while each takes `load(frame)` times what it takes on an idle machine."""
    chosen = []
    for number in range(frames):
        chosen.append(chooser.choose(budget))
        chooser.observe(chosen[-1], COST[chosen[-1]] * load(number))
    return chosen


@pytest.mark.parametrize(
    ("budget", "exit_"), [(math.inf, "sub124"), (41, "sub124"), (39, "sub24"), (12, "sub4"), (1, "sub4")]
)
def test_the_deepest_exit_that_fits(budget, exit_):
    assert drive(ExitChooser(COST), budget, lambda _: 1.0, 50)[-1] == exit_


@settings(max_examples=60, deadline=None)
@given(st.floats(5, 400), st.floats(0.5, 8), st.integers(0, 1000))
def test_under_any_steady_load_nearly_all_frames_keep_a_budget_that_some_exit_can_keep(budget, load, seed):
    noise = np.random.default_rng(seed).normal(1, 0.03, 400).clip(0.9, 1.1)
    chooser = ExitChooser(COST)
    chosen = drive(chooser, budget, lambda number: load * noise[number], 400)[50:]
    late = [COST[exit_] * load * noise[50 + number] > budget for number, exit_ in enumerate(chosen)]
    if COST["sub4"] * load * 1.12 < budget:
        assert np.mean(late) < 0.05
    deepest = max((exit_ for exit_ in COST if COST[exit_] * load * 1.25 < budget), key=COST.get, default="sub4")
    assert COST[chosen[-1]] >= COST[deepest]


def test_load_that_comes_and_goes():
    def load(number):
        return 3.0 if 100 <= number < 300 else 1.0

    chosen = drive(ExitChooser(COST), 50, load, 600)
    assert chosen[99] == "sub124"
    assert set(chosen[103:300]) == {"sub4"}  # three frames are late before it is believed
    assert chosen[-1] == "sub124"
    first = next(number for number in range(300, 600) if chosen[number] != "sub4")
    assert first >= 300 + PATIENCE


def test_the_choice_does_not_flutter_at_the_edge():
    """A load under which a deeper exit seems to fit and then does not."""
    rng = np.random.default_rng(0)
    chosen = drive(ExitChooser(COST), 44, lambda _: rng.choice([1.0, 1.4], p=[0.9, 0.1]), 2000)
    switches = sum(one != other for one, other in pairwise(chosen))
    assert switches < 2000 / PATIENCE / 2
    assert LONGEST_PATIENCE > PATIENCE


def test_the_engine_answers_with_the_exit_it_names(tiny):
    cascade = open_engine("torch", tiny, EngineOptions("cpu", exit="auto"))
    assert isinstance(cascade, Engine)
    cascade.warm_up(64, 96)
    frame = Frame(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    single = {exit_: open_engine("torch", tiny, EngineOptions("cpu", exit=exit_)) for exit_ in tiny.spec.exits}
    for remaining, expected in ((math.inf, "sub124"), (-5.0, "sub4")):
        cascade.remaining_ms = remaining
        answer = cascade.segment([frame])[0]
        assert cascade.exit == expected
        assert np.array_equal(answer.labels, single[expected].segment([frame])[0].labels)
    cascade.close()
