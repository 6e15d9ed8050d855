"""A full disk: the message names the file, and the setting that moves it. /dev/full is one."""

import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from icnet_ros.checkpoint.model_index import make_index, pull
from icnet_ros.command.main import main
from icnet_ros.replay.results.frame_record import FrameRecord
from icnet_ros.replay.results.result_store import ResultStore, append_record
from icnet_ros.training.state import State, save_state
from icnet_ros.wire.pictures.picture_file import write_picture

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
FULL = r"no space left on device: free some space, or choose another place with {}: '.*{}'"


def icnet(*words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["icnet", *map(str, words)])
        try:
            return main()
        except SystemExit as end:
            return end.code


def full(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/dev/full")
    return path


def test_pictures_and_stores(tmp_path):
    with pytest.raises(OSError, match=FULL.format("--out", r"x\.png")):
        write_picture(full(tmp_path / "x.png"), np.zeros((64, 64), np.uint8))
    full(tmp_path / "labels" / "frames.0.jsonl")
    with (
        pytest.raises(OSError, match=FULL.format("--out", r"frames\.0\.jsonl")),
        ResultStore(tmp_path).open_progress_log(range(3)) as log,
    ):
        append_record(log, FrameRecord(number=0, stamp_ns=1, recorded_ns=1))


def test_a_training_state(tmp_path, monkeypatch):
    from safetensors import SafetensorError

    def save_file(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("icnet_ros.training.state.save_file", save_file)
    with pytest.raises(OSError, match=FULL.format("--out", r"state\.safetensors")):
        save_state(tmp_path / "state.safetensors", State(1, {}, {}, {}, {}))


def test_a_download(tmp_path, model, monkeypatch):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    shutil.copy(model, mirror / "tiny.safetensors")
    (mirror / "index.yaml").write_text(make_index(mirror))
    monkeypatch.setattr("icnet_ros.checkpoint.model_index.remove_parts", lambda _: None)
    full(tmp_path / "to" / ".tiny.safetensors.part")
    with pytest.raises(OSError, match=r"--to or ICNET_MODELS: '.*tiny\.safetensors'"):
        pull("tiny", str(mirror), tmp_path / "to", lambda *_: None)


def test_the_command_says_it_in_one_line(tmp_path, model, capfd):
    cv2.imwrite(str(tmp_path / "x.png"), np.zeros((64, 96, 3), np.uint8))
    full(tmp_path / "out" / "x_overlay.png")
    assert icnet("segment", tmp_path / "x.png", "-o", tmp_path / "out", "--model", model, "--engine", "torch") == 1
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert "x_overlay.png" in line
    assert "--out" in line
