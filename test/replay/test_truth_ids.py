"""Ground truth of a drive whose ids are not those of the classes: each is refused, or warned of."""

import numpy as np
import pytest
from drives import FRAMES, make_bag, pictures, run
from PIL import Image

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.groups import LabelGroups
from icnet_ros.live.online import OnlineEvaluation
from icnet_ros.replay.drive_index import index_drive
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.ground_truth import open_ground_truth
from icnet_ros.replay.results.result import ReplayResult
from icnet_ros.replay.selection import Selection
from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE
from icnet_ros.wire.image import encode_compressed, encode_jpeg, make_header


@pytest.fixture
def bag(tmp_path, engine):
    return make_bag(tmp_path / "bag", engine)


def folder_of(labels, folder, palette=None):
    """The same label image for all frames."""
    folder.mkdir()
    picture = Image.fromarray(labels)
    if palette is not None:
        picture.putpalette([value for colour in palette for value in colour])
    for number in range(FRAMES):
        picture.save(folder / f"{number:06d}.png")
    return str(folder)


def warnings(bag, engine, folder, out, **chosen):
    return run(bag, engine, out, ground_truth_folder=folder, **chosen)[1]["warnings"]


def test_ids_that_are_no_class_are_warned_of(bag, tmp_path, engine):
    labels = np.zeros((96, 128), np.uint8)
    labels[:9] = 26
    labels[9] = 255  # counts nowhere, as is known
    (said,) = warnings(bag, engine, folder_of(labels, tmp_path / "truth"), tmp_path / "out").items()
    assert said[0].startswith("the ground truth has ids that are no class of tiny, such as 26; they count nowhere.")
    assert "give the class of each id with --mapping FILE, lines of the form `26: road` or `26: ignore`" in said[0]
    assert said[1] == FRAMES
    (tmp_path / "m.yaml").write_text("0: road\n26: car\n")
    mapped = warnings(bag, engine, str(tmp_path / "truth"), tmp_path / "mapped", mapping=str(tmp_path / "m.yaml"))
    assert mapped == {}


def test_ids_are_those_of_the_checkpoint_where_groups_are_published(bag, tmp_path, engine):
    """Folding them into groups hid all others."""
    labels = np.zeros((96, 128), np.uint8)
    labels[0] = 2
    labels[1] = 3
    two = ClassTable("two", ("a", "b"), ((0, 0, 0), (1, 1, 1)))
    groups, result = LabelGroups(engine.spec.classes, two, (0, 1, 1)), ReplayResult("/cam")
    selection = Selection(ground_truth_folder=folder_of(labels, tmp_path / "truth"))
    with open_bag(bag) as opened:
        index = index_drive(opened, selection)
        found = open_ground_truth(opened, index, two, selection, result, groups).of(0, 1, 1)
    assert found[:3, 0].tolist() == [1, 255, 0]
    assert ["such as 3" in warning.text for warning in result.warnings] == [True]


def test_a_palette_in_another_order_is_refused(bag, tmp_path, engine):
    labels = np.zeros((96, 128), np.uint8)
    labels[50:] = 1
    colours = engine.spec.classes.colours
    good = folder_of(labels, tmp_path / "good", colours)
    assert warnings(bag, engine, good, tmp_path / "out") == {}
    wrong = folder_of(labels, tmp_path / "wrong", [(0, 0, 0), colours[0], colours[1]])
    with pytest.raises(GroundTruthError, match=r"than the ids of the classes: index 1 has the colour .* --mapping"):
        warnings(bag, engine, wrong, tmp_path / "refused")
    (tmp_path / "m.yaml").write_text("0: ignore\n1: road\n")
    warnings(bag, engine, wrong, tmp_path / "mapped", mapping=str(tmp_path / "m.yaml"))


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("topic", [False, True])
def test_ids_that_are_stored_as_grey_levels_in_another_order_are_refused(tmp_path, engine, topic, mapped):
    """oxipng stores 0 and 1 so: their indices are ids, too."""
    labels = np.zeros((96, 128), np.uint8)
    labels[50:] = 1
    folder = folder_of(labels, tmp_path / "truth", [(1, 1, 1), (0, 0, 0)])
    writer = BagWriter(tmp_path / "bag", [(f"/cam/{name}", COMPRESSED_IMAGE) for name in ("image", "labels")])
    for number, bgr in enumerate(pictures()):
        header = make_header(10**9 + number, "cam")
        png = np.fromfile(f"{folder}/{number:06d}.png", np.uint8)
        writer.write("/cam/image", encode_jpeg(header, bgr), number)
        writer.write("/cam/labels", encode_compressed(header, png, "mono8; png compressed "), number)
    writer.close()
    chosen = {} if topic else {"ground_truth_folder": folder}
    if mapped:
        (tmp_path / "m.yaml").write_text("0: road\n1: car\n")
        chosen["mapping"] = str(tmp_path / "m.yaml")
    with pytest.raises(GroundTruthError, match=r"index 0 is grey 1\. Store the ids as a grey PNG$"):
        run(tmp_path / "bag", engine, tmp_path / "out", **chosen)


def test_a_running_node_is_evaluated_with_the_same_warning(tmp_path):
    two = ClassTable("two", ("a", "b"), ((0, 0, 0), (1, 1, 1)))
    evaluation = OnlineEvaluation(two, tmp_path, "/cam", "/truth")
    evaluation.ground_truth(5, np.full((4, 6), 1, np.uint8))
    assert evaluation.result.warnings == set()
    evaluation.ground_truth(6, np.full((4, 6), 2, np.uint8))
    (said,) = evaluation.result.warnings
    assert "no class of two, such as 2" in said.text
    assert said.at == 6
