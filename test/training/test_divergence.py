"""Trainings that go wrong, and states that are damaged, end with words."""

import math
from dataclasses import replace

import pytest
from lightning_fabric import Fabric
from street import street

from icnet_ros.training.errors import DivergedError, RecipeError, StateError
from icnet_ros.training.loop import Trainer
from icnet_ros.training.recipe import Recipe, load_recipe

RECIPE = Recipe(
    dataset="street", width=0.25, iterations=20, batch=2, crop=(64, 96), learning_rate=0.01, validate_every=2
)


def trainer(tmp_path, recipe=RECIPE):
    data = street(tmp_path / "data", "train", 4, seed=0), street(tmp_path / "data", "val", 2, seed=1)
    (tmp_path / "out").mkdir(exist_ok=True)
    return Trainer(recipe, *data, tmp_path / "out", Fabric(accelerator="cpu", devices=1))


@pytest.mark.parametrize("name", ["learning_rate", "power", "input_scale", "temperature"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0])
def test_numbers_that_are_no_numbers_are_refused(tmp_path, name, value):
    (tmp_path / "mine.yaml").write_text(f"{name}: {str(value).replace('inf', '.inf').replace('nan', '.nan')}")
    with pytest.raises(RecipeError, match=f"{name} is"):
        load_recipe(str(tmp_path / "mine.yaml"))


def test_surfaces_for_the_road_need_a_road(tmp_path):
    recipe = replace(RECIPE, iterations=2, road_texture=1.0)
    assert trainer(tmp_path, recipe).run(lambda *_: None) > 0
    data = street(tmp_path / "garden", "train", 2, seed=0)
    data = replace(data, classes=replace(data.classes, names=("sky", "hedge", "lawn", "gnome")))
    with pytest.raises(RecipeError, match="a class named road; there are sky, hedge, lawn, gnome"):
        Trainer(recipe, data, data, tmp_path, Fabric(accelerator="cpu", devices=1))


def test_a_training_that_diverges_is_stopped_before_it_writes_a_checkpoint(tmp_path):
    with pytest.raises(DivergedError, match=r"diverged and was stopped\. Take a lower learning_rate"):
        trainer(tmp_path, replace(RECIPE, learning_rate=100.0)).run(lambda *_: None)
    assert not (tmp_path / "out" / "best.safetensors").exists()


def test_a_state_with_a_flipped_bit_is_refused(tmp_path):
    trainer(tmp_path).run(lambda *_: None, stop_after=2)
    file = tmp_path / "out" / "state.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(StateError, match="its content is not what was written"):
        trainer(tmp_path)
