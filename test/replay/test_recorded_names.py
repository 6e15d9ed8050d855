"""Ground truth of simulators and other nodes: names of ids that were recorded beside it, and what is no camera."""

import numpy as np
import pytest
from drives import pictures, run

from icnet_ros.engine.base import Frame
from icnet_ros.replay.drive_index import index_drive
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.selection import Selection
from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import IMAGE, LABEL_INFO, message_type, serialise
from icnet_ros.wire.image import encode_image, make_header

FRAMES = 3


def label_info(names):
    entry = message_type("vision_msgs/msg/VisionClass")
    classes = [entry(class_id=number, class_name=name) for number, name in names.items()]
    return serialise(message_type(LABEL_INFO)(make_header(1, "cam"), classes, 0.0), LABEL_INFO)


def recording(path, engine, names=None, info="/cam/label_info", truth="/cam/ground_truth", change=lambda ids: ids):
    """Three frames of /cam/image, and what the engine labels as ground truth."""
    topics = [("/cam/image", IMAGE), (truth, IMAGE), *([(info, LABEL_INFO)] if names else [])]
    writer = BagWriter(path, topics)
    if names:
        writer.write(info, label_info(names), 0)
    for number, bgr in enumerate(pictures(FRAMES)):
        header = make_header(number + 1, "cam")
        writer.write("/cam/image", encode_image(header, bgr, "bgr8"), number)
        labels = change(engine.segment([Frame(bgr)])[0].labels)
        writer.write(truth, encode_image(header, labels, "mono8" if labels.ndim == 2 else "bgr8"), number)
    writer.close()
    return path


@pytest.mark.parametrize("info", ["/cam/label_info", "/cam/ground_truth/label_info"])
def test_recorded_names_of_other_ids_are_refused_and_the_mapping_is_told(tmp_path, engine, info):
    """Two classes that are exchanged: no id is missing, and most pixels agree."""
    names = dict(enumerate(engine.spec.classes.names))
    exchanged = {**names, 1: names[2].upper(), 2: names[1], 7: "snow"}
    change = np.array([0, 2, 1], np.uint8).__getitem__
    bag = recording(tmp_path / "bag", engine, exchanged, info, change=change)
    with pytest.raises(GroundTruthError, match="--mapping FILE") as refused:
        run(bag, engine, tmp_path / "refused")
    assert f"{info} calls 1 {names[2].upper()!r}, which is 2 there" in str(refused.value)
    (tmp_path / "m.yaml").write_text(str(refused.value)[str(refused.value).index("{") :])
    _, report = run(bag, engine, tmp_path / "mapped", mapping=str(tmp_path / "m.yaml"))
    assert (report["frames"]["scored"], report["pixel_accuracy"]) == (FRAMES, 1.0)


def test_recorded_names_that_are_those_of_the_classes_are_taken(tmp_path, engine):
    names = {**dict(enumerate(engine.spec.classes.names)), 255: "unlabelled"}
    _, report = run(recording(tmp_path / "bag", engine, names), engine, tmp_path / "out")
    assert not any("calls" in warning for warning in report["warnings"])
    _, report = run(recording(tmp_path / "other", engine, {**names, 1: "kerb"}), engine, tmp_path / "warned")
    assert [
        warning for warning in report["warnings"] if "/cam/label_info calls 1 'kerb', which is scored as" in warning
    ]
    assert report["frames"]["scored"] == FRAMES


def test_names_of_groups_that_a_node_published_beside_are_not_those_of_ground_truth(tmp_path, engine):
    """Of a node that was recorded under the camera's name."""
    names = {0: engine.spec.classes.names[1]}
    bag = tmp_path / "bag"
    writer = BagWriter(bag, [("/cam/image", IMAGE), ("/cam/ground_truth", IMAGE), ("/cam/labels", IMAGE),
                             ("/cam/label_info", LABEL_INFO)])  # fmt: skip
    writer.write("/cam/label_info", label_info(names), 0)
    for number, bgr in enumerate(pictures(FRAMES)):
        labels = engine.segment([Frame(bgr)])[0].labels
        for topic, pixels in (("image", bgr), ("ground_truth", labels), ("labels", labels)):
            message = encode_image(make_header(number + 1, "cam"), pixels, "bgr8" if topic == "image" else "mono8")
            writer.write(f"/cam/{topic}", message, number)
    writer.close()
    assert run(bag, engine, tmp_path / "out")[1]["frames"]["scored"] == FRAMES


def untaken(bag):
    with open_bag(bag) as opened:
        return [topic.name for topic in opened.cameras()], index_drive(opened, Selection()).untaken


def test_label_images_beside_a_label_info_are_asked_for(tmp_path, engine):
    names = dict(enumerate(engine.spec.classes.names))
    bag = recording(tmp_path / "bag", engine, names, truth="/cam/labels")
    assert untaken(bag) == (
        ["/cam/image"],
        "/cam/labels: taken for what a node published; if it is ground truth, use --ground-truth-topic",
    )


@pytest.mark.parametrize("topic", ["/carla/ego/semantic_segmentation_front/image", "/drone/Segmentation"])
def test_segmentations_of_simulators_are_no_cameras(tmp_path, engine, topic):
    colours = np.random.default_rng(0).integers(0, 255, (256, 3), np.uint8).__getitem__
    bag = recording(tmp_path / "bag", engine, truth=topic, change=colours)
    assert untaken(bag) == (["/cam/image"], f"{topic} has pictures, not class ids (mono8, lossless)")
    ids = recording(tmp_path / "ids", engine, truth=topic)
    assert untaken(ids) == (["/cam/image"], f"{topic}: if they are class ids, choose with --ground-truth-topic")
    _, report = run(ids, engine, tmp_path / "out", image_topic="/cam/image", ground_truth_topic=topic)
    assert report["pixel_accuracy"] == 1.0


def test_the_only_images_are_a_camera_whatever_they_are_called(tmp_path):
    writer = BagWriter(tmp_path / "bag", [("/segmentation/image_raw", IMAGE)])
    for number, bgr in enumerate(pictures(2)):
        writer.write("/segmentation/image_raw", encode_image(make_header(number + 1, "cam"), bgr, "bgr8"), number)
    writer.close()
    assert untaken(tmp_path / "bag") == (["/segmentation/image_raw"], "")
