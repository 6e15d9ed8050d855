"""What waits for the labels of its stamp, and what is let go."""

import types

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

import numpy as np

from icnet_ros.engine.base import EngineError
from icnet_ros.node.inputs import transforms
from icnet_ros.node.inputs.optional_inputs import OptionalInputs
from icnet_ros.node.inputs.transforms import Transforms
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.cdr import IMAGE, POINT_CLOUD, serialise, typestore
from icnet_ros.wire.image import encode_image, make_header


class Node:
    """What the inputs need of a node; `logged` are its warnings."""

    def __init__(self):
        self.logged = []

    def resolve_topic_name(self, name, *, only_expand=False):
        return f"/{name}"

    def get_logger(self):
        return types.SimpleNamespace(warning=lambda text, **_: self.logged.append(text))


def open_inputs(**settings):
    node, parameters = Node(), Parameters(**settings)
    return OptionalInputs(node, "", "/image", parameters, Transforms(node, parameters.cloud_transform))


def depth(stamp):
    return encode_image(make_header(stamp, "front"), np.full((2, 3), stamp % 1000, np.uint16), "16UC1")


def cloud(stamp):
    kind = typestore().types[POINT_CLOUD]
    message = kind(
        header=make_header(stamp, "lidar"), height=1, width=0, fields=[], is_bigendian=False, point_step=12, row_step=0,
        data=np.zeros(0, np.uint8), is_dense=True,
    )  # fmt: skip
    return serialise(message, POINT_CLOUD)


@pytest.fixture
def inputs():
    return open_inputs()


def test_a_depth_image_waits_as_long_as_its_frame_may_take(inputs):
    stamps = [number * 33_000_000 for number in range(1, 31)]  # a second at 30 Hz
    for stamp in stamps:
        inputs._keep(IMAGE, depth(stamp))
    header, _ = inputs.depth_at(stamps[0])
    assert header.stamp.nanosec == stamps[0]
    header, _ = inputs.depth_at(stamps[20] + 1_000_000)
    assert header.stamp.nanosec == stamps[20]
    assert len(inputs._kept[IMAGE]) == 11  # one within the tolerance of 50 ms before it, itself, nine after it
    assert inputs.depth_at(stamps[2]) is None  # frames do not go back


def test_the_tolerance_can_be_changed(inputs):
    inputs._keep(IMAGE, depth(1_000_000_000))
    assert inputs.depth_at(900_000_000) is None
    inputs.tolerance_s = 0.2
    assert inputs.depth_at(900_000_000) is not None


def test_a_cloud_is_labelled_once():
    inputs = open_inputs(cloud_transform="0 0 0 0 0 0 1")
    for stamp in (1_000_000_000, 1_100_000_000):
        inputs._keep(POINT_CLOUD, cloud(stamp))
    found = [inputs.cloud_at(stamp, "front") for stamp in range(1_000_000_000, 1_150_000_000, 33_000_000)]
    stamps = [one and one[0].header.stamp.nanosec for one in found]
    assert stamps == [0, None, None, 100_000_000, None]


def test_a_cloud_is_left_for_the_image_that_is_nearer():
    inputs = open_inputs(cloud_transform="0 0 0 0 0 0 1")
    images = [1_000_000_000 + number * 33_000_000 for number in range(4)]
    assert inputs.cloud_at(images[0], "front") is None
    inputs._keep(POINT_CLOUD, cloud(images[2] - 7_000_000))
    found = [inputs.cloud_at(stamp, "front") is not None for stamp in images[1:]]
    assert found == [False, True, False]
    inputs._keep(POINT_CLOUD, cloud(images[3] + 10_000_000))
    assert inputs.cloud_at(images[3], "front") is not None, "less than half a period later"


def test_a_nearer_depth_image_may_follow_until_one_is_not_older(inputs):
    assert inputs.may_come_nearer(1_000_000_000)
    inputs._keep(IMAGE, depth(967_000_000))
    assert inputs.may_come_nearer(1_000_000_000)
    inputs._keep(IMAGE, depth(1_000_000_000))
    assert not inputs.may_come_nearer(1_000_000_000)
    inputs._keep(IMAGE, b"damaged")
    assert inputs.may_come_nearer(2_000_000_000)
    assert "7 bytes are not a sensor_msgs/msg/Image" in inputs._node.logged[0]


def test_a_source_that_begins_anew_is_not_taken_for_old(inputs):
    """A bag that is played again without /clock, or one stamp far in the future."""
    for stamp in (100_000_000_000, 100_033_000_000):
        inputs._keep(IMAGE, depth(stamp))
    for number in range(1, 40):
        stamp = number * 33_000_000
        assert inputs.may_come_nearer(stamp) or number == 1
        inputs._keep(IMAGE, depth(stamp))
        assert not inputs.may_come_nearer(stamp)
        header, _ = inputs.depth_at(stamp)
        assert header.stamp.sec * 10**9 + header.stamp.nanosec == stamp


def test_a_topic_that_is_none_is_explained():
    class Strict(Node):
        def resolve_topic_name(self, name, *, only_expand=False):
            if name.endswith("/"):
                raise RuntimeError("must not end with a slash")
            return super().resolve_topic_name(name)

    with pytest.raises(EngineError, match="output_like is '/depth/'"):
        OptionalInputs(Strict(), "", "/image", Parameters(output_like="/depth/"), Transforms(Node(), ""))


def test_a_clock_that_jumps_back_leaves_nothing_of_before(inputs):
    inputs._keep(IMAGE, depth(1_000_000))
    inputs.clock_jumped()
    assert inputs.depth_at(1_000_000) is None


def test_an_activation_knows_nothing_of_the_camera_before():
    inputs = open_inputs(output_like="/depth")
    info = types.SimpleNamespace(height=3, width=2)
    inputs._on_like_info(info)
    inputs._on_info(info)
    assert (inputs.label_size(), inputs.info) == ((3, 2), info)
    inputs.forget()
    assert inputs.info is None
    with pytest.raises(ValueError, match="no message on //depth yet"):
        inputs.label_size()


def test_the_transform_listener_is_released(monkeypatch):
    released = []

    class Listener:
        def __init__(self, buffer, node):
            pass

        def unregister(self):
            released.append(1)

    class Buffer:
        def lookup_transform(self, target, source, time):
            raise LookupError

    fake = types.SimpleNamespace(
        Buffer=Buffer, TransformListener=Listener, TransformException=LookupError, ExtrapolationException=KeyError
    )
    monkeypatch.setattr(transforms, "tf2_ros", fake)
    found = Transforms(Node(), "")
    for _ in range(2):
        with pytest.raises(ValueError, match="no transform from lidar to front"):
            found.between("lidar", "front", 10**9, 0.05)
    found.check()
    assert not released
    monkeypatch.setattr(transforms, "IDLE_S", 0.0)
    found.check()
    found.close()
    assert released == [1]


def test_a_transform_is_that_of_the_images_stamp_or_a_little_older(monkeypatch):
    """A base that drives 10 m/s along x; /tf has come up to 1 s."""
    latest = 10**9

    class Buffer:
        def lookup_transform(self, target, source, time):
            assert (target, source) == ("front", "odom")
            if time.nanoseconds > latest:
                raise IndexError("would require extrapolation into the future. ")
            at = time.nanoseconds or latest
            place = types.SimpleNamespace(x=at / 10**8, y=0.0, z=0.0)
            turn = types.SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0)
            stamp = types.SimpleNamespace(sec=at // 10**9, nanosec=at % 10**9)
            return types.SimpleNamespace(
                header=types.SimpleNamespace(stamp=stamp),
                transform=types.SimpleNamespace(translation=place, rotation=turn),
            )

    listener = lambda *_: types.SimpleNamespace(unregister=lambda: None)  # noqa: E731
    fake = types.SimpleNamespace(
        Buffer=Buffer, TransformListener=listener, TransformException=LookupError, ExtrapolationException=IndexError
    )
    monkeypatch.setattr(transforms, "tf2_ros", fake)
    found = Transforms(Node(), "")
    assert found.between("/odom", "front", 900_000_000, 0.05)[0, 3] == pytest.approx(9.0)
    assert found.between("odom", "front", 1_040_000_000, 0.05)[0, 3] == pytest.approx(10.0)
    with pytest.raises(ValueError, match=r"extrapolation into the future; does its publisher run"):
        found.between("odom", "front", 1_060_000_000, 0.05)


def test_transforms_of_a_bag_that_begins_again(monkeypatch):
    """tf2 refuses what is 10 s older than its newest: without /clock, nothing else tells it of a new round."""
    cleared = []

    class Buffer:
        def lookup_transform(self, target, source, time):
            raise LookupError

        def clear(self):
            cleared.append(1)

    listener = lambda *_: types.SimpleNamespace(unregister=lambda: None)  # noqa: E731
    fake = types.SimpleNamespace(
        Buffer=Buffer, TransformListener=listener, TransformException=LookupError, ExtrapolationException=KeyError
    )
    monkeypatch.setattr(transforms, "tf2_ros", fake)
    found = Transforms(Node(), "")
    for second, clears in ((30, 0), (31, 0), (25, 0), (3, 1), (4, 1), (40, 1), (10, 2)):
        with pytest.raises(ValueError, match="publish the transform on /tf_static, or set cloud_transform"):
            found.between("lidar", "front", second * 10**9, 0.05)
        assert len(cleared) == clears, second
    with pytest.raises(ValueError, match="no frame_id"):
        found.between("", "front", 10**9, 0.05)
