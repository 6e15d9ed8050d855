"""The OpenVINO engine: runs the ONNX export on CPUs and Intel's integrated GPUs (not run on those yet)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.cache import writable_folder
from icnet_ros.engine.artefacts.cache_entries import OPENVINO, mark_used, openvino_folder, trim
from icnet_ros.engine.artefacts.export import onnx_for
from icnet_ros.engine.artefacts.onnx_adapter import read_tail
from icnet_ros.engine.backends.batched import LruCache
from icnet_ros.engine.backends.host import HostEngine
from icnet_ros.engine.backends.openvino_input import take_quantised
from icnet_ros.engine.base import EngineError, EngineOptions, one_line
from icnet_ros.engine.cpu import INT8_FLAGS, cpu_flags
from icnet_ros.engine.kernels.normalise import Batch

log = logging.getLogger(__name__)
# precision -> (capability that the device must report, OpenVINO's inference precision)
HINTS = {"fp32": ("FP32", "f32"), "bf16": ("BF16", "bf16"), "fp16": ("FP16", "f16"), "int8": ("INT8", "f32")}


@contextmanager
def engine_errors() -> Iterator[None]:
    """OpenVINO's errors become EngineErrors."""
    try:
        yield
    except EngineError:
        raise
    except RuntimeError as err:
        raise EngineError(f"OpenVINO failed: {one_line(err)}") from err


class OpenVinoEngine(HostEngine):
    """Runs the exported network on the CPU, or on the integrated GPU (device "gpu").

    It is compiled for each frame size (0.1 to 0.5 s), which is up to twice as fast as one network with
    dynamic shapes. Compiled networks are stored in the cache folder.
    """

    name = "openvino"

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        super().__init__(checkpoint.spec, options)
        core = openvino.Core()
        self._target = "GPU" if options.device == "gpu" else "CPU"
        if options.device not in ("auto", "cpu", "gpu"):
            raise EngineError(
                f"engine 'openvino' has no device {options.device!r}: take engine torch, or device cpu or gpu"
            )
        if self._target not in core.available_devices:
            raise EngineError(
                f"OpenVINO finds no GPU here, only {', '.join(core.available_devices)}; set device to cpu"
            )
        if self._target == "GPU":
            self.device = core.get_property("GPU", "FULL_DEVICE_NAME")
        capabilities = core.get_property(self._target, "OPTIMIZATION_CAPABILITIES")
        supported = [name for name, (needed, _) in HINTS.items() if needed in capabilities]
        if options.precision not in supported:
            raise EngineError(
                f"engine 'openvino' has {', '.join(supported)} on this {self._target}, not {options.precision!r}; "
                "set precision to fp32"
            )
        path = self._path = onnx_for(checkpoint, options)
        if checkpoint.spec.architecture == "onnx":
            self.tail = read_tail(path)
            if self.tail.quantized and not cpu_flags() & INT8_FLAGS:
                log.warning(
                    "%s holds int8 operators, and this CPU has no VNNI: OpenVINO may saturate sums; compare the labels "
                    "of engine onnxruntime", checkpoint.path,
                )  # fmt: skip
        self._settings = {
            **({"INFERENCE_NUM_THREADS": self._threads} if self._target == "CPU" else {}),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": HINTS[options.precision][1],  # else bf16 where the CPU supports it
        }
        self._core = core
        try:
            self._model = core.read_model(str(path))
            names = [port.get_any_name() for port in (*self._model.inputs, *self._model.outputs)]
        except RuntimeError as err:
            raise EngineError(f"{path}: OpenVINO cannot open it: {one_line(err)}") from err
        if names != ["image", "logits"]:
            raise EngineError(f"{path}: inputs and outputs are {', '.join(names)}, not image and logits")
        # On a GPU it was not run.
        quantised = options.precision == "int8" and self._target == "CPU"
        self.quantiser = take_quantised(self._model, self.spec) if quantised else None
        self.planar = self.quantiser is None
        self._load_kernels("normalise" if self.planar else "quantise")
        self._requests: LruCache[openvino.InferRequest] = LruCache()

    def close(self) -> None:
        """See Engine."""
        self._requests.clear()

    def _prepare(self, shape: tuple[int, ...]) -> None:
        self._request(shape)

    def _infer(self, batch: npt.NDArray[Any]) -> Batch:
        request = self._request(batch.shape)
        with engine_errors():
            logits: Batch = np.asarray(request.infer({0: batch}, share_inputs=True, share_outputs=True)[0])
        return logits

    def _request(self, shape: tuple[int, ...]) -> openvino.InferRequest:
        return self._requests.get(shape, lambda: self._compiled(self._model, list(shape), shape))

    def _compiled(
        self, model: openvino.Model, inputs: object, shape: tuple[int, ...], part: str = ""
    ) -> openvino.InferRequest:
        """A request of `model`, the network for images of this shape, or a part of it. inputs: for `Model.reshape`."""
        # A folder for each size, so that the sizes that are no longer used can be removed.
        words = (self._path.stem, self.precision, self._threads, *shape, *([part] if part else []))
        name = "-".join(map(str, words))
        folder = openvino_folder() / name  # may be read-only: files built beforehand
        if not folder.is_dir():
            folder = writable_folder() / OPENVINO / name
        settings = {**self._settings, "CACHE_DIR": str(folder)}
        try:
            model.reshape(inputs)
            request = self._core.compile_model(model, self._target, settings).create_infer_request()
        except RuntimeError as err:
            raise EngineError(f"OpenVINO cannot compile the network for {shape}: {one_line(err)}") from err
        mark_used(folder)
        trim()
        return request
