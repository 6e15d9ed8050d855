#!/usr/bin/env bash
# rosbags 0.11.9: of an mcap file with a chunk index and without message indexes, which the specification allows
# (rosbag2's noMessageIndex), it reads no message and raises nothing; mcap 1.6.0 reads all of them.
# Guess before: a reader scans the chunk if there is no index of its messages.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet rosbags==0.11.9 mcap==1.6.0
"$venv/bin/python" - "$venv/x.mcap" <<'EOF'
import sys
from importlib.metadata import version
from pathlib import Path

from mcap.reader import make_reader
from mcap.writer import IndexType, Writer
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

path = Path(sys.argv[1])
store = get_typestore(Stores.LATEST)
kind = "std_msgs/msg/Int32"
with path.open("wb") as file:
    writer = Writer(file, index_types=IndexType.CHUNK)
    writer.start(profile="ros2")
    schema = writer.register_schema(kind, "ros2msg", store.generate_msgdef(kind, ros_version=2)[0].encode())
    channel = writer.register_channel("/numbers", "cdr", schema)
    for number in range(5):
        writer.add_message(channel, number, bytes(store.serialize_cdr(store.types[kind](number), kind)), number)
    writer.finish()
with AnyReader([path], default_typestore=store) as reader:
    by_rosbags = sum(1 for _ in reader.messages())
with path.open("rb") as file:
    by_mcap = sum(1 for _ in make_reader(file).iter_messages())
print(f"rosbags {version('rosbags')}: {by_rosbags} of 5 messages; mcap {version('mcap')}: {by_mcap}")
assert (by_rosbags, by_mcap) == (0, 5), "changed"
EOF
