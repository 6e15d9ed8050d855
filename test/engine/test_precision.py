"""Precision "auto"."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from icnet_ros.checkpoint.default import load_model
from icnet_ros.checkpoint.file import load, save
from icnet_ros.engine import precision
from icnet_ros.engine.artefacts.int8 import METADATA_KEY, int8_path
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.precision import choose_precision, cpu_flags
from icnet_ros.engine.table import open_engine

onnx = pytest.importorskip("onnx")
AUTO = EngineOptions("cpu", "auto")


@pytest.fixture
def flags(monkeypatch):
    def set_to(*names):
        monkeypatch.setattr(precision, "cpu_flags", lambda: set(names))

    return set_to


@pytest.fixture
def with_int8(tmp_path, tiny):
    """A checkpoint and a function that puts an int8 file beside it, with these figures in its metadata."""
    save(tmp_path / "m.safetensors", tiny.spec, tiny.weights)
    checkpoint = load(tmp_path / "m.safetensors")

    def write(**figures):
        graph = onnx.helper.make_graph([], "g", [], [])
        model = onnx.helper.make_model(graph)
        onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps({"sha256": checkpoint.sha256, **figures})})
        onnx.save(model, int8_path(checkpoint, "sub124"))
        return checkpoint

    return write


SMALL, LARGE = {"miou_before": 0.5, "miou_after": 0.495}, {"miou_before": 0.5, "miou_after": 0.48}


@pytest.mark.parametrize(
    ("engine", "cpu", "figures", "expected", "reason"),
    [
        (
            "openvino",
            ("avx512_vnni", "avx512_bf16"),
            SMALL,
            "int8",
            "measured loss",
        ),
        ("onnxruntime", ("avx2",), {**SMALL, "overflow_fix": True}, "int8", "measured loss"),
        ("onnxruntime", ("avx2",), SMALL, "fp32", "not made for others"),
        ("openvino", ("bf16",), SMALL, "fp32", "no fast int8"),
        ("openvino", ("asimddp",), SMALL, "int8", "measured loss"),
        (
            "openvino",
            ("avx512_vnni", "avx512_bf16"),
            LARGE,
            "bf16",
            "loses 2.0 points",
        ),
        ("onnxruntime", ("avx_vnni",), LARGE, "fp32", "loses 2.0 points"),
        ("openvino", ("avx_vnni",), {"miou_before": 0.5}, "fp32", "not measured"),
        ("openvino", ("sse4_2",), SMALL, "fp32", "no fast int8 instructions"),
        ("openvino", ("avx2",), {"sha256": "another"}, "fp32", "calibrated for other weights"),
        ("torch", ("avx512_vnni",), SMALL, "fp32", "nothing faster"),
        ("tensorrt", (), {}, "fp16", "CUDA"),
    ],
)
def test_the_choice(flags, with_int8, engine, cpu, figures, expected, reason):
    flags(*cpu)
    chosen, why = choose_precision(engine, with_int8(**figures), AUTO)
    assert (chosen, reason in why) == (expected, True), why


def test_without_an_int8_file(flags, model, tiny):
    flags("avx512_vnni", "avx512_bf16")
    for checkpoint in (load(model), tiny):  # tiny is no file
        chosen, why = choose_precision("openvino", checkpoint, AUTO)
        assert (chosen, "there is no int8 file for sub124" in why) == ("bf16", True)


def test_networks_of_others_run_in_bf16_only_if_that_is_asked_for(flags, tiny):
    """EfficientViT-B0 with its own weights gave 2.6 % other labels, of a photograph."""
    flags("avx512_vnni", "avx512_bf16")
    checkpoint = replace(tiny, spec=replace(tiny.spec, architecture="onnx", exits=("sub124",)))
    assert choose_precision("openvino", checkpoint, AUTO)[0] == "fp32"


def test_a_damaged_int8_file_is_not_chosen(flags, with_int8):
    flags("avx2")
    checkpoint = with_int8()
    int8_path(checkpoint, "sub124").write_bytes(b"no network")
    chosen, why = choose_precision("openvino", checkpoint, AUTO)
    assert (chosen, "damaged" in why) == ("fp32", True)


@pytest.mark.parametrize("exit_", ["sub4", "sub24", "sub124", "auto"])
def test_the_shipped_model_runs_in_int8(exit_, caplog):
    """Where the CPU has the instructions, which any x86 of the last ten years has."""
    pytest.importorskip("openvino")
    if not cpu_flags() & precision.INT8_FLAGS:
        pytest.skip("this CPU has no fast int8 instructions")
    caplog.set_level(logging.INFO)
    engine = open_engine("openvino", load_model(""), EngineOptions("cpu", "auto", exit_))
    assert engine.precision == "int8"
    assert "precision int8 for" in caplog.text
    assert engine.segment([Frame(np.zeros((96, 128, 3), np.uint8))])[0].labels.shape == (96, 128)
    engine.close()


def test_the_flags_of_this_machine():
    assert all(flag.isascii() and " " not in flag for flag in cpu_flags())
    assert len(cpu_flags()) > 10
