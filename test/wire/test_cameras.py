"""Which topics of a bag are cameras, and which hold ground truth."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image
from recordings import write_mcap, zstd_transport

from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, COMPRESSED_VIDEO, FFMPEG_PACKET, IMAGE, message_type, serialise
from icnet_ros.wire.decoders.table import open_decoder
from icnet_ros.wire.image import encode_compressed, encode_image, encode_jpeg, encode_png, make_header

HEADER = make_header(1, "cam")
BGR = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
IDS = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
DEPTH = np.full((12, 16), 1500, np.uint16)


def file_message(pixels, described, extension=".png", before=b""):
    content = before + cv2.imencode(extension, pixels)[1].tobytes()
    return COMPRESSED_IMAGE, encode_compressed(HEADER, np.frombuffer(content, np.uint8), described)


def palette(ids, described):
    picture, file = Image.fromarray(ids), BytesIO()
    picture.putpalette([value for value in range(256) for _ in range(3)])
    picture.save(file, "PNG")
    return COMPRESSED_IMAGE, encode_compressed(HEADER, np.frombuffer(file.getvalue(), np.uint8), described)


def zstd(pixels, encoding, described="zstd"):
    content = zstd_transport(pixels, encoding, 12, 16, pixels.nbytes // 12)
    return COMPRESSED_IMAGE, encode_compressed(HEADER, np.frombuffer(content, np.uint8), described)


def video(kind, codec):
    data = np.frombuffer(b"\0\0\0\1\x67", np.uint8)
    if kind == COMPRESSED_VIDEO:
        message = message_type(kind)(timestamp=HEADER.stamp, frame_id="cam", data=data, format=codec)
    else:
        message = message_type(kind)(HEADER, 16, 12, codec, 0, 1, is_bigendian=False, data=data)
    return kind, serialise(message, kind)


RAW = (IMAGE, encode_image(HEADER, BGR, "bgr8"))
JPEG = (COMPRESSED_IMAGE, encode_jpeg(HEADER, BGR))
RAW_DEPTH = (IMAGE, encode_image(HEADER, DEPTH, "16UC1"))


def cameras_of(path, topics):
    written = write_mcap(path, {name: (kind, [(1, data)]) for name, (kind, data) in topics.items()})
    with open_bag(written) as bag:
        return [topic.name for topic in bag.cameras()]


def test_all_transports_of_one_image_are_one_camera(tmp_path):
    """`ros2 bag record -a` with all plugins; the one that the table names first is read."""
    topics = {
        "/cam/image": RAW, "/cam/image/compressed": JPEG, "/cam/image/zstd": zstd(BGR, "bgr8"),
        "/cam/image/ffmpeg": video(FFMPEG_PACKET, "h264"), "/cam/image/foxglove": video(COMPRESSED_VIDEO, "h264"),
    }  # fmt: skip
    while topics:
        assert cameras_of(tmp_path / "x.mcap", topics) == [next(iter(topics))]
        del topics[next(iter(topics))]


@pytest.mark.parametrize(
    "depth",
    [
        {"/depth/image": RAW_DEPTH},
        {"/depth/image": (IMAGE, encode_image(HEADER, DEPTH, "mono16"))},
        {"/d/image/compressedDepth": file_message(DEPTH, "16UC1; compressedDepth png", before=bytes(12))},
        {"/d/image/compressedDepth": file_message(DEPTH, "mono16; compressedDepth png", before=bytes(12))},
        {"/d/image/compressedDepth": file_message(DEPTH, "16UC1; compressedDepth", before=bytes(12))},
        {
            "/d/image/compressedDepth": (
                COMPRESSED_IMAGE,
                encode_compressed(HEADER, IDS[0], "32FC1; compressedDepth rvl"),
            )
        },
        {"/d/image/compressed": file_message(DEPTH, "16UC1; png compressed ")},
        {"/d/image/zstd": zstd(DEPTH, "16UC1")},
        {"/d/image/zstd": zstd(DEPTH, "16UC1", "")},
        {"/d/image/ffmpeg": video(FFMPEG_PACKET, "hevc;gray16le;16UC1;16UC1")},
    ],
)
def test_depth_is_no_camera(tmp_path, depth):
    assert cameras_of(tmp_path / "x.mcap", {"/cam/image": RAW, **depth}) == ["/cam/image"]


@pytest.mark.parametrize("encoding", ["32FC2", "32FC3", "32SC1", "16SC1", "64FC1"])
def test_numbers_are_no_camera(tmp_path, encoding):
    """Such as optical flow, normals, ids of objects. Without another camera, the error says what they are taken for."""
    numbers = (IMAGE, encode_image(HEADER, np.zeros((12, 16, 6), np.uint32), encoding))
    assert cameras_of(tmp_path / "x.mcap", {"/cam/image": RAW, "/flow": numbers}) == ["/cam/image"]
    topics = {
        "/flow": numbers,
        "/thermal": RAW_DEPTH,
        "/fb": ("foxglove.RawImage", b"", ("flatbuffer", "flatbuffer", b"")),
    }
    write_mcap(
        tmp_path / "none.mcap", {name: (kind, [(1, data)], *more) for name, (kind, data, *more) in topics.items()}
    )
    with open_bag(tmp_path / "none.mcap") as bag:
        with pytest.raises(ValueError, match=r"/flow \(sensor_msgs/msg/Image, 1, taken for numbers\), .* for depth"):
            bag.image_topic()
        with pytest.raises(ValueError, match=r"it is foxglove\.RawImage in flatbuffer, not one of"):
            bag.image_topic("/fb")


@pytest.mark.parametrize(
    ("encoding", "dtype"), [("32SC1", "<i4"), ("32SC1", ">i4"), ("16SC1", "<i2"), ("16UC1", "<u2"), ("mono16", ">u2")]
)
def test_labels_of_integers(tmp_path, encoding, dtype):
    """As Isaac Sim publishes them. Only 32SC1 is sure to be neither depth nor a picture."""

    def message(pixels):
        kind = message_type(IMAGE)
        step, data = pixels[0].nbytes, np.frombuffer(pixels.tobytes(), np.uint8)
        return serialise(kind(HEADER, 12, 16, encoding, int(dtype[0] == ">"), step, data), IMAGE)

    decoder = open_decoder(IMAGE)
    assert np.array_equal(decoder.labels(message(IDS.astype(dtype)))[1].values, IDS)
    with pytest.raises(ValueError, match="up to 300, ids are 0 to 255"):
        decoder.labels(message(np.full((12, 16), 300, dtype)))
    write_mcap(tmp_path / "x.mcap", {"/cam/labels": (IMAGE, [(1, message(IDS.astype(dtype)))])})
    with open_bag(tmp_path / "x.mcap") as bag:
        assert (bag.ground_truth_topic() is not None) is (encoding == "32SC1")
        assert bag.ground_truth_topic("/cam/labels").name == "/cam/labels"


def test_label_images_of_simulators_are_no_cameras(tmp_path):
    coloured = (IMAGE, encode_image(HEADER, BGR, "rgb8"))
    labels = (IMAGE, encode_image(HEADER, np.repeat(IDS[..., None], 3, 2), "rgb8"))
    path = tmp_path / "x.mcap"
    topics = {"/rgb/image": RAW, "/seg/colored_map": coloured, "/seg/labels_map": labels}
    assert cameras_of(path, topics) == ["/rgb/image"]
    with open_bag(path) as bag:
        topic = bag.ground_truth_topic()
        assert topic.name == "/seg/labels_map"
        data = next(bag.messages(topic.name)).data
    assert np.array_equal(open_decoder(topic.kind).labels(data)[1].values, IDS)
    with pytest.raises(ValueError, match="this one holds colours"):
        open_decoder(IMAGE).labels(coloured[1])


@pytest.mark.parametrize(
    "message",
    [
        (COMPRESSED_IMAGE, encode_png(HEADER, IDS)),
        file_message(IDS, "mono8; png compressed "),
        file_message(IDS, "8UC1; png compressed "),
        file_message(IDS, "mono8; tiff compressed ", ".tiff"),
        file_message(np.repeat(IDS[..., None], 3, 2), "mono8; png compressed "),
        file_message(IDS, "png"),  # as Foxglove and scripts write it
        file_message(IDS, ""),
        file_message(IDS, "tiff", ".tiff"),
        file_message(IDS, "bmp", ".bmp"),
        palette(IDS, "png"),
        zstd(IDS, "mono8"),
        (IMAGE, encode_image(HEADER, IDS, "mono8")),
    ],
)
def test_labels_that_were_recorded_without_loss_are_ground_truth(tmp_path, message):
    path = tmp_path / "x.mcap"
    assert cameras_of(path, {"/cam/image": RAW, "/cam/labels/compressed": message}) == ["/cam/image"]
    with open_bag(path) as bag:
        topic = bag.ground_truth_topic()
        assert topic.name == "/cam/labels/compressed"
        header, picture = open_decoder(topic.kind).labels(next(bag.messages(topic.name)).data)
    assert np.array_equal(picture.values, IDS)
    assert header.stamp.nanosec == 1


@pytest.mark.parametrize(
    "message",
    [
        JPEG,
        file_message(IDS, "jpeg", ".jpg"),
        file_message(BGR, "png"),
        file_message(DEPTH, "png"),
        file_message(IDS, "bayer_rggb8; png compressed "),
        file_message(IDS, "yuv422_yuy2; png compressed "),
    ],
)
def test_a_camera_that_is_called_label_is_a_camera(tmp_path, message):
    assert cameras_of(tmp_path / "x.mcap", {"/label_printer/image/compressed": message}) == [
        "/label_printer/image/compressed"
    ]


@pytest.mark.parametrize("described", ["png", "rgb8; png compressed bgr8"])
def test_the_compressed_labels_of_a_simulator_are_ground_truth(tmp_path, described):
    labels = file_message(np.repeat(IDS[..., None], 3, 2), described)
    path = tmp_path / "x.mcap"
    assert cameras_of(path, {"/rgb/image": RAW, "/seg/labels_map/compressed": labels}) == ["/rgb/image"]
    with open_bag(path) as bag:
        assert bag.ground_truth_topic().name == "/seg/labels_map/compressed"
