"""Int8 networks that take quantised pixels, against OpenVINO's own quantisation of normalised ones."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

openvino = pytest.importorskip("openvino", reason="needs openvino")
from openvino import opset13 as operators  # noqa: E402

from icnet_ros.checkpoint.classes import ClassTable  # noqa: E402
from icnet_ros.checkpoint.default import load_model  # noqa: E402
from icnet_ros.checkpoint.spec import ModelSpec  # noqa: E402
from icnet_ros.engine.backends import openvino as backend  # noqa: E402
from icnet_ros.engine.backends.openvino_input import take_quantised  # noqa: E402
from icnet_ros.engine.base import EngineOptions, Frame  # noqa: E402
from icnet_ros.engine.kernels.normalise import normalise  # noqa: E402
from icnet_ros.engine.kernels.quantise import quantise  # noqa: E402
from icnet_ros.engine.table import open_engine  # noqa: E402

SIZE = (24, 32)
PHOTO = Path(__file__).parents[3] / "demo" / "leuvenA.jpg"


def network(low, high, signed=True):
    """Normalised images -> their quantised values, in float."""
    image = operators.parameter([-1, 3, -1, -1], np.float32, name="image")
    image.output(0).set_names({"image"})
    ends = [np.float32(value) for value in (low, high, *((-128, 127) if signed else (0, 255)))]
    quantized = operators.convert(operators.fake_quantize(image, *ends, 256), "i8" if signed else "u8")
    dequantized = operators.multiply(operators.convert(quantized, "f32"), np.float32(1))
    return openvino.Model([operators.result(dequantized)], [image])


def run(model, image):
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(image)[0]


@settings(max_examples=20, deadline=None)
@given(st.floats(-200, -1), st.floats(1, 200), st.booleans(), st.sampled_from([(1.0, 1.0, 1.0), (58.4, 57.1, 57.4)]))
@pytest.mark.parametrize("order", ["bgr", "rgb"])
def test_pixels_become_what_the_network_made_of_them(order, low, high, signed, std):
    low, high = low / std[0], high / std[0]
    classes = ClassTable("two", ("road", "car"), ((0, 0, 0), (1, 1, 1)))
    spec = ModelSpec(classes, mean=(123.675, 116.28, 103.53), std=std)
    frames = [Frame(np.random.default_rng(seed).integers(0, 256, (30, 50, 3), np.uint8), order) for seed in (0, 1)]
    expected = run(network(low, high, signed), normalise(frames, spec, SIZE, planar=True))
    model = network(low, high, signed)
    quantiser = take_quantised(model, spec)
    pixels = quantise(frames, spec, SIZE, quantiser)
    assert pixels.dtype == (np.int8 if signed else np.uint8)
    given = run(model, pixels)
    assert np.abs(given - expected).max() <= 1
    assert (given != expected).mean() < 0.02, "values between two steps"


def test_other_networks_stay_as_they_are(tiny):
    def other(change):
        model = network(-100, 100)
        change(model.input(0), next(one for one in model.get_ops() if one.get_type_name() == "FakeQuantize"), model)
        return model

    def by_channel(_, quantize, __):
        ends = operators.constant(np.array([-90, -100, -110], np.float32).reshape(1, 3, 1, 1))
        quantize.input(1).replace_source_output(ends.output(0))

    def read_before_it_is_dequantised(_, quantize, model):
        convert = next(iter(quantize.output(0).get_target_inputs())).get_node()
        model.add_results([operators.result(operators.convert(convert, "f32"))])

    def also_read_in_float(image, _, model):
        model.add_results([operators.result(operators.relu(image))])

    def quantised_later(image, quantize, _):
        quantize.input(0).replace_source_output(operators.relu(image).output(0))

    for change in (by_channel, read_before_it_is_dequantised, also_read_in_float, quantised_later):
        model = other(change)
        assert take_quantised(model, tiny.spec) is None
        assert model.input(0).get_partial_shape()[1] == 3, change.__name__


@pytest.mark.parametrize("interval", [0, 1])
def test_the_shipped_network_labels_as_with_normalised_pixels(interval, monkeypatch):
    photograph = cv2.imread(str(PHOTO))
    frames = [Frame(cv2.resize(photograph, size), time=number / 15) for number, size in enumerate([(640, 480)] * 3)]
    options = EngineOptions("cpu", "int8", "sub124", coarse_branch_interval=interval)
    found = []
    for taken in (take_quantised, lambda *_: None):
        monkeypatch.setattr(backend, "take_quantised", taken)
        engine = open_engine("openvino", load_model("icnet_street_fast"), options)
        assert engine.planar == (taken is not take_quantised)
        found.append([one.labels for frame in frames for one in engine.segment([frame])])
        found[-1] += [one.labels for one in engine.segment([replace(frames[0], camera=name) for name in "ab"])]
        turned = cv2.resize(photograph, (131, 97))[::-1, ::-1]  # of odd size, and not contiguous
        found[-1] += [one.labels for one in engine.segment([Frame(turned, "rgb")])]
        engine.close()
    assert len(np.unique(found[0][0])) > 5
    for one, other in zip(*found, strict=True):
        assert (one == other).mean() > 0.999
