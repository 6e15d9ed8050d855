import logging
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from icnet_ros.checkpoint.file import save
from icnet_ros.command.main import main
from icnet_ros.engine.artefacts import export, fp16
from icnet_ros.engine.artefacts.cache import cached_file
from icnet_ros.engine.artefacts.cache_entries import cache_folder
from icnet_ros.engine.base import EngineError


@pytest.fixture(scope="module")
def session(tiny):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    return onnxruntime.InferenceSession(str(export.onnx_file(tiny, "sub124")), providers=["CPUExecutionProvider"])


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 2), st.integers(32, 200), st.integers(32, 200))
def test_one_file_gives_torchs_logits_at_any_size(tiny, session, frames, height, width):
    image = np.random.default_rng(0).normal(0, 60, (frames, 3, height, width)).astype(np.float32)
    with torch.inference_mode():
        expected = tiny.network(["sub124"])(torch.from_numpy(image))[0].permute(0, 2, 3, 1).numpy()
    given = session.run(None, {"image": image})[0]
    assert given.shape == expected.shape
    assert np.abs(given - expected).max() < 1e-3 * np.abs(expected).max()


def test_a_wrong_conversion_is_not_kept(tiny, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.setenv("ICNET_CACHE", str(tmp_path))
    monkeypatch.setattr(fp16, "TOLERANCE", -1.0)
    original = export.onnx_file(tiny, "sub4")
    with pytest.raises(EngineError, match=r"conversion is wrong at 128x96 .* set precision to fp32"):
        fp16.fp16_file(tiny, "sub4")
    assert sorted(tmp_path.iterdir()) == sorted([original, original.with_suffix(".json")])


def made(content=b"made"):
    calls = []

    def build(path):
        calls.append(path)
        path.write_bytes(content)

    return build, calls


def test_an_artefact_is_made_once_for_a_key(tmp_path, monkeypatch):
    monkeypatch.setenv("ICNET_CACHE", str(tmp_path / "c"))
    build, calls = made()
    one = cached_file("file", "onnx", {"a": "1"}, build)
    assert cached_file("file", "onnx", {"a": "1"}, build) == one
    assert cached_file("file", "onnx", {"a": "2"}, build) != one
    assert len(calls) == 2
    assert one.read_bytes() == b"made"


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda path: path.write_bytes(b"mad"), "its content is not what was written"),
        (lambda path: path.with_suffix(".json").write_text("{"), "its description cannot be read"),
        (
            lambda path: path.with_suffix(".json").write_text('{"key": {"a": "3"}, "sha256": ""}'),
            "made from something else",
        ),
        (lambda path: path.with_suffix(".json").unlink(), "its description cannot be read"),
        (os.unlink, "there is none yet"),
    ],
)
def test_a_harmed_artefact_is_made_again_and_the_log_says_why(tmp_path, monkeypatch, caplog, harm, reason):
    monkeypatch.setenv("ICNET_CACHE", str(tmp_path))
    build, calls = made()
    path = cached_file("file", "onnx", {"a": "1"}, build)
    harm(path)
    with caplog.at_level(logging.INFO):
        assert cached_file("file", "onnx", {"a": "1"}, build).read_bytes() == b"made"
    assert len(calls) == 2
    assert reason in caplog.text


def test_a_build_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ICNET_CACHE", str(tmp_path))

    def build(path):
        path.write_bytes(b"half")
        raise EngineError("no")

    with pytest.raises(EngineError):
        cached_file("file", "onnx", {}, build)
    assert list(tmp_path.iterdir()) == []


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.delenv("ICNET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "icnet_ros"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "icnet_ros"


@pytest.mark.parametrize(("kind", "name"), [("onnx", "m.onnx"), ("openvino", "m.xml")])
def test_the_command_writes_a_file_that_others_can_run(tiny, tmp_path, monkeypatch, kind, name):
    pytest.importorskip("onnxruntime")
    openvino = pytest.importorskip("openvino")
    save(tmp_path / "m.safetensors", tiny.spec, tiny.weights)
    out = tmp_path / "o" / name
    words = ["export", "--model", tmp_path / "m.safetensors", "--format", kind, "--exit", "sub24", "-o", out]
    monkeypatch.setattr("sys.argv", ["icnet", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main())
    assert not stop.value.code
    image = np.random.default_rng(0).normal(0, 60, (1, 3, 64, 97)).astype(np.float32)
    with torch.inference_mode():
        expected = tiny.network(["sub24"])(torch.from_numpy(image))[0].permute(0, 2, 3, 1).numpy()
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    given = core.compile_model(str(out), "CPU", settings)({0: image})[0]
    assert np.abs(given - expected).max() < 1e-2 * np.abs(expected).max()
