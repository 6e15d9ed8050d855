"""Measurements of a running node: each is a process in a ROS graph of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from icnet_ros.benchmark.timing import Progress
from icnet_ros.dds import NEW, OLD, profile_environment
from icnet_ros.engine.base import EngineError
from icnet_ros.live.processes import graph_environment

NODES = ("ours", "conventional")
MAX_MORE_THREADS = 2  # pools of libraries grow when they are first needed; a leak grows with every engine


def measure_node(name: str, options: Mapping[str, Any], *, shipped_profile: bool = True) -> dict[str, Any]:
    """Run `icnet_ros.node.benchmark.NAME` with these options; returns its result.

    shipped_profile: whether Fast DDS uses config/fastdds.xml; it reads a profile once per process. Raises EngineError
    if the process fails.
    """
    environment = graph_environment()
    if not shipped_profile:
        for variable in (OLD, NEW):
            environment.pop(variable, None)
    else:
        environment.update(profile_environment(environment=environment))
    command = [sys.executable, "-m", "icnet_ros.node.benchmark", name, json.dumps(dict(options))]
    process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        raise EngineError(f"the benchmark {name!r} failed with exit code {process.returncode}; see its output above")
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


def node_overhead(
    sizes: Sequence[tuple[int, int]],
    reliabilities: Sequence[str],
    profiles: Sequence[str],
    loads: Sequence[int],
    frames: int,
    rate: float,
    rounds: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    """This node compared with a conventional one, both with a no-op engine; medians over the rounds.

    The nodes run alternately. profiles: of Fast DDS, "shipped" or "default". loads: numbers of busy background
    processes.
    """
    cases = list(product(sizes, reliabilities, profiles, loads))
    turns = [(case, node) for case in cases for _ in range(rounds) for node in NODES]
    found: dict[tuple[Any, ...], list[dict[str, float]]] = {}
    for done, (case, node) in enumerate(turns):
        progress("comparing nodes", done, len(turns))
        (height, width), reliability, profile, load = case
        options = {"node": node, "height": height, "width": width, "reliability": reliability, "load": load}
        options |= {"frames": frames, "rate": rate}
        figures = measure_node("overhead", options, shipped_profile=profile == "shipped")
        found.setdefault((*case, node), []).append(figures)
    return [
        dict(zip(("size", "reliability", "profile", "load"), case, strict=True))
        | {node: _medians(found[(*case, node)]) for node in NODES}
        for case in cases
    ]


def soak_passed(result: Mapping[str, Any], growth: float) -> bool:
    """Whether a soak test passed: no failures, memory growth below the share `growth`, hardly any new threads."""
    grown = result["memory_mb"][1] / result["memory_mb"][0] - 1
    more_threads = result["threads"][1] - result["threads"][0]
    sound = result["exit_code"] == 0 and grown < growth and more_threads <= MAX_MORE_THREADS
    return bool(sound and not result["failed_checks"] and result["processed"])


def _medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
