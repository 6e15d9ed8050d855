"""The ONNX Runtime engine: fp32 and int8. Its CUDA provider has not been run on a GPU yet."""

from typing import Any

import onnxruntime

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.export import onnx_for
from icnet_ros.engine.artefacts.onnx_adapter import read_tail
from icnet_ros.engine.backends.host import HostEngine
from icnet_ros.engine.base import EngineError, EngineOptions, one_line
from icnet_ros.engine.cpu import INT8_FLAGS, cpu_flags
from icnet_ros.engine.kernels.normalise import Batch

EXACT_INT8 = "session.x64quantprecision"  # slower int8 products that do not saturate, on CPUs without VNNI


class OnnxRuntimeEngine(HostEngine):
    """Runs the exported network on the CPU, or on a GPU through host memory."""

    name = "onnxruntime"

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        super().__init__(checkpoint.spec, options)
        self._load_kernels("normalise")
        if options.precision not in ("fp32", "int8"):
            raise EngineError(f"engine 'onnxruntime' has fp32, int8, not {options.precision!r}; set precision to fp32")
        provider = _provider(options.device)
        if options.device.startswith("cuda"):
            self.device = options.device
        path = onnx_for(checkpoint, options)
        if checkpoint.spec.architecture == "onnx":
            self.tail = read_tail(path)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = self._threads
        settings.inter_op_num_threads = 1
        if self.tail.quantized and not cpu_flags() & INT8_FLAGS:
            settings.add_session_config_entry(EXACT_INT8, "1")
        self._session: onnxruntime.InferenceSession | None
        try:
            self._session = onnxruntime.InferenceSession(str(path), settings, providers=[provider])
            names = [entry.name for entry in (*self._session.get_inputs(), *self._session.get_outputs())]
        except Exception as err:  # the runtime raises many exception types
            raise EngineError(f"{path}: ONNX Runtime cannot open it: {one_line(err)}") from err
        name = provider if isinstance(provider, str) else provider[0]
        if name not in self._session.get_providers():  # it goes on without it
            raise EngineError(f"{name} could not be loaded, see the output above; set device to cpu")
        if names != ["image", "logits"]:
            raise EngineError(f"{path}: inputs and outputs are {', '.join(names)}, not image and logits")

    def close(self) -> None:
        """See Engine."""
        self._session = None

    def _infer(self, batch: Batch) -> Batch:
        assert self._session is not None, "the engine is closed"
        try:
            logits: Batch = self._session.run(None, {"image": batch})[0]
        except Exception as err:
            raise EngineError(f"ONNX Runtime failed: {one_line(err)}") from err
        return logits


def _provider(device: str) -> Any:
    """Execution provider for a device; "auto" is the CPU, as other engines are faster on a GPU."""
    if device in ("auto", "cpu"):
        return "CPUExecutionProvider"
    name, _, number = device.partition(":")
    if name != "cuda" or not (number or "0").isdigit():
        raise EngineError(f"engine 'onnxruntime' has no device {device!r}; set device to auto, cpu or cuda:N")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise EngineError("this onnxruntime has no CUDA: install onnxruntime-gpu in its place, or take engine torch")
    return "CUDAExecutionProvider", {"device_id": int(number or 0)}
