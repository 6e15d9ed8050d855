#!/usr/bin/env bash
# rclpy 9.1.2 (Kilted, PyPI): a timer whose callback has an optional parameter, as `def publish(self, text="")`, gets nothing from
# SingleThreadedExecutor and MultiThreadedExecutor, but a TimerInfo from rclpy.experimental.EventsExecutor. In rclpy 10.0.10 (Lyrical,
# built from source) it is the same; the EventsExecutor of Jazzy (7.1.6) gives nothing.
# Guess before: an executor is exchanged for another without a change to the node.
# Exits with 0 while that is so, with 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ros-kilted-rclpy[fastrtps]==9.1.2" ros-rmw-fastrtps-cpp==9.3.3
ROS_DOMAIN_ID=213 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST "$folder/venv/bin/python" - <<'PY'
import sys
import time
from importlib.metadata import version

import rclpy
import rclpy.executors
import rclpy.experimental

print("rclpy", version("ros-kilted-rclpy"))
given = {}
rclpy.init()
for executor in (rclpy.executors.SingleThreadedExecutor, rclpy.executors.MultiThreadedExecutor, rclpy.experimental.EventsExecutor):
    name, calls = executor.__name__, []
    node = rclpy.create_node("clock")
    node.create_timer(0.05, lambda text="nothing": calls.append(text))
    running = executor()
    running.add_node(node)
    end = time.monotonic() + 10
    while not calls and time.monotonic() < end:
        running.spin_once(timeout_sec=0.2)
    given[name] = type(calls[0]).__name__ if calls else "not called"
    print(f"{name}: the callback's optional parameter is a {given[name]}")
    running.remove_node(node)
    node.destroy_node()
expected = {"SingleThreadedExecutor": "str", "MultiThreadedExecutor": "str", "EventsExecutor": "TimerInfo"}
print("as described" if given == expected else "CHANGED")
sys.exit(given != expected)
PY
