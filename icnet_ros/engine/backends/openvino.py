"""The OpenVINO engine: Intel's, for CPUs and integrated GPUs (not run on those yet); it reads the ONNX files."""

import numpy as np
import openvino

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.cache import cache_folder
from icnet_ros.engine.artefacts.export import onnx_for
from icnet_ros.engine.backends.batched import LruCache
from icnet_ros.engine.backends.host import HostEngine
from icnet_ros.engine.base import EngineError, EngineOptions, one_line
from icnet_ros.engine.kernels.normalise import Batch

# precision -> (what the CPU must be able to do, what OpenVINO calls the arithmetic around it)
HINTS = {"fp32": ("FP32", "f32"), "bf16": ("BF16", "bf16"), "fp16": ("FP16", "f16"), "int8": ("INT8", "f32")}


class OpenVinoEngine(HostEngine):
    """Runs the exported network on the CPU, or on the GPU beside it (device "gpu").

    It is compiled for each frame size anew (0.1 to 0.5 s): up to twice as fast as one network for any
    size. Compiled networks go to the cache folder.
    """

    name = "openvino"

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        super().__init__(checkpoint.spec, options)
        core = openvino.Core()
        self._place = "GPU" if options.device == "gpu" else "CPU"
        if options.device not in ("auto", "cpu", "gpu"):
            raise EngineError(
                f"engine 'openvino' has no device {options.device!r}: take engine torch, or device cpu or gpu"
            )
        if self._place not in core.available_devices:
            raise EngineError(
                f"OpenVINO finds no GPU here, only {', '.join(core.available_devices)}; set device to cpu"
            )
        if self._place == "GPU":
            self.device = core.get_property("GPU", "FULL_DEVICE_NAME")
        able = core.get_property(self._place, "OPTIMIZATION_CAPABILITIES")
        usable = [name for name, (needed, _) in HINTS.items() if needed in able]
        if options.precision not in usable:
            raise EngineError(
                f"engine 'openvino' has {', '.join(usable)} on this {self._place}, not {options.precision!r}; "
                "set precision to fp32"
            )
        path = onnx_for(checkpoint, options)
        self._settings = {
            **({"INFERENCE_NUM_THREADS": self._threads} if self._place == "CPU" else {}),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": HINTS[options.precision][1],  # it takes bf16 by itself where it can
            "CACHE_DIR": str(cache_folder() / "openvino"),
        }
        self._core = core
        try:
            self._model = core.read_model(str(path))
            names = [port.get_any_name() for port in (*self._model.inputs, *self._model.outputs)]
        except RuntimeError as err:
            raise EngineError(f"{path}: OpenVINO cannot open it: {one_line(err)}") from err
        if names != ["image", "logits"]:
            raise EngineError(f"{path}: inputs and outputs are {', '.join(names)}, not image and logits")
        self._requests: LruCache[openvino.InferRequest] = LruCache()

    def close(self) -> None:
        """See Engine."""
        self._requests.clear()

    def _infer(self, batch: Batch) -> Batch:
        request = self._request(batch.shape)
        try:
            logits: Batch = np.asarray(request.infer({0: batch}, share_inputs=True, share_outputs=True)[0])
        except RuntimeError as err:
            raise EngineError(f"OpenVINO failed: {one_line(err)}") from err
        return logits

    def _request(self, shape: tuple[int, ...]) -> openvino.InferRequest:
        def make() -> openvino.InferRequest:
            try:
                self._model.reshape(list(shape))
                return self._core.compile_model(self._model, self._place, self._settings).create_infer_request()
            except RuntimeError as err:
                raise EngineError(f"OpenVINO cannot compile the network for {shape}: {one_line(err)}") from err

        return self._requests.get(shape, make)
