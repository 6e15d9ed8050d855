"""Versions of everything that labels may depend on."""

import platform
from importlib.metadata import PackageNotFoundError, version

import icnet_ros

LIBRARIES = (
    "numpy", "numba", "opencv-python-headless", "opencv-python", "simplejpeg", "rosbags", "torch", "onnxruntime",
    "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-rtx",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of icnet_ros, Python and the installed LIBRARIES."""
    found = {"icnet_ros": icnet_ros.__version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
