"""Images in the memory of a device: which backends are taken, what is read of a message, how labels go back."""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

import fake_buffers
from fake_buffers import DemoBuffer
from messages import image, pixels
from rclpy.serialization import serialize_message

from icnet_ros.engine.base import EngineError
from icnet_ros.node.inputs.buffer_backends import PLUGINS, open_backends, plugins
from icnet_ros.node.inputs.device_image import DeviceImage
from icnet_ros.node.inputs.message_bytes import message_bytes
from icnet_ros.node.outputs.labels import Labels
from icnet_ros.node.parameters import ParameterError, Parameters
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.image import decode_image
from icnet_ros.wire.device import DevicePixels


@pytest.fixture(name="lyrical")
def like_lyrical(monkeypatch):
    """rclpy as of ROS 2 Lyrical, with the backend "demo"."""
    fake_buffers.install(monkeypatch)
    fake_buffers.copies.clear()


def on_device(**fields):
    message = image(**fields)
    message._data = DemoBuffer(message.data)
    return message


@pytest.mark.usefixtures("lyrical")
@pytest.mark.parametrize(("setting", "names"), [("", []), ("cpu", []), ("demo", ["demo"]), ("any", ["demo"])])
def test_backends_that_are_installed(setting, names):
    assert list(open_backends(setting)) == names


@pytest.mark.usefixtures("lyrical")
@pytest.mark.parametrize(
    ("setting", "words"),
    [("cuda", "needs the Python package cuda_buffer"), ("demo, rocm", "has 'rocm'; the node reads cuda, demo")],
)
def test_a_backend_that_cannot_be_used(setting, words):
    with pytest.raises(EngineError, match=words):
        open_backends(setting)


def test_plugins_are_those_of_the_ament_index(tmp_path, monkeypatch):
    """As the backends of ros2 install them: a file of pluginlib with a class for each memory."""
    index = tmp_path / "share" / "ament_index" / "resource_index" / PLUGINS
    index.mkdir(parents=True)
    (index / "demo_buffer_backend").write_text("share/demo/plugins.xml\n")
    (tmp_path / "share" / "demo").mkdir()
    (tmp_path / "share" / "demo" / "plugins.xml").write_text(
        '<library path="demo"><class name="demo" type="demo::Backend" base_class_type="Base"/></library>'
    )
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert plugins() == {"demo"}
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "share"))
    assert plugins() == set()


@pytest.mark.usefixtures("lyrical")
def test_a_backend_without_its_plugin_is_an_error(monkeypatch):
    monkeypatch.setattr(fake_buffers.buffer_backends, "plugins", set)
    with pytest.raises(EngineError, match="needs the plugin demo of the middleware"):
        open_backends("demo")
    with pytest.raises(EngineError, match="none is installed"):
        open_backends("any")


@pytest.mark.usefixtures("lyrical")
def test_any_without_a_backend_is_an_error(monkeypatch):
    monkeypatch.delitem(fake_buffers.buffer_backends.BACKENDS, "demo")
    with pytest.raises(EngineError, match="none is installed"):
        open_backends("any")


def test_an_older_rclpy_is_said(monkeypatch):
    def create_subscription(self, msg_type, topic, callback, qos_profile):
        pass

    monkeypatch.setattr(fake_buffers.Node, "create_subscription", create_subscription)
    with pytest.raises(EngineError, match="Lyrical"):
        open_backends("cuda")


def test_compressed_images_are_never_there():
    with pytest.raises(ParameterError, match="set input_transport to raw"):
        Parameters(buffer_backends="any", input_transport="compressed")


@pytest.mark.usefixtures("lyrical")
@pytest.mark.parametrize("encoding", ["bgr8", "rgb8", "bgra8", "mono8"])
def test_pixels_and_header_are_those_of_the_message(encoding):
    channels = {"mono8": 1, "bgra8": 4}.get(encoding, 3)
    message = image(encoding=encoding, width=16, step=16 * channels + 7, height=5)
    del message.data[(16 * channels + 7) * 5 :]
    expected = decode_image(serialize_message(message))
    message._data = DemoBuffer(message.data)
    picture = DeviceImage(message, fake_buffers.Demo()).picture(10**6)
    assert isinstance(picture.pixels, DevicePixels)
    assert (picture.order, picture.pixels.shape) == (expected.order, expected.pixels.shape)
    assert picture.header == expected.header
    with picture.pixels.open_on(7) as array:
        assert np.array_equal(np.broadcast_to(array[..., :3], (5, 16, 3)), expected.pixels)
    assert fake_buffers.copies == []
    assert fake_buffers.streams[-1] == 7
    assert np.array_equal(picture.bgr(), expected.bgr())
    assert np.array_equal(np.asarray(picture.pixels), expected.pixels)
    assert fake_buffers.copies == [len(message.data)]


@pytest.mark.usefixtures("lyrical")
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"step": 10}, "step 10"),
        ({"height": 4000}, "bytes of data for 4000 rows"),
        ({"height": 0}, "has no pixels"),
        ({"width": 2**20, "height": 2**20}, "over the limit"),
    ],
)
def test_sizes_that_do_not_fit_the_data(fields, words):
    with pytest.raises(WireError, match=words):
        DeviceImage(on_device(**fields), fake_buffers.Demo()).picture(10**7)


@pytest.mark.usefixtures("lyrical")
def test_other_encodings_are_copied_and_decoded_as_ever():
    message = on_device(encoding="yuv422_yuy2", width=16, step=32, height=5)
    assert not DeviceImage.readable(message)
    assert decode_image(message_bytes(message)).pixels.shape == (5, 16, 3)


def test_a_message_on_the_cpu_is_decoded_as_ever():
    assert np.array_equal(decode_image(message_bytes(image())).pixels, pixels())


class OnDevice:
    """See DeviceLabels."""

    stream = 5

    def __init__(self, labels):
        self.labels, self.shape, self.targets = labels, labels.shape, []

    def copy_to(self, target):
        self.targets.append(target)
        if isinstance(target, np.ndarray):
            target[:] = self.labels


class Frame(SimpleNamespace):
    @classmethod
    def of(cls, message, labels, device, backend, threshold=0.0):
        return cls(
            header=decode_image(message_bytes(message)).header,
            labels=labels,
            label_map=SimpleNamespace(device=device, confidence=None),
            settings=SimpleNamespace(confidence_threshold=threshold),
            decoded=SimpleNamespace(received=SimpleNamespace(data=DeviceImage(message, backend) if backend else b"")),
        )


class Broken(fake_buffers.Demo):
    def write(self, labels):
        raise RuntimeError("out of memory")


@pytest.mark.parametrize(
    ("backend", "device", "threshold", "buffers"),
    [
        pytest.param(fake_buffers.Demo(), True, 0.0, 1, marks=fake_buffers.sent),
        (fake_buffers.Demo(), False, 0.0, 0),  # labelled by a fallback on the CPU
        (fake_buffers.Demo(), True, 0.5, 0),  # some become unlabelled on the CPU
        (None, True, 0.0, 0),
        (Broken(), True, 0.0, 0),
    ],
)
def test_labels_go_back_to_the_memory_of_the_image(tiny, monkeypatch, backend, device, threshold, buffers):
    monkeypatch.setenv("ROS_PYTHON_CHECK_FIELDS", "1")
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    frame = Frame.of(on_device(), labels, OnDevice(labels) if device else None, backend, threshold)
    output = Labels(tiny.spec, Parameters())
    sent = []
    output.publishers["labels"] = SimpleNamespace(publish=sent.append)
    output.publish(frame)
    output.publish(frame)
    assert [isinstance(message, bytes) for message in sent] == [not buffers] * 2
    data = serialize_message(sent[0]) if buffers else sent[0]
    picture = decode_image(data)
    assert np.array_equal(picture.pixels[..., 0], labels)
    assert picture.header.frame_id == "front"


def test_the_backend_cuda_is_read_and_written_on_the_stream_of_the_engine(monkeypatch):
    """As cuda_buffer_py (pull request 6 of ros2/rosidl_buffer_backends) has it; its memory is stood in for."""
    calls = []

    class CudaBuffer:
        @staticmethod
        @contextmanager
        def from_input_buffer(buffer, stream=None):
            calls.append(("read", buffer, stream))
            yield SimpleNamespace(device_ptr=4096)
            calls.append("read handle closed")

        @staticmethod
        @contextmanager
        def from_output_buffer(buffer, stream=None):
            calls.append(("write", buffer, stream))
            yield SimpleNamespace(device_ptr=8192)
            calls.append("write handle closed")

        @staticmethod
        def allocate_buffer(size):
            return f"buffer of {size}"

    monkeypatch.setitem(sys.modules, "cuda_buffer", SimpleNamespace(CudaBuffer=CudaBuffer))
    fake_buffers.install(monkeypatch)
    backend = open_backends("cuda")["cuda"]
    with backend.read("image", (2, 3, 4), (16, 4, 1), 7) as array:
        assert calls == [("read", "image", 7)]
        interface = array.__cuda_array_interface__
        assert (interface["data"][0], interface["shape"], interface["strides"]) == (4096, (2, 3, 4), (16, 4, 1))
    labels = OnDevice(np.zeros((2, 3), np.uint8))
    assert backend.write(labels) == "buffer of 6"
    assert calls[1:] == ["read handle closed", ("write", "buffer of 6", 5), "write handle closed"]
    (target,) = labels.targets
    assert target.__cuda_array_interface__["data"] == (8192, False)
    assert target.__cuda_array_interface__["shape"] == (2, 3)
