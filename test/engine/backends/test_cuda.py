"""What runs on a GPU, checked as far as that is possible without one."""

import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.backends.batched import CACHED_SIZES
from icnet_ros.engine.backends.torch import open_torch_on
from icnet_ros.engine.base import Engine, EngineError, EngineOptions, Frame, Request
from icnet_ros.engine.kernels import ondevice, upsample
from icnet_ros.engine.kernels.normalise import normalise
from icnet_ros.engine.table import open_engine

CPU = torch.device("cpu")


def picture(height=97, width=130, seed=0):
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


@settings(max_examples=40, deadline=None)
@given(st.integers(32, 90), st.integers(32, 90), st.sampled_from([0.5, 1.0, 1.5, 2.0]), st.sampled_from(["bgr", "rgb"]))
def test_prepare_is_normalise(height, width, scale, order):
    spec = ModelSpec(
        ClassTable("two", ("a", "b"), ((0, 0, 0), (1, 1, 1))), mean=(100.0, 110.0, 120.0), std=(57.0, 58.0, 59.0)
    )
    frame = Frame(picture(height, width), order)
    size = spec.network_size(height, width, scale)
    expected = normalise([frame], spec, size, planar=True)
    pixels = torch.from_numpy(frame.pixels)[None]
    given = ondevice.prepare(pixels, spec, order != spec.channel_order, size, torch.float32)
    assert given.is_contiguous(memory_format=torch.channels_last)
    # OpenCV resizes uint8 in fixed point: one grey level of difference is allowed then, and nothing else.
    assert np.abs(given.numpy() - expected).max() <= (1.01 / 57 if scale != 1 else 1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(2, 19), st.integers(1, 80), st.integers(1, 80), st.booleans()
)
def test_label_is_the_kernel_of_the_cpu(h, w, classes, height, width, confidence):
    logits = np.random.default_rng(h * w).normal(0, 3, (2, h, w, classes)).astype(np.float32)
    labels, sure = ondevice.label(torch.from_numpy(logits).permute(0, 3, 1, 2), height, width, confidence)
    for number, one in enumerate(logits):
        expected, certain = upsample.label_and_confidence(one, height, width)
        assert (labels[number].numpy() == expected).mean() > 0.999
        if confidence:
            assert np.abs(sure[number].numpy().astype(int) - certain).max() <= 1
    assert (sure is None) == (not confidence)


def test_the_fused_kernel_in_tritons_interpreter():
    """Same labels and confidence as the kernel of the CPU; odd sizes, both layouts of the logits."""
    pytest.importorskip("triton")
    code = """
        import numpy as np, torch
        from icnet_ros.engine.kernels import fused, upsample
        rng = np.random.default_rng(0)
        for h, w, classes, height, width in ((5, 7, 11, 9, 27), (2, 4, 3, 3, 300), (1, 6, 2, 1, 24), (3, 1, 19, 9, 1)):
            logits = rng.normal(0, 3, (2, h, w, classes)).astype(np.float32)
            last = torch.from_numpy(logits).permute(0, 3, 1, 2)
            for tensor in (last, last.contiguous(), last.half()):
                labels, sure = fused.label_fused(tensor, height, width, True)
                bare, none = fused.label_fused(tensor, height, width, False)
                assert none is None and torch.equal(labels, bare)
                for number, one in enumerate(tensor.float().permute(0, 2, 3, 1).numpy()):
                    expected, certain = upsample.label_and_confidence(one, height, width)
                    assert (labels[number].numpy() == expected).mean() > 0.999, (h, w)
                    assert np.abs(sure[number].numpy().astype(int) - certain).max() <= 1, (h, w)
        print("same")
    """
    environment = {"TRITON_INTERPRET": "1", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == "same", done.stderr


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_engine_of_the_gpu_labels_as_that_of_the_cpu(tiny, scale):
    """All of CudaEngine but its graphs, on a CPU."""
    engine = open_torch_on(CPU, tiny, EngineOptions("cpu", scale=scale))
    assert isinstance(engine, Engine)
    plain = open_engine("torch", tiny, EngineOptions("cpu", scale=scale))
    bgr = picture()
    frames = [Frame(bgr), Frame(np.ascontiguousarray(bgr[..., ::-1]), "rgb"), Frame(picture(64, 96)), Frame(bgr)]
    for confidence in (True, False, True):
        answers, expected = (one.segment(frames, Request(confidence=confidence)) for one in (engine, plain))
        for ours, theirs in zip(answers, expected, strict=True):
            assert (ours.labels == theirs.labels).mean() > (0.9999 if scale == 1 else 0.99)
            assert ours.stages.keys() == theirs.stages.keys()
            if confidence:
                assert np.abs(ours.confidence.astype(int) - theirs.confidence).mean() < 2
            else:
                assert ours.confidence is None
    first = answers[0].labels.copy()
    engine.segment([Frame(picture(seed=1))], Request(confidence=True))
    assert np.array_equal(answers[0].labels, first), "an answer must not change when the buffers are used again"


def test_buffers_are_kept_for_few_sizes(tiny):
    engine = open_torch_on(CPU, tiny, EngineOptions("cpu"))
    for width in (*range(64, 64 + 8 * (CACHED_SIZES + 1), 8), 64):
        engine.segment([Frame(picture(64, width))])
    assert len(engine._runs) == CACHED_SIZES


def test_a_device_that_fails_is_an_engine_error(tiny, monkeypatch):
    engine = open_torch_on(CPU, tiny, EngineOptions("cpu"))

    def fail(_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(ValueError, match="at least 32x32"):
        engine.segment([Frame(np.zeros((16, 64, 3), np.uint8))])
    monkeypatch.setattr(engine, "_network", fail)
    with pytest.raises(EngineError, match="cpu failed at 1 frames of 130x97: CUDA error"):
        engine.segment([Frame(picture())])


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "graph"), [("fp32", True), ("fp32", False), ("fp16", True), ("bf16", True)])
def test_cuda_agrees_with_the_cpu(tiny, precision, graph):
    expected = open_engine("torch", tiny, EngineOptions("cpu"))
    engine = open_engine("torch", tiny, EngineOptions("cuda", precision, cuda_graph=graph))
    for seed in range(3):
        frames = [Frame(picture(256, 512, seed)), Frame(picture(256, 512, seed + 9))]
        for ours, theirs in zip(
            engine.segment(frames, Request(confidence=True)),
            expected.segment(frames, Request(confidence=True)),
            strict=True,
        ):
            assert (ours.labels == theirs.labels).mean() > (0.9999 if precision == "fp32" else 0.97)
            assert np.abs(ours.confidence.astype(int) - theirs.confidence).mean() < 4
    assert engine.memory() > 0
