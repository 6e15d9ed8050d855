"""What the node uses of tf2_ros, for which there are no wheels: one transform, from the JSON file TF_FILE.

The file has {"target": ..., "source": ..., "transform": [x, y, z, qx, qy, qz, qw]}; no file, no transform.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace


class TransformException(Exception):  # noqa: N818  its name in tf2_ros
    pass


class Buffer:
    def lookup_transform(self, target, source, time):
        path = Path(os.environ["TF_FILE"])
        values = json.loads(path.read_text()) if path.exists() else {}
        if (values.get("target"), values.get("source")) != (target, source):
            raise TransformException(f'"{target}" passed to lookupTransform argument target_frame does not exist.')
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
        pass


class TransformListener:
    def __init__(self, buffer, node):
        pass

    def unregister(self):
        pass
