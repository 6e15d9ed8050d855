"""int8 post-training quantization, calibrated on a dataset; an engine measures the loss of accuracy."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nncf
import numpy as np
import onnx
from nncf.quantization.advanced_parameters import OverflowFix

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.dataset.base import Dataset
from icnet_ros.engine.artefacts.export import onnx_file
from icnet_ros.engine.artefacts.int8 import describe, int8_path
from icnet_ros.engine.artefacts.onnx_adapter import tail_of, write_tail
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.kernels.normalise import normalise
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.evaluate import evaluate_engine
from icnet_ros.metrics.confusion import ConfusionMatrix
from icnet_ros.training.errors import QuantizeError


@dataclass(frozen=True)
class Quantized:
    """path: the int8 file. before, after: mIoU of its exit in fp32 and in int8."""

    path: Path
    before: float
    after: float


def quantize(
    checkpoint: Checkpoint,
    exit_: str,
    calibration: Dataset,
    validation: Dataset,
    progress: Callable[[str, int, int], None],
    *,
    engine: str = "auto",
    count: int = 64,
    max_drop: float = 1.0,
) -> Quantized:
    """Calibrate on `count` evenly spaced images; keep the file if mIoU drops by at most `max_drop` points.

    Weights are int8 per output channel, activations int8 or uint8 with zero point 0, biases float32: a format that
    ONNX Runtime, OpenVINO and TensorRT can all run. engine: measures mIoU, on the CPU.
    Raises QuantizeError for a larger drop, EngineError, DatasetError.
    """
    path = int8_path(checkpoint, exit_)
    options = EngineOptions("cpu", exit=exit_)

    def miou(of: Checkpoint, precision: str) -> float:
        built = open_engine(engine, of, replace(options, precision=precision))
        matrix: ConfusionMatrix = evaluate_engine(
            built, validation, lambda done, total: progress(f"mIoU in {precision}", done, total)
        )
        built.close()
        return matrix.miou() or 0.0

    before = miou(checkpoint, "fp32")
    count = min(count, len(calibration))
    chosen = np.linspace(0, len(calibration) - 1, count).round().astype(int).tolist()

    def read(index: int) -> dict[str, Any]:
        progress("calibrating", chosen.index(index) + 1, count)
        frame = Frame(calibration[index][0])
        size = checkpoint.spec.network_size(*frame.label_size)
        return {"image": normalise([frame], checkpoint.spec, size, planar=True)}

    exported = onnx.load(onnx_file(checkpoint, exit_))
    tail = tail_of(exported)
    take_strides_out(exported)
    model = nncf.quantize(
        exported,
        nncf.Dataset(chosen, read),
        preset=nncf.QuantizationPreset.PERFORMANCE,  # the symmetric one
        subset_size=count,
        # Half of the range of the weights of every layer, not only the first: CPUs without VNNI add in int16.
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE),
    )
    if checkpoint.spec.architecture == "onnx":
        write_tail(model, tail)
    origin = {"dataset": calibration.name, "split": calibration.split, "images": count}
    metadata: dict[str, Any] = {
        "sha256": checkpoint.sha256,
        "exit": exit_,
        "calibration": origin,
        "overflow_fix": True,
        "miou_before": before,
    }
    # Written in the target's folder and then renamed, so that the target is replaced atomically. The candidate path
    # makes engines load this file exactly as they load the final one.
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        candidate = replace(checkpoint, path=Path(folder) / f"{checkpoint.name}.safetensors")
        written = int8_path(candidate, exit_)
        describe(model, metadata)
        onnx.save(model, written)
        after = miou(candidate, "int8")
        if 100 * (before - after) > max_drop:
            raise QuantizeError(
                f"int8 reduces mIoU from {before:.4f} to {after:.4f}, by more than --max-drop {max_drop:g} points; "
                "nothing was written. Calibrate on more images, or on images closer to those of the robot"
            )
        describe(model, {**metadata, "miou_after": after})
        onnx.save(model, written)
        written.replace(path)
    return Quantized(path, before, after)


def take_strides_out(model: onnx.ModelProto) -> None:
    """Let a MaxPool of single pixels do what the stride of a 1x1 convolution does, such as those of a ResNet's stages.

    The values are the same. OpenVINO computes such a convolution in float if it has a stride, else in int8.
    """
    shapes = {constant.name: list(constant.dims) for constant in model.graph.initializer}
    pools: dict[str, onnx.NodeProto] = {}  # by name
    nodes = []
    for node in model.graph.node:
        sides = {entry.name: entry.ints for entry in node.attribute if entry.name in ("strides", "pads")}
        strides = sides.get("strides", [])
        one_pixel = node.op_type == "Conv" and shapes.get(node.input[1], [])[2:] == [1, 1]
        if one_pixel and max(strides, default=1) > 1 and not any(sides.get("pads", [])):
            name = ".".join((node.input[0], "every", *map(str, strides)))
            if name not in pools:
                pools[name] = onnx.helper.make_node(
                    "MaxPool", [node.input[0]], [name], name, kernel_shape=[1, 1], strides=list(strides)
                )
                nodes.append(pools[name])
            node.input[0] = name
            strides[:] = [1, 1]
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
