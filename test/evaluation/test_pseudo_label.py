"""`icnet dataset pseudo-label`: a teacher's predictions, averaged over input sizes and mirroring."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import save, untrained
from icnet_ros.command.main import main
from icnet_ros.dataset.pseudo_labels import read_probabilities


@pytest.fixture
def folder(tmp_path):
    checkpoint = untrained(load_classes("camvid"), width=0.25)
    save(tmp_path / "net.safetensors", checkpoint.spec, checkpoint.weights)
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for name in ("day_1", "day_2", "night_1"):
        picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (64, 48))
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), picture)
    return tmp_path


def run(folder, monkeypatch, *words):
    command = ["icnet", "dataset", "pseudo-label", "--model", str(folder / "net.safetensors"), "--engine", "torch"]
    command += ["--images", str(folder / "images"), "-o", str(folder / "out"), *words]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main())
    return ended.value.code


@torch.inference_mode()
def plain(checkpoint, image, scales):
    """Mean of the probabilities by the shortest way there is."""
    total, views = 0, 0
    for scale in scales:
        sized = cv2.resize(image, None, fx=scale, fy=scale) if scale != 1 else image
        for mirrored in (False, True):
            pixels = (sized[:, ::-1] if mirrored else sized).astype(np.float32)
            tensor = (torch.from_numpy(pixels.copy()) - torch.tensor(checkpoint.spec.mean)).permute(2, 0, 1)[None]
            logits = checkpoint.network(["sub124"])(tensor)[0]
            logits = F.interpolate(logits, image.shape[:2], mode="bilinear", align_corners=True).softmax(1)[0]
            total, views = total + (logits.flip(-1) if mirrored else logits), views + 1
    return (total / views).permute(1, 2, 0).numpy()


def test_the_mean_over_sizes_and_mirrored_images_is_written(folder, monkeypatch, capsys):
    assert run(folder, monkeypatch, "--pattern", "day_*", "--rows", "48", "--rows", "72") == 0
    assert "untrained" in capsys.readouterr().err
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["day_1.png", "day_2.png"]
    first, _, share = np.moveaxis(read_probabilities(folder / "out" / "day_1.png", 11), 2, 0)
    image = cv2.imread(str(folder / "images" / "day_1.png"))
    expected = plain(untrained(load_classes("camvid"), width=0.25), image, (1.0, 1.5))
    ranked = np.sort(expected, 2)
    clear = ranked[..., -1] - ranked[..., -2] > 1e-3
    assert (first == expected.argmax(2))[clear].all()
    assert np.abs(share / 255 - ranked[..., -1] / (ranked[..., -1] + ranked[..., -2])).max() < 0.02


def test_complete_files_are_kept_and_unfinished_ones_made_again(folder, monkeypatch):
    assert run(folder, monkeypatch, "--rows", "48") == 0
    before = (folder / "out" / "day_1.png").read_bytes()
    (folder / "out" / "day_1.png").write_bytes(b"kept")
    (folder / "out" / "day_2.png").rename(folder / "out" / "day_2.part")
    assert run(folder, monkeypatch, "--rows", "48") == 0
    assert (folder / "out" / "day_1.png").read_bytes() == b"kept"
    assert len((folder / "out" / "day_2.png").read_bytes()) > 100
    assert len(before) > 100
    assert not list((folder / "out").glob("*.part"))


def test_images_in_subfolders_keep_their_folders_and_equal_names_are_refused(folder, monkeypatch, capsys):
    images = folder / "images"
    for name in ("one", "two"):
        (images / name).mkdir()
        (images / name / "day_1.png").write_bytes((images / "day_1.png").read_bytes())
    assert run(folder, monkeypatch, "--pattern", "*/*", "--rows", "48", "--no-flip") == 0
    written = sorted(str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*.*"))
    assert written == ["one/day_1.png", "two/day_1.png"]
    (images / "one" / "day_1.jpg").write_bytes((images / "day_1.png").read_bytes())
    assert run(folder, monkeypatch, "--pattern", "one/*", "--rows", "48") != 0
    assert "have one name" in capsys.readouterr().err


def test_no_images_are_an_error(folder, monkeypatch, capsys):
    assert run(folder, monkeypatch, "--pattern", "dusk_*") != 0
    assert "no dusk_* images" in capsys.readouterr().err
