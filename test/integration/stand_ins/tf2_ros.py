"""What the node uses of tf2_ros, for which there are no wheels: one transform, from the JSON file TF_FILE.

The file has {"target": ..., "source": ..., "transform": [x, y, z, qx, qy, qz, qw]}; no file, no transform. It answers
as tf2_ros_py 0.36.20 was seen to: never the first lookup, which subscribes; frames with a slash or without a name are
refused; an unknown frame ends with "does not exist. ". Not as tf2: its transform holds for every stamp.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace


class TransformException(Exception):  # noqa: N818  its name in tf2_ros
    pass


class LookupException(TransformException):
    pass


class ConnectivityException(TransformException):
    pass


class ExtrapolationException(TransformException):
    pass


class InvalidArgumentException(TransformException):
    pass


class Buffer:
    def __init__(self):
        self._asked = False

    def lookup_transform(self, target, source, time):
        for argument, frame in (("target_frame", target), ("source_frame", source)):
            start = f'Invalid argument "{frame}" passed to lookupTransform argument {argument} in tf2 frame_ids cannot '
            if not frame:
                raise InvalidArgumentException(f"{start}be empty")
            if frame.startswith("/"):
                raise InvalidArgumentException(f"{start}start with a '/' like: ")
        path = Path(os.environ["TF_FILE"])
        values = json.loads(path.read_text(encoding="utf-8")) if path.exists() and self._asked else {}
        self._asked = True
        for argument, frame in (("target", target), ("source", source)):
            if values.get(argument) != frame:
                raise LookupException(f'"{frame}" passed to lookupTransform argument {argument}_frame does not exist. ')
        x, y, z, *quaternion = values["transform"]
        stamp = SimpleNamespace(sec=time.nanoseconds // 10**9, nanosec=time.nanoseconds % 10**9)
        return SimpleNamespace(
            header=SimpleNamespace(stamp=stamp),
            transform=SimpleNamespace(
                translation=SimpleNamespace(x=x, y=y, z=z),
                rotation=SimpleNamespace(**dict(zip("xyzw", quaternion, strict=True))),
            ),
        )

    def clear(self):
        """Drops /tf and keeps /tf_static."""


class TransformListener:
    def __init__(self, buffer, node):
        pass

    def unregister(self):
        pass
