#!/usr/bin/env bash
# PyAV 18.1.0 (wheel, with SVT-AV1 4.1.0): encoding AV1 with libsvtav1 as root makes the thread that called it a real-time one
# (SCHED_FIFO, priority 99), and it stays so when the encoder is closed: threads and processes that it starts later inherit
# it. Who writes AV1 in a node or a container starves what runs beside it. libx264 and libvpx-vp9 leave it alone.
set -euo pipefail
if [ "$(id -u)" != 0 ]; then echo "run as root: others may not change it"; exit 2; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy
"$folder/venv/bin/python" - 2>/dev/null <<'PY'
import os
import subprocess
import sys

import av
import numpy as np


def encode(name):
    context = av.CodecContext.create(name, "w")
    context.width = context.height = 128
    context.pix_fmt, context.framerate = "yuv420p", 10
    for _ in range(3):
        context.encode(av.VideoFrame.from_ndarray(np.zeros((128, 128, 3), np.uint8), format="rgb24"))
    context.encode(None)


def state():
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority


def check(right):
    if not right:
        sys.exit("this has changed")


print("PyAV", av.__version__)
print("policy, priority before:", state())
check(state() == (os.SCHED_OTHER, 0))
for name in ("libx264", "libvpx-vp9"):
    encode(name)
    print(f"after {name}:", state())
    check(state() == (os.SCHED_OTHER, 0))
encode("libsvtav1")
print("after libsvtav1:", state())
check(state() == (os.SCHED_FIFO, 99))
child = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
inherited = int(subprocess.check_output(child))
print("policy of a process started afterwards:", inherited)
check(inherited == os.SCHED_FIFO)
PY
