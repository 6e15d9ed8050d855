"""Transforms between the frames of a sensor and a camera: from a parameter, or from tf2 where it is installed."""

from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from icnet_ros.wire.image import stamp_ns
from icnet_ros.wire.lidar import Matrix, parse_transform

try:
    import tf2_ros
except ImportError:
    tf2_ros = None


class Transforms:
    """Looks up transforms; listens to /tf only if the parameter is empty and one is needed."""

    def __init__(self, node: Node, fixed: str) -> None:
        """fixed: "x y z qx qy qz qw" for every pair of frames; "" for tf2. Raises ValueError."""
        self._node = node
        self._fixed = parse_transform(fixed) if fixed else None
        self._buffer: Any = None
        self._listener: Any = None

    def between(self, source: str, target: str, stamp: int, tolerance_s: float) -> Matrix:
        """(4, 4) that maps points of frame `source` into frame `target` as they were at `stamp` (ns).

        If /tf is behind the image, its latest transform, unless that is older by more than the tolerance.
        Raises ValueError if the transform is not known.
        """
        if self._fixed is not None:
            return self._fixed
        if tf2_ros is None:
            raise ValueError("tf2_ros is not installed: set cloud_transform")
        if self._buffer is None:
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, self._node)
        try:
            found = self._lookup(target, source, stamp, tolerance_s).transform
        except tf2_ros.TransformException as err:
            raise ValueError(f"no transform from {source} to {target} at the image's stamp: {err}") from err
        p, q = found.translation, found.rotation
        return parse_transform(f"{p.x} {p.y} {p.z} {q.x} {q.y} {q.z} {q.w}")

    def _lookup(self, target: str, source: str, stamp: int, tolerance_s: float) -> Any:
        try:
            return self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp))
        except tf2_ros.TransformException:
            latest = self._buffer.lookup_transform(target, source, Time())
            if abs(stamp_ns(latest.header) - stamp) > 1e9 * tolerance_s:
                raise
            return latest

    def close(self) -> None:
        """Unsubscribe from /tf; the node would keep the listener for ever."""
        if self._listener is not None:
            self._listener.unregister()
            self._buffer = self._listener = None

    def clear(self) -> None:
        """Forget what came on /tf, as after a jump of the clock."""
        if self._buffer is not None:
            self._buffer.clear()
