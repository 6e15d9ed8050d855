import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icnet_ros.checkpoint.file import open_checkpoint, save
from icnet_ros.checkpoint.ladder import Step, make_ladder, read_ladder, to_metrics
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.artefacts.header import update_metrics
from icnet_ros.engine.base import Engine, EngineError, EngineOptions, Frame, Request
from icnet_ros.engine.cascade import LONGEST_PATIENCE, PATIENCE, StepChooser
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
    assert drive(StepChooser(COST), budget, lambda _: 1.0, 50)[-1] == exit_


@settings(max_examples=60, deadline=None)
@given(st.floats(5, 400), st.floats(0.5, 8), st.integers(0, 1000))
def test_under_any_steady_load_nearly_all_frames_keep_a_budget_that_some_exit_can_keep(budget, load, seed):
    noise = np.random.default_rng(seed).normal(1, 0.03, 400).clip(0.9, 1.1)
    chooser = StepChooser(COST)
    chosen = drive(chooser, budget, lambda number: load * noise[number], 400)[50:]
    late = [COST[exit_] * load * noise[50 + number] > budget for number, exit_ in enumerate(chosen)]
    if COST["sub4"] * load * 1.12 < budget:
        assert np.mean(late) < 0.05
    deepest = max((exit_ for exit_ in COST if COST[exit_] * load * 1.25 < budget), key=COST.get, default="sub4")
    assert COST[chosen[-1]] >= COST[deepest]


def test_load_that_comes_and_goes():
    def load(number):
        return 3.0 if 100 <= number < 300 else 1.0

    chosen = drive(StepChooser(COST), 50, load, 600)
    assert chosen[99] == "sub124"
    assert set(chosen[103:300]) == {"sub4"}  # three frames are late before it is believed
    assert chosen[-1] == "sub124"
    first = next(number for number in range(300, 600) if chosen[number] != "sub4")
    assert first >= 300 + PATIENCE


def test_the_choice_does_not_flutter_at_the_edge():
    """A load under which a deeper exit seems to fit and then does not."""
    rng = np.random.default_rng(0)
    chosen = drive(StepChooser(COST), 44, lambda _: rng.choice([1.0, 1.4], p=[0.9, 0.1]), 2000)
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
        answer = cascade.segment([frame], Request(remaining_ms=remaining))[0]
        assert cascade.exit == expected
        assert np.array_equal(answer.labels, single[expected].segment([frame])[0].labels)
    cascade.close()


LADDER = (Step("sub4", 48, 0.3), Step("sub124", 48, 0.4), Step("sub124", 96, 0.5))


def with_ladder(tiny, ladder):
    steps = [step._asdict() for step in ladder]
    return dataclasses.replace(tiny, spec=dataclasses.replace(tiny.spec, metrics={"ladder": steps}))


def test_a_stored_ladder_has_sizes_beside_exits(tiny):
    """Labels are those of an engine that was opened with the exit and the rows that are named."""
    checkpoint = with_ladder(tiny, LADDER)
    cascade = open_engine("torch", checkpoint, EngineOptions("cpu", exit="auto"))
    cascade.warm_up(64, 96)
    frame = Frame(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    for remaining, wanted, exit_, rows, reduced in (
        (-5.0, "auto", "sub4", 48, True),
        (math.inf, "sub24", "sub24", 64, False),
        (math.inf, "auto", "sub4", 48, True),  # patience
    ):
        label_map = cascade.segment([frame], Request(exit=wanted, remaining_ms=remaining))[0]
        assert (cascade.exit, label_map.input_rows, label_map.reduced) == (exit_, rows, reduced)
        single = open_engine("torch", tiny, EngineOptions("cpu", exit=exit_, rows=rows))
        assert np.array_equal(label_map.labels, single.segment([frame])[0].labels)
    seen = [(cascade.exit, cascade.segment([frame])[0].input_rows) for _ in range(60)]
    assert cascade.segment([frame])[0].input_rows == 96
    assert seen[-1] == ("sub124", 96)
    cascade.close()


def test_a_ladder_has_steps_of_a_network_beside_the_checkpoint(tiny, tmp_path, caplog):
    steps = (Step("sub124", 48, 0.3, "fast"), Step("sub124", 64, 0.4, "fast"), Step("sub124", 64, 0.5))
    assert [step.name for step in steps[1:]] == ["fast sub124 at 64 rows", "sub124 at 64 rows"]
    spec = dataclasses.replace(tiny.spec, metrics=to_metrics(steps), frame_height=64)
    save(tmp_path / "net.safetensors", spec, tiny.weights)
    other = {name: value.flip(0) if name.startswith("cls.") else value for name, value in tiny.weights.items()}
    checkpoint, options = open_checkpoint(tmp_path / "net.safetensors"), EngineOptions("cpu", exit="auto")
    assert read_ladder(checkpoint.spec) == steps

    alone = open_engine("torch", checkpoint, options)
    assert "net: the steps of fast in its ladder are left out: it is not beside it" in caplog.text
    assert len(alone._ladder) == 1

    save(tmp_path / "fast.safetensors", dataclasses.replace(spec, metrics={}), other)
    cascade = open_engine("torch", checkpoint, options)
    cascade.warm_up(64, 96)
    frame = Frame(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    found = cascade.segment([frame], Request(remaining_ms=0.0))[0]
    assert (cascade.exit, found.input_rows, found.reduced) == ("fast sub124", 48, True)
    fast = open_engine("torch", open_checkpoint(tmp_path / "fast.safetensors"), EngineOptions("cpu", rows=48))
    assert np.array_equal(found.labels, fast.segment([frame])[0].labels)
    own = cascade.segment([frame], Request(exit="sub124"))[0].labels
    assert (cascade.exit, cascade.memory()) == ("sub124", None)
    assert np.array_equal(own, open_engine("torch", checkpoint, EngineOptions("cpu")).segment([frame])[0].labels)
    cascade.close()

    table = dataclasses.replace(spec.classes, name="other")
    save(tmp_path / "fast.safetensors", dataclasses.replace(spec, classes=table, metrics={}), other)
    with pytest.raises(CheckpointError, match="its classes are not those of net"):
        open_engine("torch", checkpoint, options)


@pytest.mark.parametrize("options", [{"rows": 64}, {"scale": 1.0}])
def test_a_given_size_leaves_exits_only(tiny, options):
    checkpoint = with_ladder(tiny, LADDER)
    cascade = open_engine("torch", checkpoint, EngineOptions("cpu", exit="auto", **options))
    cascade.warm_up(64, 96)
    frame = Frame(np.zeros((64, 96, 3), np.uint8))
    assert cascade.segment([frame], Request(remaining_ms=0.0))[0].input_rows == 64
    assert cascade.exit == "sub4"


def test_rows_and_scale_exclude_each_other(tiny):
    with pytest.raises(EngineError, match="set one of them to 0"):
        open_engine("torch", tiny, EngineOptions("cpu", scale=1.0, rows=64))


@pytest.mark.parametrize(
    "stored",
    [[], "sub4", [{"exit": "sub4"}], [{"exit": "main", "rows": 64, "miou": 0.5}],
     [{"exit": "sub4", "rows": 1, "miou": 0.5}], [{"exit": "sub4", "rows": "many", "miou": 0.5}],
     [{"exit": "sub4", "rows": 64, "miou": 0.5, "model": "../other"}]],
)  # fmt: skip
def test_a_damaged_ladder_is_refused(tiny, stored):
    spec = dataclasses.replace(tiny.spec, metrics={"ladder": stored})
    with pytest.raises(CheckpointError, match="ladder in the header"):
        read_ladder(spec)


points = st.lists(
    st.fixed_dictionaries(
        {"exit": st.sampled_from(("sub4", "sub124")), "rows": st.integers(64, 512), "miou": st.floats(0, 1),
         "ms": st.floats(1, 100)}
    ), min_size=1,
)  # fmt: skip


@settings(deadline=None)
@given(points)
def test_no_point_is_clearly_better_and_as_fast_as_a_step(measured):
    ladder = make_ladder(measured)
    assert max(point["miou"] for point in measured) <= ladder[-1].miou + 0.00201 + 0.00005
    times = [
        min(p["ms"] for p in measured if (p["exit"], p["rows"], round(p["miou"], 4)) == step[:3]) for step in ladder
    ]
    assert times == sorted(times)
    assert [step.miou for step in ladder] == sorted(step.miou for step in ladder)
    for step, time in zip(ladder, times, strict=True):
        assert all(point["miou"] <= step.miou + 0.00206 for point in measured if point["ms"] < time)
    assert times[0] <= 1.1 ** len(measured) * min(point["ms"] for point in measured)


def test_a_ladder_from_a_curve():
    curve = [
        ("sub4", 256, 0.34, 6.7),
        ("sub24", 256, 0.38, 7.0),
        ("sub124", 384, 0.50, 15.2),
        ("sub24", 512, 0.49, 18.4),
    ]
    curve += [("sub124", 512, 0.518, 23.8), ("sub124", 640, 0.519, 35.5), ("sub124", 768, 0.50, 50.0)]
    steps = make_ladder([dict(zip(("exit", "rows", "miou", "ms"), point, strict=True)) for point in curve])
    assert [step.name for step in steps] == ["sub24 at 256 rows", "sub124 at 384 rows", "sub124 at 512 rows"]


def test_the_ladder_is_stored_and_int8_files_stay_valid(tiny, tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    from icnet_ros.engine.artefacts.export import export_onnx
    from icnet_ros.engine.artefacts.int8 import describe, int8_metadata, int8_path

    path = tmp_path / "net.safetensors"
    save(path, tiny.spec, tiny.weights, half=True)
    before = open_checkpoint(path)
    int8_path(before, "sub24").write_bytes(b"of other weights, or damaged")
    export_onnx(tiny, "sub4", int8_path(before, "sub4"))
    model = onnx.load(int8_path(before, "sub4"))
    describe(model, {"sha256": before.sha256, "miou_before": 0.5})
    onnx.save(model, int8_path(before, "sub4"))
    update_metrics(before, to_metrics(LADDER))
    after = open_checkpoint(path)
    assert read_ladder(after.spec) == LADDER
    assert after.sha256 != before.sha256
    assert int8_metadata(after, "sub4") == {"sha256": after.sha256, "miou_before": 0.5}
    for name, weight in tiny.weights.items():
        assert np.allclose(after.weights[name], weight.half() if weight.ndim > 1 else weight, atol=1e-3)
    assert not list(tmp_path.glob("*.new"))


def test_figures_are_not_stored_in_a_file_that_was_replaced(tiny, tmp_path):
    """A training writes best.safetensors again while it is evaluated."""
    path = tmp_path / "net.safetensors"
    save(path, tiny.spec, tiny.weights)
    evaluated = open_checkpoint(path)
    save(path, dataclasses.replace(tiny.spec, training={"step": 2}), tiny.weights)
    with pytest.raises(EngineError, match=r"net\.safetensors: was changed after it was read"):
        update_metrics(evaluated, {"miou": 0.5})
    with pytest.raises(CheckpointError, match=r"net\.safetensors: was replaced while it was being read"):
        dict(evaluated.weights)


def test_new_figures_replace_the_old_ones_but_not_the_ladder(tiny, tmp_path):
    path = tmp_path / "net.safetensors"
    save(path, dataclasses.replace(tiny.spec, metrics={"sources": {"city": {}}, **to_metrics(LADDER)}), tiny.weights)
    update_metrics(open_checkpoint(path), {"miou": 0.5})
    assert open_checkpoint(path).spec.metrics == {"miou": 0.5, **to_metrics(LADDER)}


def test_a_step_of_the_default_size_is_the_exit_itself(tiny):
    """One engine less, and the exit that may be asked for by name."""
    checkpoint = with_ladder(tiny, (*LADDER[:2], Step("sub124", 64, 0.5)))
    checkpoint = dataclasses.replace(checkpoint, spec=dataclasses.replace(checkpoint.spec, frame_height=64))
    cascade = open_engine("torch", checkpoint, EngineOptions("cpu", exit="auto"))
    assert len(cascade._engines()) == 5  # two steps, three exits
    cascade.close()
