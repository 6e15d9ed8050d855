"""The coarsest branch one frame late, against the network's own parts in torch."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("openvino", reason="needs openvino")

from icnet_ros.engine.backends import host
from icnet_ros.engine.backends.openvino_split import SplitOpenVinoEngine
from icnet_ros.engine.base import EngineError, EngineOptions, Frame, FrameError, Request
from icnet_ros.engine.kernels.normalise import normalise
from icnet_ros.engine.table import open_engine
from icnet_ros.network.layers import every_second, halve, resize, stem_pool

SIZE = (96, 128)


@pytest.fixture(scope="module")
def pictures():
    """A picture that moves to the left, and changes."""
    rng = np.random.default_rng(0)
    coarse = np.clip(rng.normal(115, 80, (12, 50, 3)), 0, 255).astype(np.uint8)
    wide = cv2.resize(coarse, (400, SIZE[0]), interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(wide[:, 24 * n : 24 * n + SIZE[1]]) for n in range(10)]


@pytest.fixture(scope="module")
def network(tiny, pictures):
    """A random network whose classes are equally strong in the first picture."""
    image = torch.from_numpy(normalise([Frame(pictures[0])], tiny.spec, SIZE)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        logits = tiny.network(["sub124"]).eval()(image)[0]
    weights = dict(tiny.weights)
    weights["cls.bias"] = weights["cls.bias"] - logits.mean((0, 2, 3))
    return replace(tiny, weights=weights)


def opened(checkpoint, interval=0, **options):
    return open_engine("openvino", checkpoint, EngineOptions("cpu", coarse_branch_interval=interval, **options))


@torch.inference_mode()
def reference(checkpoint, picture, earlier):
    """Labels of a picture with the coarsest branch's features of an earlier one, by torch."""
    parts = checkpoint.network(["sub124"]).eval()

    def medium_and_low(pixels):
        image = torch.from_numpy(normalise([Frame(pixels)], checkpoint.spec, SIZE)).permute(0, 3, 1, 2)
        medium = parts.res3[0](parts.res2(stem_pool(parts.stem(every_second(image)))))
        return image, medium, parts.k1(parts.pyramid(parts.res5(parts.res4(parts.res3[1:](halve(medium))))))

    image, medium, _ = medium_and_low(picture)
    fused = parts.cff12(parts.cff24(medium_and_low(earlier)[2], medium), parts.hi(image))
    return resize(parts.cls(resize(fused, (SIZE[0] // 4, SIZE[1] // 4))), SIZE).argmax(1)[0].numpy()


def labels(engine, picture, time=math.nan, camera=""):
    return engine.segment([Frame(picture, camera=camera, time=time)])[0].labels


def agree(one, other):
    return (one == other).mean() > 0.998  # ties, and the order of sums


@pytest.mark.parametrize(
    ("interval", "of"), [(1, [0, 0, 1, 2, 3, 4, 5]), (2, [0, 0, 1, 1, 3, 3, 5]), (3, [0, 0, 0, 2, 2, 2, 5])]
)
def test_features_are_those_of_an_earlier_frame(network, pictures, interval, of):
    engine = opened(network, interval)
    for number, earlier in enumerate(of):
        found = labels(engine, pictures[number], number / 15)
        assert agree(found, reference(network, pictures[number], pictures[earlier])), number
    assert not agree(reference(network, pictures[5], pictures[4]), reference(network, pictures[5], pictures[5]))
    engine.close()


def test_what_does_not_follow_a_frame_has_its_own_features(network, pictures):
    whole, engine = opened(network), opened(network, 1)
    # No time; a gap; back; another gap; a clock that stands still.
    frames = ((0, math.nan), (1, math.nan), (2, 1.0), (3, 1.6), (4, 0.9), (3, 6.0), (5, 7.0), (4, 7.0), (5, 7.0))
    for number, time in frames:
        assert agree(labels(engine, pictures[number], time), labels(whole, pictures[number]))
    assert agree(labels(engine, pictures[6], 7.1), reference(network, pictures[6], pictures[5]))
    turned = np.ascontiguousarray(pictures[7].swapaxes(0, 1))
    assert agree(labels(engine, turned, 7.2), labels(whole, turned)), "of another size"
    assert agree(labels(engine, pictures[8], 7.2, "left"), labels(whole, pictures[8])), "of another camera"


def test_features_are_renewed_before_they_are_too_old(network, pictures):
    """5 images a second, of which each result may serve 10: it is 0.4 s old at most."""
    engine = opened(network, 10)
    for number, earlier in enumerate([0, 0, 0, 2, 2, 4, 4]):
        found = labels(engine, pictures[number], number / 5)
        assert agree(found, reference(network, pictures[number], pictures[earlier])), number


def test_exit_auto_measures_its_steps_as_they_are_used(network, monkeypatch):
    """Once warm, the coarsest branch runs once for a frame, not before it, as for one that follows no other."""
    usable, seen = SplitOpenVinoEngine._usable, []
    monkeypatch.setattr(SplitOpenVinoEngine, "_usable", lambda *of: seen.append(usable(*of)) or seen[-1])
    opened(network, 1, exit="auto").warm_up(*SIZE)
    assert seen[-5:] == [False, True, True, True, True]


def test_a_frame_that_fails_leaves_nothing_to_the_next(network, pictures, monkeypatch):
    def no_label(*_):
        raise FrameError("the network gave NaN")

    engine = opened(network, 1)
    labels(engine, pictures[0], 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(host, "label", no_label)
        with pytest.raises(FrameError):
            labels(engine, pictures[1], 0.1)
    assert agree(labels(engine, pictures[2], 0.2), labels(opened(network), pictures[2]))


def test_cameras_of_a_batch_have_features_of_their_own(network, pictures):
    engine = opened(network, 1)
    for number in range(4):
        batch = [Frame(pictures[number], camera="left", time=number / 15)]
        batch += [Frame(pictures[9 - number], camera="right", time=number / 15)]
        left, right = engine.segment(batch)
        before = max(number - 1, 0)
        assert agree(left.labels, reference(network, pictures[number], pictures[before]))
        assert agree(right.labels, reference(network, pictures[9 - number], pictures[9 - before]))
    assert agree(labels(engine, pictures[4], 4 / 15, "left"), reference(network, pictures[4], pictures[3]))


def test_frames_that_are_turned_keep_their_camera_and_time(network, pictures):
    engine, turned = opened(network, 1), opened(network, 1, rotate=180)
    for number in range(3):
        upside_down = np.ascontiguousarray(pictures[number][::-1, ::-1])
        expected = labels(engine, pictures[number], number / 15)
        assert agree(labels(turned, upside_down, number / 15)[::-1, ::-1], expected)


def test_exits(network, pictures):
    """sub4 is the branch itself; with exit auto each step has features of its own."""
    engine = opened(network, 1, exit="sub4")
    for number in range(2):
        assert agree(
            labels(engine, pictures[number], number / 15), labels(opened(network, exit="sub4"), pictures[number])
        )
    cascade = opened(network, 1, exit="auto")
    cascade.warm_up(*SIZE)
    for number in range(3):
        frame = Frame(pictures[number], time=number / 15)
        found = cascade.segment([frame], Request(exit="sub124"))[0].labels
        assert agree(found, reference(network, pictures[number], pictures[max(number - 1, 0)]))


def test_who_cannot_run_it_says_so(tiny):
    for engine in ("torch", "onnxruntime"):
        with pytest.raises(EngineError, match=f"for an icnet on engine openvino, this is icnet on {engine}"):
            open_engine(engine, tiny, EngineOptions("cpu", coarse_branch_interval=1))
    from icnet_ros.checkpoint.file import untrained

    other = untrained(tiny.spec.classes, width=0.25)
    other = replace(other, spec=replace(other.spec, architecture="pspnet50", exits=("main",)))
    with pytest.raises(EngineError, match="this is pspnet50 on openvino: set it to 0"):
        open_engine("openvino", other, EngineOptions("cpu", exit="main", coarse_branch_interval=1))
