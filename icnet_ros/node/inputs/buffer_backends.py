"""Memory of devices in which messages may hold their data: backends of rosidl::Buffer (ROS 2 Lyrical and later).

Written against rclpy 10.0.10, rosidl_buffer_py 5.2.1 and cuda_buffer_py of ros2/rosidl_buffer_backends (pull request 6,
not in its releases 0.1.0 to 0.1.2). Never run on a GPU.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from inspect import signature
from math import prod
from pathlib import Path
from typing import Protocol

from ament_index_python import get_resource, get_resources
from rclpy.node import Node

from icnet_ros.engine.base import DeviceLabels, EngineError
from icnet_ros.wire.device import DeviceArray

PLUGINS = "rosidl_buffer_backend__pluginlib__plugin"  # resource of the ament index


class Buffer(Protocol):
    """What is used of rosidl_buffer.Buffer, uint8 values in the memory of a backend."""

    backend_type: str

    def __len__(self) -> int: ...

    def to_bytes(self) -> bytes:
        """Copy of the values."""


class Backend(Protocol):
    """A memory, by the Python package that goes with it."""

    def read(
        self, buffer: Buffer, shape: tuple[int, ...], strides: tuple[int, ...], stream: int | None
    ) -> AbstractContextManager[object]:
        """The values as an array, see DevicePixels.open_on; strides in bytes."""

    def write(self, labels: DeviceLabels) -> Buffer:
        """New buffer with the labels, row by row."""


class Cuda:
    """Backend "cuda": memory of an NVIDIA GPU."""

    def __init__(self) -> None:
        """Raises ImportError if its package is missing."""
        from cuda_buffer import CudaBuffer

        self._factory = CudaBuffer

    @contextmanager
    def read(
        self, buffer: Buffer, shape: tuple[int, ...], strides: tuple[int, ...], stream: int | None
    ) -> Iterator[object]:
        """See Backend."""
        with self._factory.from_input_buffer(buffer, stream) as handle:
            yield DeviceArray(handle.device_ptr, shape, strides)

    def write(self, labels: DeviceLabels) -> Buffer:
        """See Backend."""
        buffer: Buffer = self._factory.allocate_buffer(prod(labels.shape))
        with self._factory.from_output_buffer(buffer, labels.stream) as handle:
            labels.copy_to(DeviceArray(handle.device_ptr, labels.shape))
        return buffer


def plugins() -> set[str]:
    """Names of the installed plugins of the middleware for memories, as pluginlib finds them."""
    names: set[str] = set()
    for package in get_resources(PLUGINS):
        files, prefix = get_resource(PLUGINS, package)
        for file in files.split():
            with suppress(OSError, ET.ParseError):  # pluginlib does not find it, either
                names.update(one.get("name", "") for one in ET.parse(Path(prefix, file)).iter("class"))  # noqa: S314
    return names


BACKENDS: dict[str, Callable[[], Backend]] = {"cuda": Cuda}  # by Buffer.backend_type


def open_backends(setting: str) -> Mapping[str, Backend]:
    """Backends of the parameter buffer_backends: names with commas, "any" for all that are installed, "" for none.

    Raises EngineError for an unknown or missing one, and where rclpy cannot take such messages.
    """
    names = [name for part in setting.split(",") if (name := part.strip()) and name != "cpu"]
    if not names:
        return {}
    if "acceptable_buffer_backends" not in signature(Node.create_subscription).parameters:
        raise EngineError(
            "buffer_backends needs ROS 2 Lyrical or later: this rclpy takes no such messages. Set it to ''"
        )
    wanted = list(BACKENDS) if "any" in names else names
    installed = plugins()
    found: dict[str, Backend] = {}
    for name in wanted:
        if name not in BACKENDS:
            raise EngineError(
                f"buffer_backends has {name!r}; the node reads {', '.join(BACKENDS)}, or any of them: any"
            )
        # A subscription that accepts only what has no plugin makes the publisher send to all as to subscribers of other
        # middleware, and gets nothing once another subscription of the topic is gone (rmw_fastrtps 9.4).
        if name not in installed:
            if "any" not in names:
                raise EngineError(
                    f"buffer_backends {name} needs the plugin {name} of the middleware: the ROS package "
                    f"{name}_buffer_backend"
                )
            continue
        try:
            found[name] = BACKENDS[name]()
        except ImportError as err:
            if "any" not in names:
                raise EngineError(
                    f"buffer_backends {name} needs the Python package {name}_buffer of ros2/rosidl_buffer_backends: "
                    f"{err}"
                ) from err
    if not found:
        raise EngineError(f"buffer_backends is any, but none is installed; the node reads {', '.join(BACKENDS)}")
    return found
