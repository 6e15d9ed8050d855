"""`icnet benchmark soak` for a minute; its half hour is in docs/benchmarks.md.

An engine that was just built anew needs 100 MB less than one that has worked for a while, and short runs see few of
them: medians of tenths say something about half an hour only. Here peaks are compared, and only a leak of a hundred
megabytes shows; small ones have a test of their own (test_frame_sizes_that_alternate_cost_no_memory).
"""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")


@pytest.mark.usefixtures("domain")
def test_a_minute_of_trouble(model):
    command = [sys.executable, "-m", "icnet_ros.command.main", "benchmark", "soak", "--minutes", "1", "--rate", "20"]
    command += ["--growth", "1", "--model", str(model)]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=390, check=False)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["failed_checks"] == []
    assert result["processed"] > 100
    assert result["received"] == result["processed"] + result["dropped"] + result["failed"]
    assert {"off_and_on", "rebuild"} <= set(result["faults"])
    assert done.returncode == 0, f"memory {result['memory_mb']} MB, threads {result['threads']}"
    assert result["peak_mb"][1] < 1.2 * result["peak_mb"][0]
