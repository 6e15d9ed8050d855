"""Whether OpenVINO gives the labels of ONNX Runtime, for networks that are not ICNet.

Some operators have other results in OpenVINO: see docs/networks.md.
"""

import json
import logging
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.onnx_graph import Array
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.artefacts.adapter import probe
from icnet_ros.engine.artefacts.cache import cached_file
from icnet_ros.engine.artefacts.export import identity, onnx_file
from icnet_ros.engine.base import one_line

log = logging.getLogger(__name__)
MOST_OTHERS = 0.001  # share of the labels that may differ
ROUNDING = 2e-3  # a difference of two values relative to the largest value; less is a tie
FORMAT = 1


def why_not_openvino(checkpoint: Checkpoint, exit_: str) -> str:
    """Why ONNX Runtime is to run a network that is not ICNet; empty if OpenVINO gives the same labels.

    Both run two pictures of noise on the CPU in fp32, once for each network and version; the result is cached. Raises
    EngineError if the network itself cannot be used.
    """
    path = onnx_file(checkpoint, exit_)
    key = {
        "agreement": str(FORMAT), **identity(checkpoint, exit_), "openvino": version("openvino"),
        "onnxruntime": version("onnxruntime"), "machine": os.uname().machine,
    }  # fmt: skip

    def compare(target: Path) -> None:
        target.write_text(json.dumps({"reason": _compare(checkpoint.spec, path)}), encoding="utf-8")

    found = cached_file("comparison of OpenVINO with ONNX Runtime", "agreement", key, compare)
    reason: str = json.loads(found.read_text())["reason"]
    return reason


def _compare(spec: ModelSpec, path: Path) -> str:
    import onnx

    images = [picture.image(spec) for picture in probe.pictures(spec)]
    expected = [one["logits"][0] for one in probe.run(str(path), onnx.load(path), "image", images, ["logits"])]
    try:
        actual = _openvino(path, images)
    except RuntimeError as err:
        return f"OpenVINO {version('openvino')} cannot run it: {one_line(err)}"
    share = max(_share_of_others(one, other) for one, other in zip(expected, actual, strict=True))
    if share <= MOST_OTHERS:
        return ""
    return f"OpenVINO {version('openvino')} gives {share:.1%} other labels than ONNX Runtime for pictures of noise"


def _openvino(path: Path, images: list[Array]) -> list[Array]:
    """The logits of each image. Raises RuntimeError."""
    import openvino

    core = openvino.Core()
    model = core.read_model(str(path))
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    results: list[Array] = []
    request, shape = None, None
    for image in images:
        if image.shape != shape:
            shape = image.shape
            model.reshape(list(shape))
            request = core.compile_model(model, "CPU", settings).create_infer_request()
        assert request is not None
        results.append(np.array(request.infer({0: image})[0][0]))
    return results


def _share_of_others(expected: Array, actual: Array) -> float:
    """Share of the places where the largest value (h, w, classes) is of another class, beyond rounding."""
    if actual.shape != expected.shape or not np.isfinite(actual).all():
        return 1.0
    chosen = actual.argmax(2)[..., None]
    lost = expected.max(2) - np.take_along_axis(expected, chosen, 2)[..., 0]
    return float((lost > ROUNDING * max(np.abs(expected).max(), 1e-6)).mean())
