"""`icnet doctor`: checks installation and settings and advises how to fix problems."""

import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from icnet_ros.checkpoint.default import model_path
from icnet_ros.command.console import console
from icnet_ros.command.sets import SETS
from icnet_ros.dds import FAST_DDS, NEW, OLD, OLD_DISTROS, middleware_limits, middleware_version, receive_buffer_hint
from icnet_ros.engine.artefacts.cache_entries import cache_folder
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import ENGINES, auto_candidates, extra_of, installed_library
from icnet_ros.share import share
from icnet_ros.version import __version__

# What package.xml leaves to pip, see docs/installation.md, and the rest that versions matter of.
BY_PIP = (
    "safetensors", "simplejpeg", "numba", "typer", "rich", "rosbags", "mcap", "zstandard", "lz4", "protobuf", "plotly",
)  # fmt: skip
ENGINE_PACKAGES = ("torch", "onnx", "onnxruntime", "openvino")
PACKAGES = ("numpy", "opencv-python-headless", *BY_PIP, *ENGINE_PACKAGES)
SHARED_MEMORY = 128 * 2**20  # two participants with the 64 MiB segment of config/fastdds.xml


@dataclass(frozen=True)
class Finding:
    """One line of the report. advice: what to do; empty if all is well. hint: what may have to be done elsewhere."""

    group: str
    name: str
    value: str
    advice: str = ""
    hint: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False) -> None:
    """Versions, devices, engines, model, ROS and DDS settings; exit code 1 if something should be changed."""
    findings = [*packages(), *sets(), *machine(), *engines(), *files(), *ros(os.environ)]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        table = Table(
            "", "", Column(overflow="fold"), title=f"icnet_ros {__version__}", title_justify="left", show_header=False
        )
        group = ""
        for finding in findings:
            if finding.group != group:
                table.add_section()
                group = finding.group
            shown = Text(finding.value)
            for more, style in ((finding.advice, "yellow"), (finding.hint, "dim")):
                if more:
                    shown.append(f"\n{more}", style)
            table.add_row(finding.group, finding.name, shown)
        console.print(table)
    if any(finding.advice for finding in findings):
        raise typer.Exit(1)


def packages() -> Iterator[Finding]:
    """Versions of what the package builds on."""
    yield Finding("packages", "python", platform.python_version())
    for name in PACKAGES:
        advice = ""
        if name in BY_PIP and _version(name) == "none":
            advice = f"missing: pip install {name}"
        if name == "opencv-python-headless" and _version(name).startswith("5"):
            advice = "cv_bridge up to Kilted fails with OpenCV 5: pip install 'opencv-python-headless<5'"
        if name == "numpy" and os.environ.get("ROS_DISTRO") in OLD_DISTROS and find_spec("cv_bridge"):
            advice = (
                "" if _version(name).startswith("1.") else "this cv_bridge is built for numpy 1: pip install 'numpy<2'"
            )
        yield Finding("packages", name, _version(name), advice)


def sets() -> Iterator[Finding]:
    """Which sets of packages are installed, and what a missing one would give."""
    for one in SETS:
        missing = one.missing(find_spec)
        value = f"without {', '.join(missing)}" if missing else "installed"
        yield Finding("sets", one.name, f"{value}: {one.purpose}", hint=one.command if missing else "")


def machine() -> Iterator[Finding]:
    """Processor and GPU."""
    from icnet_ros.engine.backends.host import cpu_name  # imports Numba, which would slow down every command

    flags = _read("/proc/cpuinfo")
    features = [name for name in ("avx2", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd") if f" {name}" in flags]
    yield Finding("machine", "processor", f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores, {' '.join(features)}")
    driver = _read("/proc/driver/nvidia/version").splitlines()
    advice = ""
    if driver and find_spec("torch"):
        import torch

        if not torch.cuda.is_available():
            advice = "there is an NVIDIA driver, but this torch cannot use it: install a CUDA build of torch"
    yield Finding("machine", "NVIDIA driver", driver[0] if driver else "none", advice)


def engines() -> Iterator[Finding]:
    """Engines that can be used on this machine."""
    for name in ENGINES:
        missing = f"not installed: pip install 'icnet-ros[{extra_of(name)}]'" if extra_of(name) else "not installed"
        yield Finding("engines", name, installed_library(name) or missing)
    yield Finding("engines", "auto", ", then ".join(auto_candidates(EngineOptions())))


def files() -> Iterator[Finding]:
    """The model and the cache."""
    model = model_path("")
    yield Finding(
        "files", "model", str(model or "random weights"), "" if model else "name one: model:=FILE.safetensors"
    )
    if model:
        quantized = sorted(path.name for path in model.parent.glob(f"{model.stem}.*.int8.onnx"))
        yield Finding("files", "int8", ", ".join(quantized) or "none: create it with icnet quantize")
    folder = cache_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    writable = existing.is_dir() and os.access(existing, os.W_OK)
    advice = "" if writable else "engines are rebuilt at every start: set ICNET_CACHE to a writable folder"
    yield Finding("files", "cache", str(folder), advice)


def ros(environment: Mapping[str, str]) -> Iterator[Finding]:
    """ROS 2, the active DDS profile and shared memory."""
    here = find_spec("rclpy") is not None
    yield Finding("ROS 2", "distribution", environment.get("ROS_DISTRO", "") if here else "no rclpy: not sourced")
    if here:
        built = find_spec("icnet_ros.msg") is not None
        advice = (
            "" if built else "the messages of icnet_ros are not built: colcon build, then source install/setup.bash"
        )
        yield Finding("ROS 2", "messages", "found" if built else "missing", advice)
    yield Finding("ROS 2", "ROS_DOMAIN_ID", environment.get("ROS_DOMAIN_ID", "0"))
    middleware = environment.get("RMW_IMPLEMENTATION", "")
    name = middleware or FAST_DDS
    installed = middleware_version(name, environment)
    yield Finding("ROS 2", "RMW_IMPLEMENTATION", middleware or "the default of the distribution")
    if here or installed:
        yield Finding(
            "ROS 2",
            name,
            installed or "not found",
            hint=middleware_limits(name, installed) or receive_buffer_hint(name, environment),
        )
    profiles = {name: environment[name] for name in (OLD, NEW) if environment.get(name)}
    advice = hint = ""
    if len(profiles) == 2:
        advice = f"Fast DDS loads both and refuses them: unset one ({OLD} up to Jazzy, {NEW} later)"
    elif not profiles and environment.get("RMW_IMPLEMENTATION", FAST_DDS) == FAST_DDS:
        variable = OLD if environment.get("ROS_DISTRO") in OLD_DISTROS else NEW
        hint = (
            "the launch files set it for the node; in the camera's process, large images may get lost without it: "
            f"export {variable}={share('config', 'fastdds.xml')}"
        )
    elif profiles and not Path(next(iter(profiles.values()))).is_file():
        advice = "there is no such file"
    shown = ", ".join(f"{name}={value}" for name, value in profiles.items())
    yield Finding("DDS", "profile", shown or "none set here", advice, hint if here else "")
    try:
        size = shutil.disk_usage("/dev/shm").total  # noqa: S108
    except OSError:
        size = 0
    advice = (
        ""
        if size >= SHARED_MEMORY
        else "too small for the shipped DDS profile: docker run --ipc=host or --shm-size=512m"
    )
    yield Finding("DDS", "shared memory", f"{size / 2**20:.0f} MiB", advice)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        if package == "opencv-python-headless" and find_spec("cv2"):  # apt's, or another wheel
            import cv2

            return f"{cv2.__version__}, not from this wheel"
        return "none"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
