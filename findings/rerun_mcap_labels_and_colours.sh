#!/usr/bin/env bash
# rerun-sdk 0.41.0: of an mcap file of ROS 2, a sensor_msgs/Image mono8 becomes a DepthImage (so do masks of class ids; on
# purpose since its change 12660), and the field rgb of a PointCloud2 is kept as plain numbers, not as the points' colours.
# Guess before: mono8 is a grey Image, and points have the colours that RViz shows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rerun-sdk==0.41.0 mcap==1.6.0 rosbags==0.11.9
HOME=$folder "$folder/venv/bin/python" - "$folder" <<'EOF'
import sys
import time
from importlib.metadata import version

import numpy as np
import rerun as rr
from mcap.writer import Writer
from rosbags.typesys import Stores, get_typestore

folder = sys.argv[1]
store = get_typestore(Stores.ROS2_JAZZY)
types = store.types
header = types["std_msgs/msg/Header"](stamp=types["builtin_interfaces/msg/Time"](sec=1, nanosec=0), frame_id="camera")
field = types["sensor_msgs/msg/PointField"]
fields = [field(name=name, offset=4 * i, datatype=7, count=1) for i, name in enumerate(("x", "y", "z", "rgb"))]
points = np.array([[0, 0, 1, 0], [1, 0, 1, 0]], np.float32)
points[:, 3] = np.array([0xFF0000, 0x00FF00], np.uint32).view(np.float32)
messages = {
    "/grey": types["sensor_msgs/msg/Image"](
        header=header, height=2, width=2, encoding="mono8", is_bigendian=0, step=2, data=np.arange(4, dtype=np.uint8)
    ),
    "/points": types["sensor_msgs/msg/PointCloud2"](
        header=header, height=1, width=2, fields=fields, is_bigendian=False, point_step=16, row_step=32,
        data=points.view(np.uint8).reshape(-1), is_dense=True,
    ),
}
with open(f"{folder}/x.mcap", "wb") as file:
    writer = Writer(file)
    writer.start(profile="ros2")
    for topic, message in messages.items():
        kind = message.__msgtype__
        schema = writer.register_schema(kind, "ros2msg", store.generate_msgdef(kind, ros_version=2)[0].encode())
        channel = writer.register_channel(topic, "cdr", schema)
        writer.add_message(channel, 10**9, bytes(store.serialize_cdr(message, kind)), 10**9)
    writer.finish()
rr.init("trial")
rr.save(f"{folder}/x.rrd")
rr.log_file_from_path(f"{folder}/x.mcap")
time.sleep(3)
rr.disconnect()
EOF
shown=$(HOME=$folder "$folder/venv/bin/rerun" rrd print "$folder/x.rrd" 2>/dev/null | grep -E -- ' - /(grey|points) - ' | grep -oE '(Image|DepthImage|Points3D):[a-z]+' | sort -u | tr '\n' ' ')
echo "rerun-sdk 0.41.0 has: $shown"
case " $shown" in *" DepthImage:buffer "*) ;; *) echo changed; exit 1 ;; esac
case " $shown" in *" Points3D:colors "*) echo changed; exit 1 ;; *" Points3D:rgb "*) ;; *) echo changed; exit 1 ;; esac
