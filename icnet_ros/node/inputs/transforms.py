"""Transforms between the frames of a camera, a sensor and the ground: from tf2, or from a parameter."""

from typing import TYPE_CHECKING

from rclpy.node import Node
from rclpy.time import Time

from icnet_ros.wire.image import stamp_ns
from icnet_ros.wire.lidar import Matrix, parse_transform

if TYPE_CHECKING:
    from geometry_msgs.msg import TransformStamped

try:
    import tf2_ros
except ImportError:
    tf2_ros = None


class Transforms:
    """Looks up transforms; listens to /tf only if the parameter is empty and one is needed."""

    def __init__(self, node: Node, fixed: str) -> None:
        """fixed: "x y z qx qy qz qw" from a LiDAR's frame to the camera's; "" for tf2. Raises ValueError."""
        self._node = node
        self._fixed = parse_transform(fixed) if fixed else None
        self._buffer: tf2_ros.Buffer | None = None
        self._listener: tf2_ros.TransformListener | None = None

    def between(self, source: str, target: str, stamp: int, tolerance_s: float) -> Matrix:
        """(4, 4) that maps points of frame `source` into frame `target` as they were at `stamp` (ns).

        If /tf is behind the image, its latest transform, unless that is older by more than the tolerance.
        Raises ValueError if the transform is not known.
        """
        if self._fixed is not None:
            return self._fixed
        return self.lookup(source, target, stamp, tolerance_s, "set cloud_transform")

    def lookup(self, source: str, target: str, stamp: int, tolerance_s: float, remedy: str) -> Matrix:
        """As `between`, but from tf2 only. remedy: what to do where tf2_ros is not installed."""
        if tf2_ros is None:
            raise ValueError(f"tf2_ros is not installed: {remedy}")
        if self._buffer is None:
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, self._node)
        try:
            found = self._lookup(self._buffer, target, source, stamp, tolerance_s).transform
        except tf2_ros.TransformException as err:
            raise ValueError(f"no transform from {source} to {target} at the image's stamp: {err}") from err
        p, q = found.translation, found.rotation
        return parse_transform(f"{p.x} {p.y} {p.z} {q.x} {q.y} {q.z} {q.w}")

    @staticmethod
    def _lookup(
        buffer: "tf2_ros.Buffer", target: str, source: str, stamp: int, tolerance_s: float
    ) -> "TransformStamped":
        try:
            return buffer.lookup_transform(target, source, Time(nanoseconds=stamp))
        except tf2_ros.TransformException:
            latest = buffer.lookup_transform(target, source, Time())
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
