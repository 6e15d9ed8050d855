"""Messages and bags: seeds and parsers."""

import tempfile
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer

from icnet_ros.wire import image as wire
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.calibration import check_calibration
from icnet_ros.wire.cdr import CAMERA_INFO, IMAGE, POINT_CLOUD, WireError, deserialise, serialise, typestore
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.decoders.image import decode_image, decode_labels
from icnet_ros.wire.index import index_topics
from icnet_ros.wire.lidar import label_cloud
from icnet_ros.wire.pictures.jpeg import decode_jpeg
from icnet_ros.wire.pictures.picture_file import decode_picture, picture_size

LIMIT = 100_000  # pixels
HEADER = wire.make_header(1_700_000_000_000_000_001, "front")
BGR = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), (46, 32))
TYPES = typestore().types


def images() -> list[bytes]:
    grey = BGR[..., 0]
    bayer = TYPES[IMAGE](HEADER, 32, 46, "bayer_rggb8", 0, 46, np.ascontiguousarray(grey).reshape(-1))
    return [wire.encode_image(HEADER, BGR, "bgr8"), wire.encode_image(HEADER, grey, "mono8"), serialise(bayer, IMAGE)]


def read_image(data: bytes) -> None:
    picture = decode_image(data, LIMIT)
    assert picture.pixels.dtype == np.uint8
    assert 0 < picture.pixels[..., 0].size <= LIMIT
    picture.bgr().sum()
    with suppress(WireError):
        wire.encode_image(*decode_labels(data), "mono8")


def pictures() -> list[bytes]:
    progressive = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    return [
        cv2.imencode(".jpg", BGR)[1].tobytes(),
        cv2.imencode(".jpg", BGR, progressive)[1].tobytes(),
        cv2.imencode(".jpg", BGR[..., 0], (cv2.IMWRITE_JPEG_RST_INTERVAL, 2))[1].tobytes(),
        cv2.imencode(".png", BGR)[1].tobytes(),
        cv2.imencode(".png", BGR[..., 0].astype(np.uint16) * 257)[1].tobytes(),
    ]


def compressed() -> list[bytes]:
    names = ("bgr8; jpeg compressed bgr8", "jpeg", "jpeg", "png", "mono16; png compressed ")
    arrays = [np.frombuffer(content, np.uint8) for content in pictures()]
    return [wire.encode_compressed(HEADER, content, name) for content, name in zip(arrays, names, strict=True)]


def read_compressed(data: bytes) -> None:
    picture = decode_compressed(data, LIMIT)
    assert 0 < picture.pixels[..., 0].size <= LIMIT
    picture.bgr().sum()


def read_picture_file(data: bytes) -> None:
    kind, height, width = picture_size(data)
    wire.check_size(height, width, LIMIT)
    pixels = decode_picture(data, kind, height, width)
    assert pixels.shape == (height, width, 3)


def read_jpeg(data: bytes) -> None:
    _, height, width = picture_size(data)
    wire.check_size(height, width, LIMIT)
    decode_jpeg(data).sum()


def depth_images() -> list[bytes]:
    metres = np.linspace(0, 9, 60, dtype=np.float32).reshape(6, 10)
    return [wire.encode_image(HEADER, metres, "32FC1"), wire.encode_image(HEADER, metres.astype(np.uint16), "16UC1")]


def camera_infos() -> list[bytes]:
    region = TYPES["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    k = np.array([500.0, 0, 320, 0, 500, 240, 0, 0, 1])
    p = np.array([500.0, 0, 320, 0, 0, 500, 240, 0, 0, 0, 1, 0])
    message = TYPES[CAMERA_INFO](HEADER, 480, 640, "plumb_bob", np.zeros(5), k, np.eye(3).reshape(-1), p, 0, 0, region)
    return [serialise(message, CAMERA_INFO)]


def read_camera_info(data: bytes) -> None:
    info = deserialise(data, CAMERA_INFO)
    check_calibration(info)
    for matrix in (info.d, info.k, info.r, info.p):
        assert np.isfinite(matrix).all()
    assert all(value >= 0 for value in (info.k[0], info.k[4], info.p[0], info.p[5]))


def clouds() -> list[bytes]:
    points = np.random.default_rng(0).normal(size=(4, 5, 4)).astype(np.float32)
    field = TYPES["sensor_msgs/msg/PointField"]
    fields = [field(name, 4 * n, 7, 1) for n, name in enumerate(("x", "y", "z", "intensity"))]
    message = TYPES[POINT_CLOUD](HEADER, 4, 5, fields, False, 16, 80, points.view(np.uint8).reshape(-1), True)
    return [serialise(message, POINT_CLOUD)]


def read_cloud(data: bytes) -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    k = np.array([4.0, 0, 2, 0, 4, 1.5, 0, 0, 1])
    made = deserialise(label_cloud(deserialise(data, POINT_CLOUD), np.eye(4), k, labels, labels, 255), POINT_CLOUD)
    assert len(made.data) == made.row_step * made.height


def bag_files(kind: str) -> list[bytes]:
    message = wire.encode_image(HEADER, BGR[:8, :8], "bgr8")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bag"
        if kind == "bag":
            with Writer1(path.with_suffix(".bag")) as writer:
                connection = writer.add_connection("/cam", IMAGE, typestore=typestore1())
                data = bytes(typestore1().serialize_ros1(ros1_image(), IMAGE))
                for number in range(3):
                    writer.write(connection, 10**9 + number, data)
            return [path.with_suffix(".bag").read_bytes()]
        plugin = {"mcap": StoragePlugin.MCAP, "db3": StoragePlugin.SQLITE3, "yaml": StoragePlugin.MCAP}[kind]
        with Writer(path, version=9, storage_plugin=plugin) as writer2:
            connection2 = writer2.add_connection("/cam", IMAGE, typestore=typestore())
            for number in range(3):
                writer2.write(connection2, 10**9 + number, message)
        return [next(path.glob(f"*.{kind}")).read_bytes()]


def ros1_image():
    types = typestore1().types
    header = types["std_msgs/msg/Header"](1, types["builtin_interfaces/msg/Time"](1, 2), "front")
    return types[IMAGE](header, 8, 8, "bgr8", 0, 24, np.ascontiguousarray(BGR[:8, :8]).reshape(-1))


def typestore1():
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS1_NOETIC)


def read_bag(path: Path) -> None:
    with open_bag(path) as bag:
        camera = bag.image_topic()
        bag.ground_truth_topics(camera)
        index_topics(bag, [camera.name])


def metadata_of(path: Path) -> None:
    folder = path.parent / "bag"
    folder.mkdir(exist_ok=True)
    mcap = folder / "bag.mcap"
    if not mcap.exists():
        mcap.write_bytes(bag_files("mcap")[0])
    (folder / "metadata.yaml").write_bytes(path.read_bytes())
    read_bag(folder)
