"""Every engine answers as the plain network does, for frames of all sizes that it takes."""

import dataclasses
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from icnet_ros.engine.backends.batched import CACHED_SIZES, check_size
from icnet_ros.engine.base import STAGES, Engine, EngineOptions, Frame, Request
from icnet_ros.engine.table import open_engine


@pytest.fixture(params=["torch", "onnxruntime", "openvino"])
def cpu_engine(request):
    """Each engine that runs on any machine, as a function of checkpoint and options."""
    if request.param != "torch":
        pytest.importorskip("onnx")
        pytest.importorskip(request.param)
    return lambda checkpoint, **options: open_engine(request.param, checkpoint, EngineOptions("cpu", **options))


def picture(height=97, width=130, seed=0):
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


@torch.inference_mode()
def plain(checkpoint, bgr, exit_="sub124"):
    """Logits at frame size by the shortest way there is: no folding, no fast path."""
    spec = checkpoint.spec
    pixels = bgr if spec.channel_order == "bgr" else bgr[..., ::-1]
    tensor = (torch.from_numpy(pixels.astype(np.float32)) - torch.tensor(spec.mean)) / torch.tensor(spec.std)
    logits = checkpoint.network([exit_])(tensor.permute(2, 0, 1)[None])[0]
    return F.interpolate(logits, bgr.shape[:2], mode="bilinear", align_corners=True)[0]


def assert_same_labels(labels, full):
    top = full.topk(2, 0).values
    clear = (top[0] - top[1] > 1e-3).numpy()
    assert clear.mean() > 0.95
    assert np.array_equal(labels[clear], full.argmax(0).numpy()[clear])


@pytest.mark.parametrize("exit_", ["sub4", "sub24", "sub124"])
def test_labels_and_confidence_equal_the_plain_network(tiny, cpu_engine, exit_):
    engine = cpu_engine(tiny, exit=exit_)
    assert isinstance(engine, Engine)
    bgr = picture()
    answer = engine.segment([Frame(bgr)], Request(confidence=True))[0]
    full = plain(tiny, bgr, exit_)
    assert answer.labels.shape == answer.confidence.shape == bgr.shape[:2]
    assert_same_labels(answer.labels, full)
    assert np.abs(answer.confidence - 255 * full.softmax(0).amax(0).numpy()).max() < 2
    assert set(answer.stages) == set(STAGES)
    assert all(ms > 0 for ms in answer.stages.values())
    assert engine.segment([Frame(bgr)])[0].confidence is None


def test_normalisation_and_channel_order_are_the_checkpoints(tiny, cpu_engine):
    spec = dataclasses.replace(tiny.spec, channel_order="rgb", mean=(123.0, 116.0, 103.0), std=(58.0, 57.0, 57.5))
    checkpoint = dataclasses.replace(tiny, spec=spec)
    engine = cpu_engine(checkpoint)
    bgr = picture()
    labels = engine.segment([Frame(bgr)])[0].labels
    assert_same_labels(labels, plain(checkpoint, bgr))
    as_rgb = engine.segment([Frame(np.ascontiguousarray(bgr[..., ::-1]), "rgb")])[0].labels
    assert np.array_equal(labels, as_rgb)


def test_a_batch_of_mixed_sizes_keeps_its_order(tiny, cpu_engine):
    engine = cpu_engine(tiny)
    frames = [Frame(picture(*size, seed)) for seed, size in enumerate([(64, 96), (64, 96), (50, 70), (64, 96)])]
    together = engine.segment(frames)
    assert [answer.labels.shape for answer in together] == [frame.pixels.shape[:2] for frame in frames]
    for frame, answer in zip(frames, together, strict=True):
        assert (engine.segment([frame])[0].labels == answer.labels).mean() > 0.999
    assert engine.segment([]) == []


def test_a_view_with_padded_rows_is_a_frame(tiny, cpu_engine):
    engine = cpu_engine(tiny)
    bgr = picture(64, 96)
    padded = np.zeros((64, 100, 3), np.uint8)
    padded[:, :96] = bgr
    padded.flags.writeable = False
    assert np.array_equal(engine.segment([Frame(padded[:, :96])])[0].labels, engine.segment([Frame(bgr)])[0].labels)


@pytest.mark.parametrize(("wanted", "asked"), [(2.0, 0.0), (0.5, 2.0)])
def test_labels_keep_the_frame_size_when_the_network_sees_another(tiny, cpu_engine, wanted, asked):
    """The checkpoint says which scale it wants; who runs it may ask for another."""
    checkpoint = dataclasses.replace(tiny, spec=dataclasses.replace(tiny.spec, input_scale=wanted))
    bgr = picture(40, 61)
    labels = cpu_engine(checkpoint, scale=asked).segment([Frame(bgr)])[0].labels
    doubled = cv2.resize(bgr, (122, 80), interpolation=cv2.INTER_LINEAR)
    tensor = (torch.from_numpy(doubled.astype(np.float32)) - torch.tensor(tiny.spec.mean)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        logits = tiny.network(["sub124"])(tensor)[0]
        full = F.interpolate(logits, (40, 61), mode="bilinear", align_corners=True)[0]
    assert_same_labels(labels, full)


def test_frames_of_any_height_reach_the_network_at_the_one_it_wants(tiny, cpu_engine):
    """A checkpoint that wants frames of 40 rows doubled sees 80 rows of every frame, unless it is told a scale."""
    spec = dataclasses.replace(tiny.spec, input_scale=2.0, frame_height=40)
    wants_rows, plain_scale = cpu_engine(dataclasses.replace(tiny, spec=spec)), cpu_engine(tiny, scale=0.5)
    for engine in (wants_rows, cpu_engine(dataclasses.replace(tiny, spec=spec), scale=0.5)):
        frame = Frame(picture(160, 244))
        assert np.array_equal(engine.segment([frame])[0].labels, plain_scale.segment([frame])[0].labels)
    frame = Frame(picture(40, 61))
    assert np.array_equal(wants_rows.segment([frame])[0].labels, cpu_engine(tiny, scale=2.0).segment([frame])[0].labels)


@pytest.mark.skipif(
    "avx512_bf16" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"), reason="this CPU has no bf16"
)
def test_bf16_on_a_cpu_that_has_it(tiny):
    pytest.importorskip("openvino")
    whole, short = (open_engine("openvino", tiny, EngineOptions("cpu", precision)) for precision in ("fp32", "bf16"))
    expected, given = (engine.segment([Frame(picture())], Request(confidence=True))[0] for engine in (whole, short))
    assert (given.labels == expected.labels).mean() > 0.9
    assert (given.confidence != expected.confidence).any()


def test_openvino_keeps_few_sizes(tiny):
    pytest.importorskip("openvino")
    engine = open_engine("openvino", tiny, EngineOptions("cpu"))
    frames = [Frame(picture(64, width)) for width in (*range(64, 64 + 8 * (CACHED_SIZES + 1), 8), 64)]
    labels = [engine.segment([frame])[0].labels for frame in frames]
    assert len(engine._requests) == CACHED_SIZES
    assert np.array_equal(labels[0], labels[-1])


def test_too_small_a_frame(tiny, cpu_engine):
    with pytest.raises(ValueError, match="the network needs at least 32x32, this 64x16 frame gives it 64x16"):
        cpu_engine(tiny).segment([Frame(np.zeros((16, 64, 3), np.uint8))])


def test_a_frame_of_few_wide_rows_is_refused_before_it_fills_the_memory(tiny, cpu_engine):
    checkpoint = replace(tiny, spec=replace(tiny.spec, frame_height=512))
    for width, height, wide in ((1024, 64, 8192), (64, 1, 32768)):
        with pytest.raises(
            ValueError, match=rf"this {width}x{height} frame gives the network {wide}x512, over 4000000"
        ):
            cpu_engine(checkpoint).segment([Frame(np.zeros((height, width, 3), np.uint8))])


@pytest.mark.parametrize(
    ("frame", "seen", "good"),
    [
        ((64, 1024), (512, 8192), False),  # 5 s on two cores
        ((1, 64), (512, 32768), False),
        ((33, 1200), (512, 18618), False),
        ((720, 1280), (512, 910), True),
        ((128, 1600), (512, 6400), True),
        ((2160, 3840), (4320, 7680), True),  # 4K at twice its size
        ((2500, 4000), (5000, 8001), False),
    ],
)
def test_the_pixels_that_a_network_may_see_depend_on_those_of_the_frame(frame, seen, good):
    pixels = Frame(np.broadcast_to(np.uint8(0), (*frame, 3)))
    if good:
        check_size(pixels, seen)
    else:
        with pytest.raises(ValueError, match="set input_rows or input_scale"):
            check_size(pixels, seen)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)]
)
def test_what_is_no_frame(pixels):
    with pytest.raises(ValueError, match="uint8"):
        Frame(pixels)
