"""ONNX files and their descriptions: what is read of them, and what is refused."""

import datetime as dt
import os

import numpy as np
import pytest
import torch
import yaml
from networks import CLASSES, DESCRIPTION, Small, export, picture

from icnet_ros.checkpoint.file import load_spec, open_checkpoint
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.base import EngineError, EngineOptions, Frame
from icnet_ros.engine.table import open_engine

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_tensors_in_another_file(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION)
    expected = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu")).segment([Frame(picture())])
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
    before = open_checkpoint(path)
    runner = open_engine("onnxruntime", before, EngineOptions("cpu"))
    assert np.array_equal(runner.segment([Frame(picture())])[0].labels, expected[0].labels)
    data = bytearray((tmp_path / "net.data").read_bytes())
    data[100] ^= 1
    (tmp_path / "net.data").write_bytes(data)
    assert open_checkpoint(path).sha256 != before.sha256  # so nothing old is taken from the cache


def move_outside(path, location):
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    onnx.save(model, path)


def test_a_damaged_file_of_tensors_is_explained(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
    (tmp_path / "net.data").write_bytes(b"short")
    with pytest.raises((CheckpointError, EngineError), match=r"net\.onnx: "):
        open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))


def test_the_classes_of_another_file_are_part_of_the_identity(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION | {"classes": "mine.yaml"})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(DESCRIPTION["classes"]))
    before = open_checkpoint(path)
    assert before.spec.classes.names == ("road", "car", "sky")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(DESCRIPTION["classes"]).replace("sky", "air"))
    assert open_checkpoint(path).sha256 != before.sha256


@pytest.mark.parametrize("location", ["../net.data", "/etc/hostname", "linked.data", "nowhere.data"])
def test_tensors_outside_the_folder_are_refused(tmp_path, location):
    folder = tmp_path / "in"
    folder.mkdir()
    path = export(Small(), folder / "net.onnx", description=DESCRIPTION)
    move_outside(path, location)
    (tmp_path / "net.data").write_bytes((folder / "net.data").read_bytes())
    (folder / "linked.data").symlink_to(tmp_path / "net.data")
    link = "a symbolic link to .* cp -L .*/in/" if "linked" in location else ""
    with pytest.raises(CheckpointError, match=link or "outside its folder|not beside it"):
        open_checkpoint(path)


def test_what_is_missing_is_asked_for_in_one_message(tmp_path):
    path = export(Small(), tmp_path / "net.onnx")
    with pytest.raises(
        CheckpointError, match="nothing says its classes, channel_order, value_range, mean, std"
    ) as said:
        load_spec(path)
    assert "write net.yaml beside it" in str(said.value)
    written = yaml.safe_load(str(said.value).split("\n", 1)[1])  # the example is a description that works
    path.with_suffix(".yaml").write_text(yaml.safe_dump(written | {"classes": DESCRIPTION["classes"]}))
    assert load_spec(path).mean == pytest.approx((123.675, 116.28, 103.53))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"channel_order": "grb"}, "channel_order is 'grb'"),
        ({"value_range": 2}, "value_range is 2, not 1 or 255"),
        ({"mean": [1, 2]}, "mean"),
        ({"mean": "x"}, "mean or std are not three numbers"),
        ({"std": [0, 1, 1]}, "std is"),
        ({"std": [float("nan"), 1, 1]}, "finite"),
        ({"classes": "nowhere"}, "no class table 'nowhere'"),
        ({"classes": {"name": "x"}}, "not a class table"),
        ({"output_kind": "boxes"}, "output_kind is 'boxes', not one of logits, probabilities, sigmoid, labels"),
        ({"output": "boxes"}, "no output 'boxes'; it has answer"),
        ({"input": "image"}, "its input is 'picture'"),
        ({"colour": "rgb"}, "unknown entry 'colour'"),
        ({"size_multiple": 0}, "size_multiple is 0"),
        (
            {"classes": ["road", "other"]},
            r"classes is \['road', 'other'\], not a table: its name, or {name: mine, classes",
        ),
        ({"classes": 19}, "classes is 19, not a table"),
        (
            {"classes": {"name": "x", "classes": CLASSES["classes"][:1]}},
            "with one channel has two, the background first",
        ),
        ({"classes": {"name": "x", "classes": []}}, "0 classes, a label image holds 2 to 255"),
    ],
)
def test_a_wrong_description(tmp_path, change, problem):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION | change)
    with pytest.raises(CheckpointError, match=problem) as said:
        open_checkpoint(path)
    assert str(said.value).count(str(tmp_path)) == 1


def test_a_uint8_network_with_a_normalisation(tmp_path):
    path = export(Small(8, normalise=True), tmp_path / "net.onnx", description=DESCRIPTION, dtype=torch.uint8)
    with pytest.raises(CheckpointError, match="normalises inside: leave out value_range, mean, std"):
        open_checkpoint(path)


def test_a_date_in_the_description_is_text(tmp_path):
    """YAML reads dates, headers and JSON have none."""
    training = {"date": dt.date(2026, 5, 1), "steps": 3}
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION | {"training": training})
    spec = open_checkpoint(path).spec
    assert spec.training == {"date": "2026-05-01", "steps": 3}
    assert "2026-05-01" in spec.to_json()


def test_a_class_table_of_another_network(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION | {"classes": "camvid"})
    with pytest.raises(EngineError, match="its output is 1 x 3 x 16 x 32; logits of 11 classes are 1 x 11"):
        open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu"))


def test_files_that_are_no_network(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION)
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], bytes(1000)):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"not an ONNX file|opset|inputs|nothing says|operator"):
            open_checkpoint(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match="not a regular file"):
        open_checkpoint(path)


@pytest.mark.parametrize(("domain", "operator"), [("nowhere", "Magic"), ("", "Magic"), ("com.microsoft", "FusedConv")])
def test_custom_operators_are_refused(tmp_path, domain, operator):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION)
    model = onnx.load(path)
    model.graph.node[0].op_type, model.graph.node[0].domain = operator, domain
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match=f"{operator}' is not part of ONNX"):
        open_checkpoint(path)


def test_one_number_is_that_of_all_channels(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION | {"mean": 0.5, "std": 0.25})
    spec = open_checkpoint(path).spec
    assert (spec.mean, spec.std) == ((127.5,) * 3, (63.75,) * 3)


def test_a_description_may_be_a_yml(tmp_path):
    path = export(Small(), tmp_path / "net.onnx", description=DESCRIPTION)
    path.with_suffix(".yaml").rename(path.with_suffix(".yml"))
    assert open_checkpoint(path).spec.classes.names == ("road", "car", "sky")
    path.with_suffix(".yml").write_text(yaml.safe_dump(DESCRIPTION | {"colour": "rgb"}))
    with pytest.raises(CheckpointError, match=r"net\.yml: unknown entry 'colour'"):
        open_checkpoint(path)


def with_input(path, sides):
    model = onnx.load(path)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for dim, side in zip(dims, sides, strict=True):
        dim.Clear()
        if isinstance(side, int):
            dim.dim_value = side
        else:
            dim.dim_param = side
    onnx.save(model, path)


@pytest.mark.parametrize("layout", [None, "nchw"])
@pytest.mark.parametrize("channels", [1, 4])
def test_an_input_of_other_channels(tmp_path, channels, layout):
    description = DESCRIPTION | ({"input_layout": layout} if layout else {})
    path = export(Small(), tmp_path / "net.onnx", description=description)
    with_input(path, [1, channels, 64, 96])
    with pytest.raises(CheckpointError, match=rf"1 x {channels} x 64 x 96, not an image of 3 channels"):
        open_checkpoint(path)


@pytest.mark.parametrize("last", [False, True])
def test_an_input_whose_axes_are_all_named(tmp_path, last):
    """Some exporters write names for all four."""
    path = export(Small(channels_last=last), tmp_path / "net.onnx", description=DESCRIPTION)
    names = ["batch_size", "num_channels", "height", "width"]
    expected = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu")).segment([Frame(picture())])
    with_input(path, [names[0], *names[2:], names[1]] if last else names)
    found = open_engine("onnxruntime", open_checkpoint(path), EngineOptions("cpu")).segment([Frame(picture())])
    assert np.array_equal(found[0].labels, expected[0].labels)
