"""A FIFO, a socket or a device in place of a file: an error that says so, at every place that opens a file."""

import errno
import os
import shutil
import socket
from pathlib import Path

import pytest

from icnet_ros.checkpoint.classes import ClassTableError, load_classes
from icnet_ros.checkpoint.file import load, open_checkpoint
from icnet_ros.checkpoint.groups import load_groups
from icnet_ros.checkpoint.model_index import pull
from icnet_ros.checkpoint.published.convert import import_weights
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.descriptor import load_descriptor
from icnet_ros.engine.adapted import Mask
from icnet_ros.engine.artefacts.int8 import int8_metadata, int8_path
from icnet_ros.engine.base import EngineError
from icnet_ros.evaluation.mapping import load_mapping
from icnet_ros.files import by_number, check_regular, open_regular, read_bytes, read_text, writing
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.files import find_media
from icnet_ros.replay.ground_truth import read_mapping
from icnet_ros.report.compare import Side
from icnet_ros.report.errors import CompareError
from icnet_ros.training.errors import RecipeError, StateError
from icnet_ros.training.recipe import load_recipe
from icnet_ros.training.start import from_backbone
from icnet_ros.training.state import load_state
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.picture_file import read_picture

CITYSCAPES = load_classes("cityscapes")


@pytest.fixture
def fifo(tmp_path):
    def make(name):
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


def opened(path):
    with open_bag(path):
        pass


OPENED = {
    "mask.png": (lambda p: Mask(str(p)), EngineError),
    "groups.yaml": (lambda p: load_groups(str(p), CITYSCAPES), ClassTableError),
    "classes.yaml": (load_classes, ClassTableError),
    "mapping.yaml": (lambda p: load_mapping(str(p)), DatasetError),
    "ids.yaml": (lambda p: read_mapping(p, CITYSCAPES), GroundTruthError),
    "recipe.yaml": (lambda p: load_recipe(str(p)), RecipeError),
    "dataset.yaml": (lambda p: load_descriptor(p, "train"), DatasetError),
    "model.safetensors": (load, CheckpointError),
    "net.onnx": (open_checkpoint, CheckpointError),
    "weights.caffemodel": (import_weights, CheckpointError),
    "backbone.safetensors": (from_backbone, CheckpointError),
    "state.safetensors": (load_state, StateError),
    "report.json": (Side.read, CompareError),
    "picture.jpg": (read_picture, WireError),
    "video.mp4": (find_media, OSError),
    "bag.mcap": (opened, WireError),
    "bag.db3": (opened, WireError),
    "bag.bag": (opened, WireError),
    "index.yaml": (lambda p: pull("a_model", str(p.parent), p.parent / "to", lambda *_: None), CheckpointError),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", OPENED)
def test_a_fifo_in_place_of_a_file_is_refused(name, fifo):
    path = fifo(name)
    opens, error = OPENED[name]
    with pytest.raises(error, match=r"(?i)FIFO|not a regular file"):
        opens(path)


@pytest.mark.timeout(20)
def test_a_fifo_beside_a_file_is_refused(fifo, model, tmp_path):
    copy = shutil.copy(model, tmp_path / "x.safetensors")
    checkpoint = open_checkpoint(copy)
    fifo(int8_path(checkpoint, "sub4").name)
    with pytest.raises(EngineError, match="FIFO"):
        int8_metadata(checkpoint, "sub4")
    (tmp_path / "bag").mkdir()
    fifo("bag/metadata.yaml")
    with pytest.raises(WireError, match=r"metadata\.yaml: is a FIFO"):
        opened(tmp_path / "bag")


def test_other_things_that_are_no_files(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(tmp_path)  # names of sockets are short
        listener.bind("s")
        for path, kind in (("s", "a socket"), ("/dev/null", "a device"), (tmp_path, "a folder")):
            for opens in (open_regular, check_regular, read_bytes, read_text):
                with pytest.raises(OSError, match=f"is {kind}, a file is needed"):
                    opens(path)
    (tmp_path / "real").write_text("é", encoding="utf-8")
    (tmp_path / "link").symlink_to("real")
    assert read_text(tmp_path / "link", 2) == "é"
    with pytest.raises(OSError, match="larger than 1 bytes"):
        read_text(tmp_path / "link", 1)


def test_a_full_disk_names_the_file_and_the_setting(tmp_path):
    full = pytest.raises(OSError, match=r"no space left on device: free some space, or .* --out: '.*x\.png'")
    with full, writing(tmp_path / "x.png", "--out"):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "names",
    [
        ["frame2.png", "frame10.png"],
        ["2.png", "10.png", "a1.png"],
        ["1700000000.05.png", "1700000000.1.png", "1700000001.0.png"],
        ["cam2_9.png", "cam2_10.png", "cam10_1.png"],
        ["a.png", "a1.png", "b.png"],
    ],
)
def test_names_are_ordered_by_their_numbers(names):
    assert [path.name for path in by_number(map(Path, reversed(names)))] == names
