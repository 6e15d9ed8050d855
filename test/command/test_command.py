import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from icnet_ros.checkpoint.file import save


@pytest.fixture
def model(tmp_path, tiny):
    path = tmp_path / "tiny.safetensors"
    save(path, tiny.spec, tiny.weights)
    return path


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "street.jpg"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))
    return path


def test_segment_a_picture(run, tmp_path, model, photo):
    code, out, err = run("segment", photo, "-o", tmp_path / "out", "--model", model)
    assert code == 0
    assert "untrained" in err
    labels = cv2.imread(str(tmp_path / "out" / "street_labels.png"), cv2.IMREAD_UNCHANGED)
    assert (labels.shape, labels.dtype, labels.max() < 3) == ((60, 80), np.uint8, True)
    overlay = cv2.imread(str(tmp_path / "out" / "street_overlay.png"))
    assert (overlay.shape[1], overlay.shape[0] > 60) == (80, True)  # a legend below the picture
    colour = cv2.imread(str(tmp_path / "out" / "street_colour.png"))
    assert (colour == np.array(((128, 64, 128), (0, 0, 142), (70, 130, 180)), np.uint8)[labels][..., ::-1]).all()
    coverage = json.loads((tmp_path / "out" / "coverage.json").read_text())
    for index, name in enumerate(("road", "car", "sky")):
        assert coverage[name] == pytest.approx((labels == index).mean())
        assert name in out


def test_segment_with_groups_and_a_mask(run, tmp_path, model, photo):
    (tmp_path / "two.yaml").write_text(
        "name: two\ngroups:\n- {name: way, colour: [9, 8, 7], classes: [road]}\nrest: {name: other, colour: [1, 2, 3]}"
    )
    mask = np.zeros((60, 80), np.uint8)
    mask[40:] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    words = ("--label-groups", tmp_path / "two.yaml", "--mask", tmp_path / "mask.png", "--rotate", "180")
    code, out, _ = run("segment", photo, "-o", tmp_path / "out", "--model", model, *words)
    assert (code, "way" in out, "other" in out) == (0, True, True)
    labels = cv2.imread(str(tmp_path / "out" / "street_labels.png"), cv2.IMREAD_UNCHANGED)
    assert (labels[40:] == 255).all()
    assert labels[:40].max() < 2
    coverage = json.loads((tmp_path / "out" / "coverage.json").read_text())
    assert coverage == pytest.approx({"way": (labels[:40] == 0).mean(), "other": (labels[:40] == 1).mean()})
    code, _, err = run("segment", photo, "-o", tmp_path / "out", "--model", model, "--label-groups", "nav3")
    assert (code, "there are drivable, nav2, outdoor" in err) == (1, True)


def test_segment_a_folder_keeps_every_answer(run, tmp_path, model, photo):
    cv2.imwrite(str(tmp_path / "street.png"), cv2.imread(str(photo)))
    (tmp_path / "notes.txt").write_text("no picture")
    code, _, err = run("segment", tmp_path, "-o", tmp_path / "out", "--model", model)
    assert (code, "2/2" in err) == (0, True)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"street_jpg_labels.png", "street_png_labels.png"} < names
    cv2.imwrite(str(tmp_path / "street_jpg.png"), cv2.imread(str(photo)))
    assert run("segment", tmp_path, "-o", tmp_path / "three", "--model", model)[0] == 0
    assert len(list((tmp_path / "three").glob("*_labels.png"))) == 3


def test_segment_a_folder_goes_on_after_a_picture_that_it_cannot_label(run, tmp_path, model, photo):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a_damaged.png").write_bytes(b"\x89PNG")
    cv2.imwrite(str(folder / "b_small.png"), np.zeros((16, 16, 3), np.uint8))
    photo.rename(folder / "street.jpg")
    code, out, err = run("segment", folder, "-o", tmp_path / "out", "--model", model)
    assert (code, "results in" in out) == (1, True)
    assert "not labelled: " in err
    assert "a_damaged.png: not a readable picture" in err
    assert "b_small: the network needs at least 32x32" in err
    assert {path.name for path in (tmp_path / "out").glob("*_labels.png")} == {"street_labels.png"}
    (folder / "street.jpg").unlink()
    code, _, err = run("segment", folder, "-o", tmp_path / "none", "--model", model)
    assert (code, "a_damaged.png: not a readable" in err, "at least 32x32" in err) == (1, True, True)


def write_video(path, codec, frames, photo):
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, (80, 60))
    for _ in range(frames):
        video.write(cv2.imread(str(photo)))
    video.release()
    return path


def test_segment_a_video(run, tmp_path, model, photo):
    path = write_video(tmp_path / "drive.mp4", "mp4v", 4, photo)
    assert run("segment", path, "-o", tmp_path / "out", "--model", model)[0] == 0
    assert len(list((tmp_path / "out" / "drive_labels").glob("*.png"))) == 4
    for name, height in (("overlay", None), ("colour", 60)):
        written = cv2.VideoCapture(str(tmp_path / "out" / f"drive_{name}.webm"))
        assert written.get(cv2.CAP_PROP_FRAME_COUNT) == 4
        assert height in (None, written.get(cv2.CAP_PROP_FRAME_HEIGHT))


def test_a_video_that_was_cut_off_is_reported(run, tmp_path, model, photo):
    path = write_video(tmp_path / "drive.avi", "MJPG", 20, photo)
    code, _, err = run("segment", path, "-o", tmp_path / "out", "--model", model)
    assert (code, "could be read" in err) == (0, False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, _, err = run("segment", path, "-o", tmp_path / "out", "--model", model)
    assert (code, "drive.avi declares 20 frames" in err) == (0, True)


@pytest.mark.usefixtures("photo")
def test_results_never_overwrite_the_input(run, tmp_path, model):
    annotation = tmp_path / "street_labels.png"
    cv2.imwrite(str(annotation), np.zeros((60, 80), np.uint8))
    before = annotation.read_bytes()
    code, _, err = run("segment", tmp_path, "-o", tmp_path, "--model", model)
    assert (code, "street_labels.png would be overwritten" in err) == (1, True)
    assert annotation.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("none.jpg",), "none.jpg: no such file"),
        (("[/odd].jpg",), "[/odd].jpg: no such file"),
        (("small.png",), "small: the network needs at least 32x32, this 16x16 frame gives it 16x16"),
        (("empty",), "no pictures in this folder"),
        (("words.txt",), "neither a picture"),
        (("damaged.png",), "damaged.png: not a readable picture"),
        (("street.jpg", "--model", "none.safetensors"), "none.safetensors: no such file"),
        (("street.jpg", "--device", "cuda:99"), "cuda"),
        (("street.jpg", "--engine", "torch", "--precision", "fp16", "--device", "cpu"), "set precision to fp32"),
        (("street.jpg", "--exit", "sub9"), "no exit sub9"),
        (("street.jpg", "--engine", "abacus"), "choose one of auto, torch"),
    ],
)
@pytest.mark.usefixtures("photo")
def test_errors_say_what_to_do(run, tmp_path, model, words, advice):
    (tmp_path / "empty").mkdir()
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((16, 16, 3), np.uint8))
    (tmp_path / "words.txt").write_text("words")
    (tmp_path / "damaged.png").write_bytes(cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1].tobytes()[:60])
    if "--model" not in words:
        words = (*words, "--model", model)
    code, _, err = run("segment", tmp_path / words[0], *words[1:], "-o", tmp_path / "out")
    assert code == 1
    assert advice in err
    assert "Traceback" not in err


def test_info(run, model):
    code, out, _ = run("info", model)
    assert (code, "width" in out, "road" in out) == (0, True, True)
    code, out, _ = run("info", model, "--json")
    assert json.loads(out)["classes"]["classes"][1]["name"] == "car"


def test_wrong_usage_is_exit_code_2(run):
    assert run("segment")[0] == 2
    assert run("fly")[0] == 2


def test_train_without_its_packages_says_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    for name in ("loop", "session"):  # other tests may have imported them
        monkeypatch.delitem(sys.modules, f"icnet_ros.training.{name}", raising=False)
    code, _, err = run("train", "--root", tmp_path, "-o", tmp_path / "out")
    assert (code, "pip install 'icnet-ros[train]'" in err) == (1, True)


def test_train_with_a_wrong_root(run, tmp_path):
    code, _, err = run("train", "--root", tmp_path / "nowhere", "-o", tmp_path / "out")
    assert (code, "nowhere: no such folder" in err) == (1, True)


def test_the_command_line_starts_without_torch():
    code = "import sys; import icnet_ros.command.main; print({'torch', 'numba', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
