"""Cut and damaged JPEGs in a recorded drive and in a folder of pictures."""

import numpy as np
import pytest
from drives import icnet, pictures, read_json

from icnet_ros.wire.bag import BagWriter
from icnet_ros.wire.cdr import COMPRESSED_IMAGE
from icnet_ros.wire.image import encode_compressed, jpeg_file, make_header


def damaged_files():
    """Contents of 4 JPEGs: whole, without its second half but with an end marker, 200 bytes changed, whole."""
    files = [jpeg_file(bgr).tobytes() for bgr in pictures(4)]
    files[1] = files[1][: len(files[1]) // 2] + b"\xff\xd9"
    noise = np.random.default_rng(0).integers(0, 255, 200, np.uint8).tobytes()
    files[2] = files[2][:900] + noise + files[2][1100:]
    return files


@pytest.fixture
def bag(tmp_path):
    writer = BagWriter(tmp_path / "bag", [("/cam/compressed", COMPRESSED_IMAGE)])
    for number, content in enumerate(damaged_files()):
        time = 10**9 + number * 10**8
        message = encode_compressed(make_header(time, "cam"), np.frombuffer(content, np.uint8), "bgr8; jpeg compressed")
        writer.write("/cam/compressed", message, time)
    writer.close()
    return tmp_path / "bag"


def test_replay(bag, tmp_path, model, capfd):
    out = tmp_path / "out"

    def replay(*words):
        assert icnet("replay", bag, "--out", out, "--model", model, "--engine", "torch", "--no-video", *words) == 0
        return read_json(out / "report.json")

    report = replay()
    assert report["frames"] | {"scored": 0} == {"read": 4, "labelled": 2, "failed": 2, "scored": 0, "damaged": 0}
    assert all("JPEG of" in error and "is damaged" in error for error in report["errors"])
    for _ in range(2):  # the second time from the result store
        report = replay("--damaged", "count")
        assert report["frames"] | {"scored": 0} == {"read": 4, "labelled": 4, "failed": 0, "scored": 0, "damaged": 2}
        (warning,) = report["warnings"]
        assert warning.startswith("damaged images were labelled")
        assert report["warnings"][warning] == 2
    assert "damaged images were labelled" in capfd.readouterr().err
    assert icnet("compare", out, out, "--out", tmp_path / "compared") == 0
    assert replay()["frames"]["labelled"] == 2  # nothing is left of the other setting


def test_segment(tmp_path, model, capfd):
    (tmp_path / "in").mkdir()
    for number, content in enumerate(damaged_files()):
        (tmp_path / "in" / f"{number}.jpg").write_bytes(content)
    words = ("segment", tmp_path / "in", "--out", tmp_path / "out", "--model", model, "--engine", "torch")
    assert icnet(*words) == 1
    assert {file.name[0] for file in (tmp_path / "out").glob("*_labels.png")} == {"0", "3"}
    assert "not labelled: " in capfd.readouterr().err
    assert icnet(*words, "--damaged", "count") == 0
    assert len(list((tmp_path / "out").glob("*_labels.png"))) == 4
    said = capfd.readouterr().err
    assert "labelled, though" in said
    assert "2.jpg: JPEG of" in said
