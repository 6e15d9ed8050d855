import json
from dataclasses import replace

import cv2
import pytest
from lightning_fabric import Fabric
from street import street
from test_loop import RECIPE

from icnet_ros.checkpoint.file import load
from icnet_ros.training.ablation import GROUPS, ROWS, RUNS, AblationConfig, ablate
from icnet_ros.training.errors import RecipeError


@pytest.fixture
def setting(tmp_path):
    recipe = replace(RECIPE, iterations=2, validate_every=2, width=0.25, batch=2)
    data = street(tmp_path, "train", 4, seed=0), street(tmp_path, "val", 2, seed=1)
    return AblationConfig(recipe, *data, tmp_path / "out", Fabric(accelerator="cpu", devices=1), baseline_width=0.25)


def test_every_row_of_the_paper_is_measured(setting):
    said = []
    rows = ablate(setting, GROUPS, lambda *words: said.append(words))
    assert [(row["group"], row["name"]) for row in rows] == [(row.group, row.name) for row in ROWS]
    assert {row["run"] for row in rows} == set(RUNS)
    for row in rows:
        first = next(other for other in rows if other["group"] == row["group"])
        assert row["delta"] == pytest.approx(row["miou"] - first["miou"])
        assert 0 <= row["miou"] <= 100
    written = json.loads((setting.out / "ablation.json").read_text())
    assert written["rows"] == rows
    assert written["recipe"]["iterations"] == 2
    assert cv2.imread(str(setting.out / "ablation.png")).std() > 5

    # Each run is the network its row speaks of.
    deconvolution = load(setting.out / "icnet-deconv7" / "best.safetensors")
    assert deconvolution.network().cff24.low.conv.kernel_size == (7, 7)
    assert load(setting.out / "pspnet50-stride32" / "best.safetensors").spec.output_stride == 32
    assert load(setting.out / "pspnet50-keep0.25" / "width-0.0625" / "best.safetensors").spec.width == 0.0625
    unguided = load(setting.out / "icnet-unguided" / "best.safetensors")
    assert unguided.spec.training["recipe"]["loss_weights"] == [0, 0, 1]

    states = {path: path.stat().st_mtime_ns for path in setting.out.rglob("state.safetensors")}
    assert ablate(setting, GROUPS, lambda *_: None) == rows  # finished: nothing is trained again
    assert states == {path: path.stat().st_mtime_ns for path in setting.out.rglob("state.safetensors")}


def test_rows_of_an_earlier_call_are_kept_if_its_settings_were_the_same(setting):
    ablate(setting, ["branches"], lambda *_: None)
    ablate(setting, ["guidance"], lambda *_: None)
    written = json.loads((setting.out / "ablation.json").read_text())
    assert [row["group"] for row in written["rows"]] == ["branches"] * 3 + ["guidance"] * 2
    other = replace(setting, baseline_width=0.5)
    ablate(other, ["guidance"], lambda *_: None)
    written = json.loads((setting.out / "ablation.json").read_text())
    assert [row["group"] for row in written["rows"]] == ["guidance"] * 2


def test_every_run_changes_one_thing_whatever_the_recipe_says(setting):
    other = replace(setting, recipe=replace(setting.recipe, fusion="deconv7"))
    ablate(other, ["branches"], lambda *_: None)
    assert load(setting.out / "icnet" / "best.safetensors").spec.fusion == "cff"
    with pytest.raises(RecipeError, match="label guidance"):
        ablate(replace(setting, recipe=replace(setting.recipe, loss_weights=(0.0, 0.0, 1.0))), GROUPS, print)


def test_an_unknown_group_is_refused(setting):
    with pytest.raises(RecipeError, match="no ablation 'colour'; there are branches"):
        ablate(setting, ["colour"], lambda *_: None)
