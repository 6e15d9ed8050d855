"""`frozen: backbone` trains what comes after the ResNet only."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from street import street

from icnet_ros.checkpoint.file import build_network, load
from icnet_ros.training.errors import RecipeError, StateError
from icnet_ros.training.loop import Trainer
from icnet_ros.training.pretrained.frozen import BACKBONE
from icnet_ros.training.recipe import Recipe, load_recipe
from icnet_ros.training.start import FROM_SCRATCH, Start, network_spec
from icnet_ros.training.state import load_state

RECIPE = Recipe(
    dataset="street", width=0.25, iterations=4, batch=2, crop=(64, 96), scale=(0.8, 1.3), learning_rate=0.02, warm_up=1,
    ema=0.9, validate_every=2, frozen="backbone",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("street")
    return street(root, "train", 8, seed=0), street(root, "val", 2, seed=1)


@pytest.fixture(scope="module")
def start(data):
    """Weights with statistics that no training here would find."""
    weights = build_network(network_spec(RECIPE, data[0], Start())).state_dict()
    generator = torch.Generator().manual_seed(0)
    for name, value in weights.items():
        if name.endswith("running_var"):
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
    return Start(weights=weights, classes=data[0].classes.names)


def trained(data, out, start, recipe=RECIPE, **more):
    out.mkdir(exist_ok=True)
    trainer = Trainer(recipe, *data, out, Fabric(accelerator="cpu", devices=1), start)
    trainer.run(lambda *_: None, **more)
    return load_state(out / "state.safetensors")


def in_backbone(name):
    return name.split(".")[0] in BACKBONE


def test_the_backbone_stays_and_all_else_learns(data, tmp_path, start):
    state = trained(data, tmp_path / "out", start)
    for group in (state.network, state.ema):
        for name, value in group.items():
            same = torch.equal(value, start.weights[name])
            assert same == in_backbone(name), name
    assert state.momentum
    assert not any(in_backbone(name) for name in state.momentum)
    checkpoint = load(tmp_path / "out" / "best.safetensors")
    assert checkpoint.spec.training["recipe"]["frozen"] == "backbone"


def test_without_it_the_backbone_learns(data, tmp_path, start):
    state = trained(data, tmp_path / "out", start, replace(RECIPE, frozen="none", iterations=2))
    changed = {name.split(".")[0] for name, value in state.network.items() if (value != start.weights[name]).any()}
    assert changed >= set(BACKBONE)


def test_a_resumed_training_equals_an_uninterrupted_one(data, tmp_path, start):
    whole = trained(data, tmp_path / "whole", start)
    trained(data, tmp_path / "parts", start, stop_after=3)
    parts = trained(data, tmp_path / "parts", start)
    for group in ("network", "ema", "momentum"):
        one, two = getattr(whole, group), getattr(parts, group)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), group
    with pytest.raises(StateError, match="another recipe"):
        trained(data, tmp_path / "parts", start, replace(RECIPE, frozen="none"))


def test_random_weights_are_not_frozen(data, tmp_path):
    with pytest.raises(RecipeError, match="give --init"):
        trained(data, tmp_path / "out", FROM_SCRATCH)


def test_the_shipped_recipe_differs_in_nothing_else():
    assert load_recipe("finetune_frozen") == replace(load_recipe("finetune"), frozen="backbone")
    with pytest.raises(RecipeError, match="'none' or 'backbone'"):
        load_recipe("finetune", frozen="head")
