"""The baseline of `icnet benchmark peers --alone`: an ONNX file as it is in OpenVINO, with the usual lines of NumPy."""

from collections.abc import Callable

import cv2
import numpy as np
import openvino

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.onnx_file import read_onnx
from icnet_ros.checkpoint.onnx_graph import Array
from icnet_ros.engine.artefacts.adapter.flattened import with_rows
from icnet_ros.engine.artefacts.export import onnx_file
from icnet_ros.engine.artefacts.onnx_adapter import read_tail
from icnet_ros.engine.base import EngineError, UInt8


def alone(checkpoint: Checkpoint, picture: UInt8, threads: int) -> Callable[[], UInt8]:
    """Labels the BGR `picture` with OpenVINO, to be timed: resize and normalise, run, argmax of what it gives.

    The file is compiled for the size of its input, in fp32, with the hint for latency; its own operators interpolate,
    and `numpy.argmax` labels, unless they do that, too. A smaller output is enlarged by OpenCV before. Raises
    EngineError for a checkpoint that is no ONNX file.
    """
    if checkpoint.spec.architecture != "onnx" or checkpoint.path is None:
        raise EngineError(f"{checkpoint.name}: --alone compares ONNX files only")
    network = read_onnx(checkpoint.path)
    spec, given = network.spec, network.input
    height, width = spec.network_size(*picture.shape[:2])
    core = openvino.Core()
    model = core.read_model(str(checkpoint.path))
    nchw = given.layout == "nchw"
    model.reshape([1, 3, height, width] if nchw else [1, height, width, 3])
    settings = {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32",
    }  # fmt: skip
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    index = next(i for i, port in enumerate(model.outputs) if network.output in port.get_names())
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    classes = len(spec.classes)
    tail = read_tail(onnx_file(checkpoint, "sub124"))
    threshold = 0.5 if tail.kind == "probabilities" else 0.0

    def label() -> UInt8:
        source = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if spec.channel_order == "rgb" else picture
        if source.shape[:2] != (height, width):
            source = cv2.resize(source, (width, height))
        image = (source.astype(np.float32) - mean) / std
        image = (image.transpose(2, 0, 1)[None] if nchw else image[None]).astype(given.type)
        output = request.infer({0: np.ascontiguousarray(image)}, share_inputs=True, share_outputs=True)[index]
        if shape := with_rows(network, output.shape):
            output = output.reshape(shape)
        size = picture.shape[0], picture.shape[1]
        if tail.one_channel:
            return _above(output.squeeze(), threshold, size)
        return _labels(output, classes, size)

    return label


def _above(values: Array, threshold: float, size: tuple[int, int]) -> UInt8:
    values = values if values.shape == size else np.asarray(cv2.resize(values, size[::-1]))
    return (values > threshold).astype(np.uint8)


def _labels(output: Array, classes: int, size: tuple[int, int]) -> UInt8:
    output = output[None] if output.ndim == 3 and output.shape[0] == classes else output
    if output.ndim == 4 and classes in (output.shape[1], output.shape[3]):
        scores = output[0] if output.shape[1] == classes else output[0].transpose(2, 0, 1)
        if scores.shape[1:] != size:
            scores = np.stack([cv2.resize(one, size[::-1]) for one in np.ascontiguousarray(scores)])
        best: UInt8 = scores.argmax(0).astype(np.uint8)
        return best
    labels: UInt8 = output.reshape([side for side in output.shape if side != 1]).astype(np.uint8)
    if labels.shape != size:
        labels = np.asarray(cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    return labels
