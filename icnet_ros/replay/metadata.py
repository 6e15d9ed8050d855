"""Inputs, settings and versions of a run, as they are written into report.json."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TypedDict

from icnet_ros.version import __version__

LIBRARIES = (
    "numpy", "numba", "opencv-python-headless", "opencv-python", "simplejpeg", "rosbags", "av", "torch", "onnxruntime",
    "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-rtx",
)  # fmt: skip

Percentiles = dict[str, float]  # "p50": ms, ...


class LiveRun(TypedDict, total=False):
    """Of a live run. frames: counts. labels_without_image: labels whose stamp no image had. fps: labels per second.

    latency_ms: by stage, as the node measured them. image_to_labels_ms: from publishing an image to receiving its
    labels, measured outside the node. steps: frames by exit and rows of the network's input.
    """

    frames: dict[str, int]
    steps: dict[str, int]
    labels_without_image: int
    fps: float | None
    latency_ms: dict[str, Percentiles | None]
    image_to_labels_ms: Percentiles | None


class RunMetadata(TypedDict, total=False):
    """Bag, checkpoint, engine and settings that label maps are from; of several drives, lists of bags.

    selection: what differs from the defaults of `Selection`. *_sha256: of files. damaged_images: "count" if damaged
    images were labelled. live: of a live run only.
    """

    bag: str | list[str]
    bag_sha256: str | list[str | None] | None
    selection: dict[str, str | float]
    checkpoint: str | None
    checkpoint_sha256: str
    trained: bool
    engine: str | None
    device: str
    precision: str
    exit: str | None
    int8_sha256: str
    ladder_sha256: dict[str, str]
    label_groups: str
    label_groups_sha256: str
    rotate: int
    coarse_branch_interval: int
    mask: str
    mask_sha256: str
    damaged_images: str
    live: LiveRun


def versions() -> dict[str, str]:
    """Versions of icnet_ros, Python and the installed LIBRARIES: labels may depend on them."""
    found = {"icnet_ros": __version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
