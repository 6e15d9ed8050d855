"""Label groups, scores, output sizes, rotation and masks, on each engine and with the kernels of the GPU."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from icnet_ros.engine.backends.torch import open_torch_on
from icnet_ros.engine.base import EngineError, EngineOptions, Frame, Request
from icnet_ros.engine.table import open_engine

GROUPS = """
name: two
groups:
  - {name: ground, colour: [1, 2, 3], classes: [road]}
  - {name: thing, colour: [4, 5, 6], classes: [car]}
unlabelled: [sky]
"""


@pytest.fixture(params=["torch", "onnxruntime", "openvino", "kernels of the GPU"])
def engine(request, tiny):
    """A function of options."""
    if request.param == "kernels of the GPU":
        return lambda **options: open_torch_on(torch.device("cpu"), tiny, EngineOptions("cpu", **options))
    if request.param != "torch":
        pytest.importorskip("onnx")
        pytest.importorskip(request.param)
    return lambda **options: open_engine(request.param, tiny, EngineOptions("cpu", **options))


@pytest.fixture
def groups(tmp_path):
    (tmp_path / "two.yaml").write_text(GROUPS)
    return str(tmp_path / "two.yaml")


def picture(height=97, width=130, seed=0):
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


@torch.inference_mode()
def probabilities(tiny, bgr, size):
    """(classes, *size) by the plain network and torch's interpolation."""
    tensor = torch.from_numpy(bgr.astype(np.float32)) - torch.tensor(tiny.spec.mean)
    logits = tiny.network(["sub124"])(tensor.permute(2, 0, 1)[None])[0]
    return F.interpolate(logits, size, mode="bilinear", align_corners=True)[0].softmax(0).numpy()


def same(labels, scores, ids):
    """Equal to the largest score, where it is clearly the largest."""
    top = np.sort(scores, axis=0)
    clear = top[-1] - top[-2] > 1e-3
    assert clear.mean() > 0.9
    assert np.array_equal(labels[clear], np.array(ids, np.uint8)[scores.argmax(0)][clear])


@pytest.mark.parametrize("size", [(48, 64), (97, 130), (200, 100)])
def test_labels_of_another_size_come_from_the_logits(tiny, engine, size):
    bgr = picture()
    answer = engine().segment([Frame(bgr, size=size)], Request(confidence=True))[0]
    expected = probabilities(tiny, bgr, size)
    assert answer.labels.shape == answer.confidence.shape == size
    same(answer.labels, expected, range(3))
    assert np.abs(answer.confidence - 255 * expected.max(0)).max() < 2


def test_frames_of_one_batch_may_want_other_sizes(engine):
    frames = [Frame(picture(), size=size) for size in ((48, 64), (48, 64), None, (20, 30))]
    runner = engine()
    for frame, answer in zip(frames, runner.segment(frames), strict=True):
        assert answer.labels.shape == frame.label_size
        assert (answer.labels == runner.segment([frame])[0].labels).mean() > 0.999


def test_groups_are_the_largest_sums_of_probabilities(tiny, engine, groups):
    runner = engine(label_groups=groups)
    assert runner.spec.classes.names == ("ground", "thing")
    bgr = picture()
    expected = probabilities(tiny, bgr, bgr.shape[:2])
    plain, sure = (runner.segment([Frame(bgr)], Request(confidence=wanted))[0] for wanted in (False, True))
    same(plain.labels, expected, (0, 1, 255))
    same(sure.labels, expected, (0, 1, 255))
    assert set(np.unique(sure.labels)) == {0, 1, 255}
    assert np.abs(sure.confidence - 255 * expected.max(0)).max() < 2


def test_scores_are_those_of_the_published_classes(tiny, engine, groups):
    bgr = picture()
    expected = probabilities(tiny, bgr, (48, 64))
    scores = engine().segment([Frame(bgr, size=(48, 64))], Request(scores=(2, 0)))[0].scores
    assert (scores.dtype, scores.shape) == (np.float32, (48, 64, 2))
    assert np.abs(scores.transpose(2, 0, 1) - expected[[2, 0]]).max() < 5e-3
    scores = engine(label_groups=groups).segment([Frame(bgr)], Request(scores=(1,)))[0].scores
    assert np.abs(scores[..., 0] - probabilities(tiny, bgr, bgr.shape[:2])[1]).max() < 5e-3


def test_groups_that_cannot_be_used_are_an_engine_error(engine, tmp_path):
    with pytest.raises(EngineError, match="no label groups 'none'"):
        engine(label_groups="none")
    (tmp_path / "bad.yaml").write_text(GROUPS.replace("[car]", "[kar]"))
    with pytest.raises(EngineError, match=r"label_groups: .*bad\.yaml: group thing: no class 'kar'"):
        engine(label_groups=str(tmp_path / "bad.yaml"))


def cpu(tiny, **options):
    return open_engine("torch", tiny, EngineOptions("cpu", **options))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_camera_gets_labels_in_its_own_frame(tiny, degrees):
    """The frame is stored turned; turned upright it must give what the upright one gives."""
    upright = picture()
    stored = np.ascontiguousarray(np.rot90(upright, degrees // 90))  # counter-clockwise
    frame = Frame(stored, size=(stored.shape[0] // 2, stored.shape[1] // 2))
    found = cpu(tiny, rotate=degrees).segment([frame], Request(confidence=True, scores=(1,)))[0]
    assert found.labels.shape == frame.label_size
    size = frame.label_size if degrees == 180 else frame.label_size[::-1]
    expected = cpu(tiny).segment([Frame(upright, size=size)], Request(confidence=True, scores=(1,)))[0]
    for name in ("labels", "confidence", "scores"):
        assert np.array_equal(np.rot90(getattr(found, name), -degrees // 90), getattr(expected, name)), name


def write_mask(path, height=97, width=130):
    mask = np.zeros((height, width), np.uint8)
    mask[height // 2 :, : width // 2] = 200
    cv2.imwrite(str(path), mask)
    return mask > 0


def test_masked_pixels_are_unlabelled(tiny, tmp_path):
    masked = write_mask(tmp_path / "mask.png")
    frame = Frame(picture())
    found = cpu(tiny, mask=str(tmp_path / "mask.png")).segment([frame], Request(confidence=True, scores=(0,)))[0]
    plain = cpu(tiny).segment([frame], Request(confidence=True, scores=(0,)))[0]
    assert (found.labels[masked] == 255).all()
    assert not found.confidence[masked].any()
    assert not found.scores[masked].any()
    assert np.array_equal(found.labels[~masked], plain.labels[~masked])
    half = cpu(tiny, mask=str(tmp_path / "mask.png")).segment([Frame(picture(), size=(48, 65))])[0].labels
    assert (half[26:, :30] == 255).all()
    assert (half[:22] < 255).all()


@pytest.mark.parametrize("kind", ["16 bits", "1 bit", "black palette"])
def test_a_mask_is_what_is_stored(tiny, tmp_path, kind):
    """Not what a viewer would show: 16-bit values up to 255 and palettes without colours look black."""
    masked, path = write_mask(tmp_path / "mask.png"), tmp_path / "mask.png"
    if kind == "16 bits":
        cv2.imwrite(str(path), masked.astype(np.uint16) * 255)
    else:
        stored = Image.fromarray(masked if kind == "1 bit" else masked.astype(np.uint8))
        if kind == "black palette":
            stored.putpalette([0] * 6)
        stored.save(path)
    found = cpu(tiny, mask=str(path)).segment([Frame(picture())])[0].labels
    assert np.array_equal(found == 255, masked)


def test_the_share_of_a_mask_is_logged_and_none_or_all_is_refused(tiny, tmp_path, caplog):
    caplog.set_level("INFO", "icnet_ros")
    write_mask(tmp_path / "mask.png")
    cpu(tiny, mask=str(tmp_path / "mask.png"))
    assert "mask.png: 25.3 % of the pixels are not labelled" in caplog.text
    for name, value, problem in (("black", 0, "nothing: it is black"), ("white", 255, "every pixel")):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((97, 130), value, np.uint8))
        with pytest.raises(EngineError, match=rf"mask .*{name}\.png masks {problem}"):
            cpu(tiny, mask=str(tmp_path / f"{name}.png"))
    (tmp_path / "lossy.png").write_bytes(cv2.imencode(".jpg", np.zeros((97, 130), np.uint8))[1].tobytes())
    with pytest.raises(EngineError, match=r"mask: .*lossy\.png: the file is a JPEG"):
        cpu(tiny, mask=str(tmp_path / "lossy.png"))


def test_each_camera_may_have_its_mask(tiny, tmp_path):
    masks = {"left": write_mask(tmp_path / "left.png"), "right": write_mask(tmp_path / "right.png", 61, 80)}
    frames = [Frame(picture(*mask.shape), camera=camera) for camera, mask in masks.items()]
    plain = [found.labels for found in cpu(tiny).segment(frames)]
    for exit_ in ("sub124", "auto"):
        engine = cpu(tiny, exit=exit_, mask=f"{tmp_path}/{{camera}}.png", cameras=("left", "right"))
        engine.warm_up(48, 64)
        for found, unmasked, mask in zip(engine.segment(frames), plain, masks.values(), strict=True):
            assert (found.labels[mask] == 255).all()
            assert exit_ == "auto" or np.array_equal(found.labels[~mask], unmasked[~mask])
    with pytest.raises(ValueError, match=r"right\.png is 80x61, the image 130x97"):
        engine.segment([Frame(picture(), camera="right")])
    with pytest.raises(EngineError, match=r"mask: .*rear\.png"):
        cpu(tiny, mask=f"{tmp_path}/{{camera}}.png", cameras=("left", "rear"))
    with pytest.raises(EngineError, match="no camera has a name"):
        cpu(tiny, mask=f"{tmp_path}/{{camera}}.png")


def test_a_cascade_warms_up_with_a_mask_of_another_size_than_asked_for(tiny, tmp_path):
    write_mask(tmp_path / "mask.png")
    engine = cpu(tiny, exit="auto", mask=str(tmp_path / "mask.png"))
    engine.warm_up(480, 640)
    assert engine.segment([Frame(picture())])[0].labels.shape == picture().shape[:2]


def test_mask_and_rotation_that_cannot_be_used_are_explained(tiny, tmp_path):
    write_mask(tmp_path / "mask.png", 48, 64)
    with pytest.raises(ValueError, match=r"mask .*mask\.png is 64x48, the image 130x97"):
        cpu(tiny, mask=str(tmp_path / "mask.png")).segment([Frame(picture())])
    (tmp_path / "cut.png").write_bytes((tmp_path / "mask.png").read_bytes()[:40])
    for name in ("cut.png", "none.png"):
        with pytest.raises(EngineError, match=f"mask: .*{name}"):
            cpu(tiny, mask=str(tmp_path / name))
    with pytest.raises(EngineError, match="rotate is 45, it takes 0, 90, 180 or 270"):
        cpu(tiny, rotate=45)


def test_a_mask_may_use_the_id_of_unlabelled_only(tiny, tmp_path):
    """Also where the class table has another one."""
    write_mask(tmp_path / "mask.png")
    table = dataclasses.replace(tiny.spec.classes, ignore=7)
    other = dataclasses.replace(tiny, spec=dataclasses.replace(tiny.spec, classes=table))
    assert 7 in cpu(other, mask=str(tmp_path / "mask.png")).segment([Frame(picture())])[0].labels
