"""Which engine is taken, what it needs, and what is said where it cannot be had."""

import dataclasses
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from icnet_ros.checkpoint.file import save
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.base import EngineError, EngineOptions
from icnet_ros.engine.table import ENGINES, auto_candidates, engine_names, open_engine


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"device": "cpu", "precision": "fp16"}, "fp32"),
        ({"device": "cpu", "precision": "int8"}, "fp16 and bf16, not 'int8'"),
        ({"device": "banana"}, "auto, cpu, cuda"),
        ({"device": "meta"}, "auto, cpu, cuda"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(tiny, options, advice):
    with pytest.raises(EngineError, match=advice):
        open_engine("torch", tiny, EngineOptions(**options))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_cuda_without_a_gpu_says_what_to_do(tiny):
    with pytest.raises(EngineError, match="set device to cpu or auto"):
        open_engine("torch", tiny, EngineOptions("cuda"))


def test_an_unknown_engine_lists_the_known_ones(tiny):
    with pytest.raises(EngineError, match=", ".join(engine_names())):
        open_engine("abacus", tiny)


def test_auto_takes_the_fastest_that_is_there(tiny, monkeypatch):
    pytest.importorskip("onnxruntime")
    there = {"onnx", "onnxruntime", "openvino"}
    monkeypatch.setattr("icnet_ros.packages.find_spec", lambda name: name if name in there else None)
    for expected in ("openvino", "onnxruntime", "torch"):
        assert auto_candidates(EngineOptions("cpu")) == [expected]
        there.discard(expected)
    assert open_engine("auto", tiny, EngineOptions("cpu")).name == "torch"


def test_auto_on_a_gpu_tries_tensorrt_first_and_says_why_it_goes_on(tiny, monkeypatch, caplog):
    there = {"torch", "onnx", "onnxruntime", "tensorrt_rtx"}
    monkeypatch.setattr("icnet_ros.packages.find_spec", lambda name: name if name in there else None)
    assert auto_candidates(EngineOptions("cuda")) == ["tensorrt", "torch"]
    real = open_engine("torch", tiny, EngineOptions("cpu"))

    def refuse(*_):
        raise EngineError("no kernel for this GPU")

    monkeypatch.setitem(ENGINES, "tensorrt", ENGINES["tensorrt"]._replace(module="stand_in", attribute="tensorrt"))
    monkeypatch.setitem(ENGINES, "torch", ENGINES["torch"]._replace(module="stand_in", attribute="torch"))
    monkeypatch.setitem(sys.modules, "stand_in", SimpleNamespace(tensorrt=refuse, torch=lambda *_: real))
    assert open_engine("auto", tiny, EngineOptions("cuda")) is real
    assert "engine tensorrt is not usable here, the next one is tried: no kernel for this GPU" in caplog.text
    there.discard("tensorrt_rtx")
    assert auto_candidates(EngineOptions("cuda")) == ["torch"]


def test_auto_takes_the_cpu_where_nothing_is_installed_for_the_gpu(monkeypatch):
    monkeypatch.setattr("icnet_ros.packages.find_spec", lambda name: name if name == "openvino" else None)
    monkeypatch.setattr("icnet_ros.engine.table.Path.exists", lambda path: str(path) == "/dev/nvidiactl")
    for architecture in ("icnet", "onnx"):
        assert auto_candidates(EngineOptions("auto"), architecture) == ["openvino"]
    assert auto_candidates(EngineOptions("cuda")) == ["torch"]


def test_an_engine_that_is_not_installed_says_what_to_install(tiny, monkeypatch):
    monkeypatch.delitem(sys.modules, "icnet_ros.engine.backends.onnxruntime", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match=r"pip install 'icnet-ros\[onnx\]'"):
        open_engine("onnxruntime", tiny)


@pytest.mark.parametrize(
    ("name", "options", "advice"),
    [
        ("onnxruntime", {"device": "gpu"}, "set device to auto, cpu or cuda:N"),
        ("onnxruntime", {"precision": "fp64"}, "set precision to fp32"),
        ("openvino", {"device": "cuda"}, "take engine torch"),
        ("openvino", {"precision": "fp64"}, "set precision to fp32"),
    ],
)
def test_exported_engines_refuse_what_they_have_not(tiny, name, options, advice):
    pytest.importorskip(name)
    with pytest.raises(EngineError, match=advice):
        open_engine(name, tiny, EngineOptions(**options))


def test_devices_that_are_not_there(tiny):
    onnxruntime, openvino = pytest.importorskip("onnxruntime"), pytest.importorskip("openvino")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(EngineError, match="install onnxruntime-gpu in its place"):
            open_engine("onnxruntime", tiny, EngineOptions("cuda"))
    if "GPU" not in openvino.Core().available_devices:
        with pytest.raises(EngineError, match="finds no GPU here, only CPU; set device to cpu"):
            open_engine("openvino", tiny, EngineOptions("gpu"))


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_exported_engines_have_the_exits_of_the_checkpoint(tiny, name):
    pytest.importorskip(name)
    narrow = dataclasses.replace(tiny, spec=dataclasses.replace(tiny.spec, exits=("sub124",)))
    with pytest.raises(CheckpointError, match="has no exit sub4; it has sub124"):
        open_engine(name, narrow, EngineOptions(exit="sub4"))


def test_onnxruntime_starts_without_torch_and_without_onnx_when_its_file_is_there(tiny, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("ICNET_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "m.safetensors"
    save(model, tiny.spec, tiny.weights)
    code = (
        "import sys, numpy\n"
        "from icnet_ros.checkpoint.default import load_model\n"
        "from icnet_ros.engine.base import EngineOptions, Frame\n"
        "from icnet_ros.engine.table import open_engine\n"
        f"engine = open_engine('onnxruntime', load_model({str(model)!r}), EngineOptions('cpu'))\n"
        "engine.segment([Frame(numpy.zeros((64, 64, 3), numpy.uint8))])\n"
        "print(*sorted({'torch', 'onnx'} & sys.modules.keys()))\n"
    )
    seen = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout for _ in "ab"
    ]
    assert [line.strip() for line in seen] == ["onnx", ""]


def test_the_engine_room_needs_no_ros():
    code = "import sys; sys.modules['rclpy'] = None; import icnet_ros.engine.backends.torch, icnet_ros.replay.files"
    subprocess.run([sys.executable, "-c", code], check=True)
