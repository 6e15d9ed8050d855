"""Time of each processing stage, compared with its reference implementation in `plain`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from icnet_ros.benchmark import plain
from icnet_ros.benchmark.timing import Progress, interleaved
from icnet_ros.checkpoint.costs import load_costs
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.groups import load_groups
from icnet_ros.engine.base import Frame, UInt8
from icnet_ros.engine.kernels import upsample
from icnet_ros.engine.kernels.groups import group_map, score_map
from icnet_ros.engine.kernels.normalise import normalise
from icnet_ros.engine.kernels.quantise import Quantiser, quantise
from icnet_ros.ground.camera import GroundCamera
from icnet_ros.ground.costs import ClassCosts
from icnet_ros.ground.pose import pose_of
from icnet_ros.ground.shapes import GridShape, ScanShape
from icnet_ros.ground.view import GroundSettings, GroundView
from icnet_ros.render.painter import Painter
from icnet_ros.wire.cloud import encode_cloud
from icnet_ros.wire.decoders.image import decode_image
from icnet_ros.wire.image import encode_image, encode_jpeg, encode_png, make_header

GROUPS = "nav2"


def _ground_view(height: int, width: int, costs: ClassCosts) -> GroundView:
    """The default grid, 200x200 at 5 cm, and 360 beams; a camera at 1.2 m that looks down by 10 degrees."""
    focal = 0.7 * width
    camera = GroundCamera(height, width, (focal, focal), (width / 2, height / 2))
    return GroundView(camera, pose_of(1.2, pitch=10), GroundSettings(GridShape(), ScanShape(beams=360), costs))


def _grid_and_scan(view: GroundView, labels: UInt8) -> None:
    view.look(labels)
    view.cells()
    view.ranges()


def stages(checkpoint: Checkpoint, frame: UInt8, threads: int, rounds: int, progress: Progress) -> list[dict[str, Any]]:
    """Rows {stage, ms, plain_ms, speedup, different}; the last three are None without a reference in `plain`.

    frame: BGR (H, W, 3). Logits are those of the checkpoint for this frame; for inference see
    `engines`. different: number of pixels whose label differs from the reference.
    """
    torch.set_num_threads(threads)
    upsample.use_threads(threads)
    height, width = frame.shape[:2]
    spec = checkpoint.spec
    size = spec.network_size(height, width)
    with torch.inference_mode():
        logits = checkpoint.network(spec.exits[-1:])(plain.preprocess(frame, spec))[-1]
    array = np.ascontiguousarray(logits[0].permute(1, 2, 0).numpy())
    labels = upsample.label_map(array, height, width)
    batch = normalise([Frame(frame)], spec, size, planar=True)
    quantiser = Quantiser(np.full(3, 0.9, np.float32), np.full(3, -100, np.float32), np.int8)
    pixels = quantise([Frame(frame)], spec, size, quantiser)
    painter = Painter(spec.classes.colours)
    colours = painter.colour(np.arange(256, dtype=np.uint8)[None])[0]
    header = make_header(1, "camera")
    groups = load_groups(GROUPS, spec.classes)
    grouping = np.array(groups.group_of, np.int64), np.array(groups.ids, np.uint8)
    channel_of = np.arange(len(spec.classes))
    channel_of[4:] = -1
    depth = np.full((height, width), 2.0, np.float32)
    k = np.array([width, 0, width / 2, 0, width, height / 2, 0, 0, 1], np.float64)
    data = encode_image(header, frame, "bgr8")
    view = _ground_view(height, width, load_costs(spec.classes, "", GROUPS))
    ours: dict[str, Callable[[], object]] = {
        "decode": lambda: decode_image(data),
        "preprocess": lambda: normalise([Frame(frame)], spec, size, planar=True, out=batch),
        "preprocess for int8": lambda: quantise([Frame(frame)], spec, size, quantiser, out=pixels),
        "postprocess": lambda: upsample.label_map(array, height, width),
        "postprocess with confidence": lambda: upsample.label_and_confidence(array, height, width),
        f"postprocess in groups {GROUPS}": lambda: group_map(array, *grouping, height, width, confidence=False),
        "the same with confidence": lambda: group_map(array, *grouping, height, width, confidence=True),
        "scores of 4 classes": lambda: score_map(array, channel_of, 4, height, width),
        "overlay": lambda: painter.overlay(frame, labels),
        "encode labels": lambda: encode_image(header, labels, "mono8"),
        "encode labels as PNG": lambda: encode_png(header, labels),
        "color": lambda: painter.colour(labels),
        "points": lambda: encode_cloud(header, depth, k, frame, labels, labels),
        "grid and scan": lambda: _grid_and_scan(view, labels),
        "encode overlay as JPEG": lambda: encode_jpeg(header, frame),
    }
    others: dict[str, Callable[[], object]] = {
        "preprocess": lambda: plain.preprocess(frame, spec),
        "postprocess": lambda: plain.postprocess(logits, height, width),
        "overlay": lambda: plain.overlay(frame, labels, colours),
    }
    candidates = ours | {f"plain {name}": run for name, run in others.items()}
    seconds = interleaved(candidates, rounds, progress, warm_up=2)
    different = int((labels != plain.postprocess(logits, height, width)).sum())
    return [
        {
            "stage": name,
            "ms": 1000 * seconds[name],
            "plain_ms": 1000 * seconds[f"plain {name}"] if name in others else None,
            "speedup": seconds[f"plain {name}"] / seconds[name] if name in others else None,
            "different": different if name == "postprocess" else None,
        }
        for name in ours
    ]
