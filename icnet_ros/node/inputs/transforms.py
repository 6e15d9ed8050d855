"""Transforms between the frames of a camera, a sensor and the ground: from tf2, or from a parameter."""

from time import perf_counter
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

TF2_KEEPS_NS = 10 * 10**9  # tf2 refuses transforms that are older than the newest by more
IDLE_S = 60.0  # /tf is unsubscribed when nothing was asked for so long


class Transforms:
    """Looks up transforms; listens to /tf only if the parameter is empty and one is needed."""

    def __init__(self, node: Node, fixed: str) -> None:
        """fixed: "x y z qx qy qz qw" from a LiDAR's frame to the camera's; "" for tf2. Raises ValueError."""
        self._node = node
        self._fixed = parse_transform(fixed) if fixed else None
        self._buffer: tf2_ros.Buffer | None = None
        self._listener: tf2_ros.TransformListener | None = None
        self._newest: dict[tuple[str, str], int] = {}  # newest stamp of a lookup, ns, by its two frames
        self._asked = 0.0  # when the last lookup was, monotonic s

    def between(self, source: str, target: str, stamp: int, tolerance_s: float) -> Matrix:
        """(4, 4) that maps points of frame `source` into frame `target` as they were at `stamp` (ns).

        If /tf is behind the image, its latest transform, unless that is older by more than the tolerance.
        Raises ValueError if the transform is not known.
        """
        if self._fixed is not None:
            return self._fixed
        return self.lookup(source, target, stamp, tolerance_s, "set cloud_transform")

    def lookup(self, source: str, target: str, stamp: int, tolerance_s: float, instead: str) -> Matrix:
        """As `between`, but from tf2 only. instead: what to do where there is no tf."""
        if tf2_ros is None:
            raise ValueError(f"tf2_ros is not installed: install tf2_ros_py, or {instead}")
        if not source or not target:
            raise ValueError("images or clouds have no frame_id, which their driver should set")
        # Frames of ROS 1 begin with a slash: tf2 strips it from what is published, and refuses it in lookups.
        source, target = source.lstrip("/"), target.lstrip("/")
        self._asked = perf_counter()
        if self._buffer is None:
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, self._node)
        self._check_restart((source, target), stamp)
        try:
            found = self._lookup(self._buffer, target, source, stamp, tolerance_s).transform
        except tf2_ros.TransformException as err:
            advice = f"publish the transform on /tf_static, or {instead}"
            if isinstance(err, tf2_ros.ExtrapolationException):  # it is published, but not for this stamp
                advice = (
                    "does its publisher run, do the clocks agree, "
                    f"is points_tolerance_s ({tolerance_s:g}) as long as /tf is late?"
                )
            reason = str(err).strip().rstrip(".")
            raise ValueError(
                f"no transform from {source} to {target} at the image's stamp: {reason}; {advice}"
            ) from err
        p, q = found.translation, found.rotation
        return parse_transform(f"{p.x} {p.y} {p.z} {q.x} {q.y} {q.z} {q.w}")

    def check(self) -> None:
        """Unsubscribe from /tf if nobody has asked for a transform for a while: it costs CPU time."""
        if self._listener is not None and perf_counter() - self._asked > IDLE_S:
            self.close()

    def _check_restart(self, frames: tuple[str, str], stamp: int) -> None:
        """Forget /tf if a bag was started again without /clock: tf2 refuses what is much older than its newest."""
        newest = self._newest.get(frames, 0)
        if stamp < newest - TF2_KEEPS_NS:
            self.clear()
            newest = stamp
        self._newest[frames] = max(stamp, newest)

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
        """Forget what came on /tf, as after a jump of the clock. What came on /tf_static stays."""
        self._newest.clear()
        if self._buffer is not None:
            self._buffer.clear()
