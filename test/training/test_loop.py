import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from street import street

from icnet_ros.checkpoint.file import Checkpoint, build_network, load
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.dataset.base import DatasetError
from icnet_ros.evaluation.evaluate import evaluate
from icnet_ros.training.curve import read_rows
from icnet_ros.training.errors import RecipeError, StateError
from icnet_ros.training.loop import Trainer, learning_rate
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.session import open_fabric
from icnet_ros.training.start import FROM_SCRATCH, Start, from_checkpoint, network_spec
from icnet_ros.training.state import load_state, save_state
from icnet_ros.training.validation import Score

RECIPE = Recipe(
    dataset="street", width=0.25, iterations=6, batch=4, crop=(64, 96), scale=(0.8, 1.3),
    learning_rate=0.02, warm_up=2, ema=0.9, class_balance="log", hardest=0.8, validate_every=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("street")
    return street(root, "train", 40, seed=0), street(root, "val", 8, seed=1)


def trainer(data, out, recipe=RECIPE, **more):
    out.mkdir(exist_ok=True)

    return Trainer(recipe, *data, out, Fabric(accelerator="cpu", devices=1), **more)


def rows(out):
    with (out / "log.csv").open(newline="") as file:
        return [(row["step"], row["loss"], row["miou"]) for row in csv.DictReader(file)]


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(data, tmp_path):
    trainer(data, tmp_path / "whole").run(lambda *_: None)
    trainer(data, tmp_path / "parts").run(lambda *_: None, stop_after=5)  # dies after the state of step 3
    again = trainer(data, tmp_path / "parts")
    assert again.step == 3
    again.run(lambda *_: None)
    whole, parts = (load_state(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    assert whole.step == parts.step == 6
    for group in ("network", "ema", "momentum"):
        one, two = getattr(whole, group), getattr(parts, group)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), group
    assert rows(tmp_path / "whole") == rows(tmp_path / "parts")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_on_a_gpu(data, tmp_path, precision):
    """Learns as on the CPU, and resumes."""
    losses = {}
    recipe = replace(RECIPE, iterations=60, validate_every=30, class_uniform=0.5, lovasz=0.5, texture=0.5)
    for accelerator in ("cpu", "cuda"):
        out = tmp_path / accelerator
        out.mkdir()
        fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
        Trainer(recipe, *data, out, fabric).run(lambda *_: None, stop_after=30)
        fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
        again = Trainer(recipe, *data, out, fabric)
        assert again.step == 30
        again.run(lambda *_: None)
        losses[accelerator] = [float(loss) for _, loss, _ in rows(out)]
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=0.1)
    assert losses["cuda"][1] < losses["cuda"][0]


def test_another_recipe_cannot_go_on_in_the_same_folder(data, tmp_path):
    trainer(data, tmp_path / "out").run(lambda *_: None, stop_after=3)
    with pytest.raises(StateError, match="another recipe"):
        trainer(data, tmp_path / "out", replace(RECIPE, learning_rate=0.5))
    (tmp_path / "out" / "state.safetensors").write_bytes(b"cut")
    with pytest.raises(StateError, match=r"state\.safetensors: not a training state"):
        trainer(data, tmp_path / "out")


def test_rate_warms_up_and_decays_to_zero():
    recipe = Recipe(iterations=100, learning_rate=0.1, warm_up=10, power=0.9)
    rates = [learning_rate(recipe, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == max(rates[8:11])
    assert rates[50] == pytest.approx(0.1 * 0.5**0.9)
    assert rates[100] == 0


def test_a_quarter_width_network_learns_a_drawn_street(data, tmp_path):
    recipe = replace(
        RECIPE, iterations=160, batch=8, crop=(96, 128), learning_rate=0.05, hardest=1.0, validate_every=80
    )
    best = trainer(data, tmp_path / "out", recipe).run(lambda *_: None)
    checkpoint = load(tmp_path / "out" / "best.safetensors")
    matrices = evaluate(checkpoint, data[1], lambda *_: None)
    assert matrices["sub124"].miou() == pytest.approx(best, abs=0.005)  # stored as float16
    assert best > 0.85
    assert checkpoint.spec.trained
    assert cv2.imread(str(tmp_path / "out" / "curve.png")).shape[1] == 960
    assert checkpoint.spec.training["recipe"]["iterations"] == 160
    assert checkpoint.spec.metrics["miou"] == best
    assert checkpoint.spec.data_licence == "drawn, no terms"


def test_the_best_checkpoint_is_kept_if_all_validations_used_the_same_images(data, tmp_path, monkeypatch):
    scores = iter([0.8, 0.3])

    def validate(*_, **__):
        return Score(next(scores), {}, {})

    monkeypatch.setattr("icnet_ros.training.loop.validate", validate)
    recipe = replace(RECIPE, iterations=2, validate_every=1, batch=2)
    every = replace(recipe, validate_images=len(data[1]))
    assert trainer(data, tmp_path / "every", every).run(lambda *_: None) == 0.8
    assert load(tmp_path / "every" / "best.safetensors").spec.training["step"] == 1
    scores = iter([0.8, 0.3])
    some = replace(recipe, validate_images=len(data[1]) - 1)
    assert trainer(data, tmp_path / "some", some).run(lambda *_: None) == 0.3
    assert load(tmp_path / "some" / "best.safetensors").spec.training["step"] == 2


def test_the_header_says_which_data_and_keeps_the_licence_of_the_initial_weights(data, tmp_path):
    recipe = replace(RECIPE, iterations=1, validate_every=1, batch=2)
    start = Start(licence="research only", origin={"init": {"name": "a", "sha256": "b" * 64}})
    trainer(data, tmp_path / "out", recipe, start=start).run(lambda *_: None)
    spec = load(tmp_path / "out" / "best.safetensors").spec
    assert spec.data_licence == "drawn, no terms; research only"
    assert spec.training["data"] == {"name": "street", "images": len(data[0])}
    assert spec.training["init"]["name"] == "a"


def test_a_wrong_validation_label_is_found_before_the_training(data, tmp_path):
    wrong = data[1].pairs[-1]._replace(read=lambda path: np.full((96, 128), 77, np.uint8))
    with pytest.raises(DatasetError, match="id 77"):
        trainer((data[0], replace(data[1], pairs=[*data[1].pairs[:-1], wrong])), tmp_path / "out")


@pytest.mark.parametrize("kind", ["init", "backbone"])
def test_another_start_or_other_images_cannot_go_on_in_the_same_folder(data, tmp_path, kind):
    out = tmp_path / "out"
    first, second = ({kind: {"name": "a", "sha256": letter * 64}} for letter in "ab")
    trainer(data, out, start=Start(origin=first)).run(lambda *_: None, stop_after=3)
    with pytest.raises(StateError, match=f"another --{kind}"):
        trainer(data, out, start=Start(origin=second))
    with pytest.raises(StateError, match=f"another --{kind}"):
        trainer(data, out)
    with pytest.raises(StateError, match="another dataset"):
        trainer((data[0].subsample(20), data[1]), out, start=Start(origin=first))
    table = replace(
        data[0].classes, names=(*data[0].classes.names, "more"), colours=(*data[0].classes.colours, (1, 2, 3))
    )
    with pytest.raises(StateError, match="another class table"):
        trainer(tuple(replace(part, classes=table) for part in data), out, start=Start(origin=first))
    assert trainer(data, out, start=Start(origin=first)).step == 3


def test_other_labels_of_the_same_images_cannot_go_on_in_the_same_folder(data, tmp_path):
    """As after a correction, or with another mapping."""
    out = tmp_path / "out"
    trainer(data, out).run(lambda *_: None, stop_after=3)
    changed = data[0].pairs[0]._replace(read=lambda path: np.zeros((96, 128), np.uint8))
    other = replace(data[0], pairs=[changed, *data[0].pairs[1:]])
    with pytest.raises(StateError, match="another set of labels"):
        trainer((other, data[1]), out)


def test_a_training_that_has_ended_is_not_scored_as_0_on_another_split(data, tmp_path):
    recipe = replace(RECIPE, iterations=1, validate_every=1, batch=2)
    trainer(data, tmp_path / "out", recipe).run(lambda *_: None)
    with pytest.raises(StateError, match="has ended, on another validation split"):
        trainer((data[0], data[1].subsample(1)), tmp_path / "out", recipe)


def test_sources_of_different_heights_are_said(data, tmp_path, caplog):
    recipe = replace(RECIPE, input_scale=2.0)
    small = street(tmp_path / "small", "train", 2, seed=3)
    tall = [pair._replace(source="tall") for pair in data[0].pairs]
    for pair in small.pairs:
        for file in (pair.image, pair.label):
            cv2.imwrite(str(file), cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[:64])
    mixed = replace(data[0], pairs=[*tall, *(pair._replace(source="small") for pair in small.pairs)])
    assert network_spec(recipe, mixed, FROM_SCRATCH).frame_height == 96
    assert "images of 64, 96 rows: validation and use are at 192 rows" in caplog.text


def test_scores_of_another_validation_split_are_not_compared(data, tmp_path, caplog):
    """A corrected or extended split may be harder: otherwise no later checkpoint would ever be kept."""
    recipe = replace(RECIPE, iterations=2, validate_every=1, batch=2)
    trainer(data, tmp_path / "out", recipe).run(lambda *_: None, stop_after=1)
    state = load_state(tmp_path / "out" / "state.safetensors")
    save_state(tmp_path / "out" / "state.safetensors", replace(state, best=2.0))
    assert trainer(data, tmp_path / "out", recipe)._best == 2
    assert not caplog.text
    pair = data[1].pairs[0]
    wrong = pair._replace(read=lambda path: np.zeros((96, 128), np.uint8))
    other = replace(data[1], pairs=[wrong, *data[1].pairs[1:]])
    assert trainer((data[0], other), tmp_path / "out", recipe).run(lambda *_: None) < 2
    assert "validation split is another" in caplog.text
    assert load(tmp_path / "out" / "best.safetensors").spec.training["step"] == 2


def test_a_training_ends_when_validations_bring_nothing_better(data, tmp_path, monkeypatch):
    """Also one that was interrupted: its log knows."""
    scores = iter([0.1, 0.5, 0.4, 0.5, 0.3, 0.2])  # the best once more is no gain
    score = {"columns": {}, "metrics": {}}
    monkeypatch.setattr("icnet_ros.training.loop.validate", lambda *_, **__: Score(next(scores), **score))
    recipe = replace(RECIPE, iterations=9, validate_every=1, batch=2, patience=3)
    trainer(data, tmp_path / "out", recipe).run(lambda *_: None, stop_after=3)
    again = trainer(data, tmp_path / "out", recipe)
    assert again.run(lambda *_: None) == 0.5
    assert (again.step, again.ended, again.without_gain) == (5, True, 3)
    assert trainer(data, tmp_path / "out", recipe).run(lambda *_: None) == 0.5  # nothing more to do
    longer = trainer(data, tmp_path / "out", replace(recipe, patience=5))
    longer.run(lambda *_: None, stop_after=1)
    assert (longer.step, longer.ended) == (6, False)


def test_a_log_that_was_cut_off_does_not_stop_a_resume(data, tmp_path):
    recipe = replace(RECIPE, iterations=2, validate_every=1, batch=2)
    trainer(data, tmp_path / "out", recipe).run(lambda *_: None, stop_after=1)
    with (tmp_path / "out" / "log.csv").open("a") as log:
        log.write("1")
    trainer(data, tmp_path / "out", recipe).run(lambda *_: None)
    assert [row["step"] for row in read_rows(tmp_path / "out" / "log.csv")] == ["1", "2"]


def test_initial_weights_without_auxiliary_classifiers(data, tmp_path):
    """Published weights may have the last exit alone."""
    spec = network_spec(RECIPE, data[0], Start())
    weights = build_network(spec).state_dict()
    kept = {key: value for key, value in weights.items() if not key.startswith("aux")}
    one = trainer(
        data, tmp_path / "out", start=from_checkpoint(Checkpoint(replace(spec, exits=("sub124",)), kept, "one"))
    )
    assert torch.equal(one._network.state_dict()["cls.weight"], weights["cls.weight"])
    broken = dict(list(kept.items())[1:])
    with pytest.raises(CheckpointError, match="do not fit"):
        trainer(data, tmp_path / "other", start=Start(weights=broken))


def test_a_training_from_a_saved_one_begins_before_its_logits_were_adjusted(data, tmp_path):
    recipe = replace(RECIPE, logit_adjustment=0.5, iterations=3)
    trainer(data, tmp_path / "first", recipe).run(lambda *_: None)
    trained = load_state(tmp_path / "first" / "state.safetensors").ema["cls.bias"]
    saved = load(tmp_path / "first" / "best.safetensors")
    assert not torch.allclose(saved.weights["cls.bias"].float(), trained, atol=0.05)
    again = trainer(data, tmp_path / "again", recipe, start=from_checkpoint(saved))
    assert torch.allclose(again._network.state_dict()["cls.bias"], trained, atol=0.01)


def test_a_teacher_passes_its_licence_on(data):
    spec = replace(network_spec(RECIPE, data[0], Start()), data_licence="research only")
    teacher = Checkpoint(spec, {}, "teacher")
    assert network_spec(RECIPE, data[0], Start(), teacher).data_licence == "drawn, no terms; research only"


@pytest.mark.parametrize(("precision", "accelerator"), [("fp32", "cpu"), ("bf16-true", "cpu"), ("32-true", "tpu")])
def test_devices_and_precisions_that_cannot_be_used(precision, accelerator):
    with pytest.raises(RecipeError, match=precision):
        open_fabric(accelerator, 1, 1, precision)


def test_torchrun_without_devices_is_refused(monkeypatch):
    """Each process would train alone and write the same files."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="add --devices"):
        open_fabric("cpu", 1, 1, "32-true")


def test_a_width_that_leaves_fractions_of_channels(data, tmp_path):
    with pytest.raises(RecipeError, match=r"width 0\.3"):
        trainer(data, tmp_path / "out", replace(RECIPE, width=0.3))


@pytest.mark.parametrize("wrong", [{"momentum": 1}, {"momentum": -0.1}, {"architecture": "icnett"}, {"warm_up": -5},
                                   {"weight_decay": -1.0}, {"nesterov": True, "momentum": 0.0}])  # fmt: skip
def test_recipes_that_could_not_be_trained(wrong):
    with pytest.raises(RecipeError):
        replace(RECIPE, **wrong)


def test_without_momentum(data, tmp_path):
    recipe = replace(RECIPE, momentum=0.0, nesterov=False)
    trainer(data, tmp_path / "out", recipe).run(lambda *_: None, stop_after=3)
    assert trainer(data, tmp_path / "out", recipe).step == 3
