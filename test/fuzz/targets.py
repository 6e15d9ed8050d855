"""The parsers of everything that others give this package: seeds, what to call, and the errors that are answers."""

import dataclasses
import io
import json
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer

from icnet_ros.checkpoint.classes import ClassTableError, load_classes
from icnet_ros.checkpoint.file import HEADER_KEY, load, open_checkpoint
from icnet_ros.checkpoint.groups import load_groups
from icnet_ros.checkpoint.model_index import read_index
from icnet_ros.checkpoint.published.convert import import_weights
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.descriptor import load_descriptor
from icnet_ros.documents import DocumentError, parse_json, parse_yaml
from icnet_ros.evaluation.mapping import load_mapping
from icnet_ros.node.parameters import ParameterError, Parameters, by_name, parse
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.ground_truth import read_mapping
from icnet_ros.report.compare import Side
from icnet_ros.report.errors import CompareError
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.recipe import load_recipe
from icnet_ros.wire import image as wire
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.calibration import check_calibration
from icnet_ros.wire.cdr import CAMERA_INFO, IMAGE, POINT_CLOUD, WireError, deserialise, serialise, typestore
from icnet_ros.wire.cloud import decode_depth
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.decoders.image import decode_image, decode_labels
from icnet_ros.wire.index import index_topics
from icnet_ros.wire.lidar import label_cloud, parse_transform
from icnet_ros.wire.pictures.jpeg import decode_jpeg
from icnet_ros.wire.pictures.picture_file import decode_picture, picture_size

LIMIT = 100_000  # pixels
HEADER = wire.make_header(1_700_000_000_000_000_001, "front")
BGR = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), (46, 32))
TYPES = typestore().types
CITYSCAPES = load_classes("cityscapes")
CONFIG = Path(__file__).parents[2] / "config"


@dataclasses.dataclass(frozen=True)
class Target:
    """seeds: valid inputs. run: parses one and uses what it got. errors: what it may raise instead.

    memory: whether that is bounded.
    """

    seeds: Callable[[], list[bytes]]
    run: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    memory: bool = True


def scratch(name: str) -> Path:
    """A file of this process, on a disk in memory if there is one."""
    global _folder  # noqa: PLW0603
    if _folder is None:
        shared = "/dev/shm"
        _folder = tempfile.TemporaryDirectory(prefix="icnet-fuzz-", dir=shared if Path(shared).is_dir() else None)
    return Path(_folder.name) / name


_folder: tempfile.TemporaryDirectory[str] | None = None


def in_file(name: str, use: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A parser of bytes from one of files."""

    def run(data: bytes) -> object:
        path = scratch(name)
        path.write_bytes(data)
        return use(path)

    return run


# --- messages ---------------------------------------------------------------------------------------


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


# --- bags -------------------------------------------------------------------------------------------


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


# --- YAML and JSON ----------------------------------------------------------------------------------


def shipped(folder: str) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for path in sorted((CONFIG / folder).glob("*.yaml"))][:6]


DATASET = b"""name: street
classes: cityscapes
licence: none
splits:
  train:
    - {images: a, labels: b}
    - {name: night, images: c, labels: d, pattern: "n_*", repeat: 3}
  val: []
"""
NET = b"""classes: {name: c3, classes: [{name: a, colour: [1,2,3]}, {name: b, colour: [4,5,6]}]}
channel_order: rgb
value_range: 1
mean: [0.4, 0.4, 0.4]
std: [0.2, 0.2, 0.2]
output_kind: logits
"""
INDEX = b"models:\n  icnet:\n    description: 19\n    files:\n    - {name: icnet.safetensors, bytes: 12, sha256: abc}\n"


def read_dataset(path: Path) -> None:
    for folder in "abcd":
        if not (path.parent / folder).exists():
            (path.parent / folder).mkdir()
            cv2.imwrite(str(path.parent / folder / "n_1.png"), BGR[..., 0])
    assert len(load_descriptor(path, "train"))


def read_recipe(path: Path) -> None:
    recipe = load_recipe(str(path))
    assert all(np.isfinite(v) for v in recipe.to_dict().values() if isinstance(v, float))


def read_net(path: Path) -> None:
    """The description beside an ONNX file."""
    import onnx
    from onnx import TensorProto, helper

    network = path.with_suffix(".onnx")
    if not network.exists():
        weight = onnx.numpy_helper.from_array(np.zeros((2, 3, 1, 1), np.float32), "w")
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w_"])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2, "h", "w_"])
        graph = helper.make_graph(
            [helper.make_node("Conv", ["image", "w"], ["logits"])], "g", [image], [logits], [weight]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.save(model, network)
    checkpoint = open_checkpoint(network)
    assert np.isfinite((*checkpoint.spec.mean, *checkpoint.spec.std)).all()
    json.dumps(checkpoint.spec.to_json())


def reports() -> list[bytes]:
    table = load_classes("camvid").to_dict()
    names = [entry["name"] for entry in table["classes"]]
    report = {
        "schema_version": 3, "bag": "b", "bag_sha256": "0", "image_topic": "/cam", "class_table": table,
        "frames": {"read": 0, "labelled": 0, "failed": 0, "scored": 0}, "miou": 0.5, "pixel_accuracy": 0.5,
        "per_class": dict.fromkeys(names, 0.5), "confidence": {"mean": 0.5}, "changed_pixels": {"mean": 0.1},
        "latency_ms": {"engine": {"p50": 1.0, "p95": 2.0, "p99": 3.0}}, "throughput_fps": 3.0,
    }  # fmt: skip
    return [json.dumps(report, indent=1).encode()]


def read_report(path: Path) -> None:
    from icnet_ros.report.frames_csv import write_frames

    side = load_classes("camvid")
    write_frames(path.parent / "frames.csv", [], side.names)
    Side.read(path)


# --- weights ----------------------------------------------------------------------------------------


def tiny_spec() -> ModelSpec:
    from icnet_ros.checkpoint.classes import ClassTable

    return ModelSpec(ClassTable("t", ("road", "car"), ((1, 2, 3), (4, 5, 6))), width=0.25)


def checkpoints() -> list[bytes]:
    header = json.dumps(
        {
            "__metadata__": {HEADER_KEY: tiny_spec().to_json()},
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        }
    ).encode()
    return [struct.pack("<Q", len(header)) + header + bytes(8)]


def published() -> list[bytes]:
    """The beginnings of the three formats; none is a whole network."""
    array = io.BytesIO()
    np.save(
        array, np.array({"conv1_1_3x3_s2": {"weights": np.zeros((3, 3, 3, 2), np.float32)}}, object), allow_pickle=True
    )
    import torch

    state = io.BytesIO()
    torch.save({"convbnrelu1_1.cbr_unit.0.weight": torch.zeros(2, 3, 3, 3)}, state)

    def field(number: int, content: bytes) -> bytes:
        return bytes((number << 3 | 2, len(content))) + content

    blob = field(7, bytes((1 << 3, 2, 1 << 3, 3))) + field(5, struct.pack("<6f", *range(6)))
    layer = field(1, b"conv1_1_3x3_s2") + field(2, b"Convolution") + field(7, blob)
    layer = b"\xa2\x06" + bytes((len(layer),)) + layer
    return [array.getvalue(), state.getvalue(), layer * 2]


# --- parameters -------------------------------------------------------------------------------------

PARAMETERS = b"""engine=auto
precision=fp32
threads=2
cameras=left
lazy=true
max_rate=30.5
cloud_transform=0 0 0 0 0 0 1"""


def text(parse_text: Callable[[str], object]) -> Callable[[bytes], object]:
    """A parser of bytes from one of texts."""
    return lambda data: parse_text(data.decode(errors="replace"))


def read_parameters(data: bytes) -> None:
    given = {}
    for line in data.decode(errors="replace").split("\n"):
        name, _, value = line.partition("=")
        if name in by_name():
            given[name] = parse(name, value)
    Parameters(**given)


TARGETS: dict[str, Target] = {
    "Image": Target(images, read_image, (WireError,)),
    "CompressedImage": Target(compressed, read_compressed, (WireError,)),
    "JPEG and PNG": Target(pictures, read_picture_file, (WireError,)),
    "JPEG": Target(lambda: pictures()[:3], read_jpeg, (WireError,)),
    "depth": Target(depth_images, decode_depth, (WireError,)),
    "CameraInfo": Target(camera_infos, read_camera_info, (ValueError,)),
    "PointCloud2": Target(clouds, read_cloud, (WireError,)),
    "mcap": Target(lambda: bag_files("mcap"), in_file("x.mcap", read_bag), (WireError,)),
    "db3": Target(lambda: bag_files("db3"), in_file("x.db3", read_bag), (WireError,)),
    # rosbags asks for as many bytes as a record declares, and gives back what is not there.
    "ROS 1 bag": Target(lambda: bag_files("bag"), in_file("x.bag", read_bag), (WireError,), memory=False),
    "metadata.yaml": Target(lambda: bag_files("yaml"), in_file("metadata.yaml", metadata_of), (WireError,)),
    "YAML": Target(lambda: [NET, DATASET, INDEX], text(lambda t: parse_yaml(t, "x")), (DocumentError,)),
    "JSON": Target(reports, text(lambda t: parse_json(t, "x")), (DocumentError,)),
    "classes": Target(shipped("classes"), in_file("classes.yaml", load_classes), (ClassTableError,)),
    "groups": Target(
        shipped("groups"), in_file("groups.yaml", lambda p: load_groups(str(p), CITYSCAPES)), (ClassTableError,)
    ),
    "mapping": Target(shipped("mappings"), in_file("mapping.yaml", lambda p: load_mapping(str(p))), (DatasetError,)),
    "ids": Target(
        lambda: [b"7: road\n8: sidewalk\n9: car\n"],
        in_file("ids.yaml", lambda p: read_mapping(p, CITYSCAPES)),
        (GroundTruthError,),
    ),
    "recipe": Target(shipped("train"), in_file("recipe.yaml", read_recipe), (RecipeError,)),
    "dataset.yaml": Target(lambda: [DATASET], in_file("set.yaml", read_dataset), (DatasetError,)),
    "net.yaml": Target(lambda: [NET], in_file("net.yaml", read_net), (CheckpointError,)),
    "index.yaml": Target(lambda: [INDEX], text(lambda t: read_index(t, "x")), (CheckpointError,)),
    "report.json": Target(reports, in_file("report.json", read_report), (CompareError,)),
    "safetensors": Target(checkpoints, in_file("x.safetensors", load), (CheckpointError,)),
    "model header": Target(
        lambda: [tiny_spec().to_json().encode()],
        text(ModelSpec.from_json),
        (CheckpointError,),
    ),
    "published weights": Target(published, in_file("weights.bin", import_weights), (CheckpointError, ClassTableError)),
    "parameters": Target(lambda: [PARAMETERS], read_parameters, (ParameterError,)),
    "transform": Target(lambda: [b"0.1 0 1.5 0 0 0 1"], text(parse_transform), (ValueError,)),
}
