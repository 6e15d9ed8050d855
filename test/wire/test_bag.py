from itertools import pairwise

import cv2
import numpy as np
import pytest

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.live.sample_drive import make_sample_drive
from icnet_ros.share import share
from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE, WireError
from icnet_ros.wire.decoders.image import decode_image, decode_labels
from icnet_ros.wire.image import encode_compressed, encode_image, make_header, stamp_ns

PIXELS = np.zeros((8, 8, 3), np.uint8)
LABEL_INFO = "vision_msgs/msg/LabelInfo"  # rosbags does not know how to write it


def write(path, **topics):
    """topics: name=(kind, pixels)."""
    names = {name.replace("__", "/"): value for name, value in topics.items()}
    writer = BagWriter(path, [(f"/{name}", kind) for name, (kind, _) in names.items()])
    for number in range(3):
        for name, (kind, pixels) in names.items():
            header = make_header(number + 1, "f")
            if kind == IMAGE:
                data = encode_image(header, pixels, "mono8" if pixels.ndim == 2 else "bgr8")
            else:
                data = encode_compressed(header, cv2.imencode(".jpg", pixels)[1].reshape(-1), "jpeg")
            writer.write(f"/{name}", data, 10 * number)
    writer.close()
    return path


def test_messages_come_back_in_order_with_their_bytes(tmp_path):
    path = write(tmp_path / "bag", cam__image=(IMAGE, PIXELS), other=(IMAGE, PIXELS))
    with open_bag(path) as bag:
        messages = list(bag.messages("/cam/image"))
    assert [(m.topic, m.recorded_ns) for m in messages] == [("/cam/image", 0), ("/cam/image", 10), ("/cam/image", 20)]
    assert messages[1].data == encode_image(make_header(2, "f"), PIXELS, "bgr8")


def test_topics_are_found_by_type_and_name(tmp_path):
    path = write(
        tmp_path / "bag",
        cam__image=(IMAGE, PIXELS),
        cam__image__compressed=(COMPRESSED_IMAGE, PIXELS),
        cam__ground_truth=(IMAGE, PIXELS[..., 0]),
    )
    with open_bag(path) as bag:
        assert bag.image_topic().name == "/cam/image"
        assert bag.image_topic("/cam/image/compressed").base == "/cam/image"
        assert bag.ground_truth_topic().name == "/cam/ground_truth"
        assert bag.ground_truth_topic("/cam/image").name == "/cam/image"
        with pytest.raises(WireError, match=r"no image topic '/x'; the bag has .*/cam/ground_truth"):
            bag.image_topic("/x")


def test_a_recorded_node_is_not_among_the_inputs(tmp_path):
    """Its labels would be scored in place of those of the node that is evaluated."""
    kinds = {
        "/icnet/latency": "icnet_ros/msg/FrameLatency",
        "/icnet/labels": IMAGE,
        "/cam/image": IMAGE,
        "/cam/ground_truth": IMAGE,
        "/diagnostics": IMAGE,
    }
    BagWriter(tmp_path / "bag", list(kinds.items())).close()
    with open_bag(tmp_path / "bag") as bag:
        assert bag.inputs() == ["/cam/ground_truth", "/cam/image"]


@pytest.mark.parametrize(
    ("recorded", "outputs"),
    [
        ({"/icnet/labels": IMAGE}, {"/icnet/labels"}),
        ({"/front/icnet/left/labels": IMAGE}, {"/front/icnet/left/labels"}),
        ({"/seg/labels": IMAGE, "/seg/label_info": LABEL_INFO}, {"/seg/labels", "/seg/label_info"}),
        (
            {"/seg/labels": IMAGE, "/seg/confidence": IMAGE, "/seg/overlay/compressed": COMPRESSED_IMAGE},
            {"/seg/labels", "/seg/confidence", "/seg/overlay/compressed"},
        ),
        ({"/seg/labels": IMAGE, "/seg/image": IMAGE}, set()),  # a data set's
        ({"/seg/overlay": IMAGE}, set()),
        ({"/icnet/image": IMAGE, "/icnet/labels": IMAGE}, {"/icnet/labels"}),
    ],
)
def test_outputs_of_a_node_are_known_without_its_latency(tmp_path, monkeypatch, recorded, outputs):
    """`ros2 bag record` of the labels and their names, or predictions merged with the drive."""
    kinds = {"/cam/image": IMAGE, **recorded}
    writeable = [(name, kind if kind != LABEL_INFO else IMAGE) for name, kind in kinds.items()]
    BagWriter(tmp_path / "bag", writeable).close()
    with open_bag(tmp_path / "bag") as bag:
        topics = [topic._replace(kind=kinds[topic.name]) for topic in bag.topics()]
        monkeypatch.setattr(bag, "topics", lambda: topics)
        assert set(bag.inputs()) == {"/cam/image", *recorded} - outputs


def test_a_colour_topic_that_is_called_label_is_no_ground_truth(tmp_path):
    with open_bag(write(tmp_path / "bag", label_camera=(IMAGE, PIXELS))) as bag:
        assert bag.ground_truth_topic() is None
        assert bag.image_topic().name == "/label_camera"


def test_two_cameras_must_be_told_apart(tmp_path):
    path = write(tmp_path / "bag", left=(IMAGE, PIXELS), right=(IMAGE, PIXELS))
    with open_bag(path) as bag, pytest.raises(WireError, match=r"2 cameras: name one.*/left.*/right"):
        bag.image_topic()


@pytest.mark.parametrize(
    ("truth", "left", "right"),
    [
        ("ego/left/gt", "/ego/left/gt", None),  # the other camera has none
        ("ego/gt", None, None),  # of which of them?
        ("gt", None, None),
    ],
)
def test_a_ground_truth_belongs_to_one_of_several_cameras(tmp_path, truth, left, right):
    topics = {name.replace("/", "__"): (IMAGE, PIXELS) for name in ("ego/left/image", "ego/right/image")}
    topics[truth.replace("/", "__")] = IMAGE, PIXELS[..., 0]
    with open_bag(write(tmp_path / "bag", **topics)) as bag:
        found = [bag.ground_truth_topic("", camera) for camera in bag.cameras()]
    assert [topic and topic.name for topic in found] == [left, right]


def test_of_several_ground_truths_the_surest_is_taken_or_none(tmp_path):
    grey = (IMAGE, PIXELS[..., 0])
    topics = {"cam__image": (IMAGE, PIXELS), "cam__ego_mask": grey, "cam__labels": grey}
    with open_bag(write(tmp_path / "mask", **topics)) as bag:
        assert bag.ground_truth_topic().name == "/cam/labels"
    with open_bag(write(tmp_path / "two", **topics, cam__labels_b=grey)) as bag:
        assert bag.ground_truth_topic() is None
        assert [topic.name for topic in bag.ground_truth_topics()] == ["/cam/labels", "/cam/labels_b"]
        assert bag.ground_truth_topic("/cam/labels_b").name == "/cam/labels_b"


def test_a_depth_topic_is_no_camera(tmp_path):
    header, millimetres = make_header(1, "f"), np.full((8, 8), 1500, np.uint16)
    kinds = {"/cam/image": IMAGE, "/cam/depth": IMAGE, "/cam/depth/compressedDepth": COMPRESSED_IMAGE}
    writer = BagWriter(tmp_path / "bag", list(kinds.items()))
    writer.write("/cam/image", encode_image(header, PIXELS, "bgr8"), 0)
    writer.write("/cam/depth", encode_image(header, millimetres, "16UC1"), 0)
    data = cv2.imencode(".png", millimetres)[1].reshape(-1)
    writer.write("/cam/depth/compressedDepth", encode_compressed(header, data, "16UC1; compressedDepth png"), 0)
    writer.close()
    with open_bag(tmp_path / "bag") as bag:
        assert [topic.name for topic in bag.cameras()] == ["/cam/image"]
        assert bag.image_topic("/cam/depth").name == "/cam/depth"  # if it is asked for


def test_no_camera_at_all(tmp_path):
    path = write(tmp_path / "bag", ground_truth=(IMAGE, PIXELS[..., 0]))
    with open_bag(path) as bag, pytest.raises(WireError, match="no image topic"):
        bag.image_topic()


def test_what_is_no_bag(tmp_path):
    (tmp_path / "x.mcap").write_bytes(b"not a bag")
    for path in (tmp_path, tmp_path / "x.mcap", tmp_path / "none"):
        with pytest.raises(WireError, match=path.name), open_bag(path) as bag:
            list(bag.messages("/x"))


def test_a_truncated_bag_gives_what_is_whole_then_an_error(tmp_path):
    path = write(tmp_path / "bag", image=(IMAGE, PIXELS))
    file = next(path.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(WireError, match="bag"), open_bag(path) as bag:
        list(bag.messages("/image"))


def test_an_existing_bag_is_not_overwritten(tmp_path):
    path = write(tmp_path / "bag", image=(IMAGE, PIXELS))
    with pytest.raises(WireError, match="cannot write"):
        BagWriter(path, [("/x", IMAGE)])


def test_the_shipped_photograph_becomes_a_drive(tmp_path):
    make_sample_drive(share("demo", "leuvenA.jpg"), tmp_path / "drive", frames=5, size=(160, 120))
    with open_bag(tmp_path / "drive") as bag:
        frames = [decode_image(m.data).pixels for m in bag.messages(bag.image_topic().name)]
        times = [m.recorded_ns for m in bag.messages(bag.image_topic().name)]
    assert [f.shape for f in frames] == [(120, 160, 3)] * 5
    assert np.diff(times) == pytest.approx(1e9 / 15, abs=1)
    assert all(np.abs(a.astype(int) - b).mean() > 1 for a, b in pairwise(frames))
    with pytest.raises(WireError, match="not a readable picture"):
        make_sample_drive(tmp_path / "none.jpg", tmp_path / "other")


def test_the_ground_truth_of_the_sample_drive_moves_with_its_images(tmp_path):
    photograph, labels = np.zeros((90, 120, 3), np.uint8), np.zeros((90, 120), np.uint8)
    photograph[40:, 50:], labels[40:, 50:] = 255, 7
    cv2.imwrite(str(tmp_path / "photo.png"), photograph)
    cv2.imwrite(str(tmp_path / "labels.png"), labels)
    make_sample_drive(
        tmp_path / "photo.png", tmp_path / "drive", labels=tmp_path / "labels.png", frames=7, size=(48, 36)
    )
    with open_bag(tmp_path / "drive") as bag:
        images = [decode_image(message.data) for message in bag.messages(bag.image_topic().name)]
        annotated = [decode_labels(message.data) for message in bag.messages(bag.ground_truth_topic().name)]
    assert [stamp_ns(image.header) for image in images] == [stamp_ns(header) for header, _ in annotated]
    shares = []
    for image, (_, found) in zip(images, annotated, strict=True):
        assert set(np.unique(found)) == {0, 7}
        assert ((image.pixels[..., 0] > 127) == (found == 7)).mean() > 0.95  # but for blurred edges
        shares.append((found == 7).mean())
    assert len(set(shares)) > 3
    cv2.imwrite(str(tmp_path / "labels.png"), labels[1:])
    with pytest.raises(WireError, match=r"labels\.png: not of the size"):
        make_sample_drive(tmp_path / "photo.png", tmp_path / "other", labels=tmp_path / "labels.png")
    assert not (tmp_path / "other").exists()


def test_the_shipped_annotation_fits_the_photograph():
    photograph = cv2.imread(str(share("demo", "leuvenA.jpg")))
    labels = cv2.imread(str(share("demo", "leuvenA_labels.png")), cv2.IMREAD_UNCHANGED)
    assert labels.shape == photograph.shape[:2]
    names = load_classes("cityscapes").names
    found = {names[k]: (labels == k).mean() for k in np.unique(labels) if k != 255}
    assert set(found) == {"road", "sidewalk", "building", "wall", "vegetation", "terrain", "sky"}
    assert found["road"] > 0.15
    brightness = photograph.mean(2)
    assert brightness[labels == names.index("sky")].min() > brightness[labels == names.index("vegetation")].mean()


def test_the_shared_bag(shared):
    with open_bag(shared / "data" / "bags" / "camvid_val") as bag:
        assert bag.image_topic()[::2] == ("/camera/image_raw/compressed", 101)
        assert bag.ground_truth_topic().name == "/camera/ground_truth"
