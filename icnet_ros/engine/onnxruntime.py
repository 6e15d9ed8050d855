"""The ONNX Runtime engine: the fastest one on most CPUs, in fp32."""

import onnxruntime

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.export import onnx_for
from icnet_ros.engine.host import Batch, HostEngine


class OnnxRuntimeEngine(HostEngine):
    """Runs the exported network on the CPU."""

    name = "onnxruntime"

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        super().__init__(checkpoint.spec, options)
        path = onnx_for(self.name, checkpoint, options)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = self._threads
        settings.inter_op_num_threads = 1
        self._session: onnxruntime.InferenceSession | None = onnxruntime.InferenceSession(
            str(path), settings, providers=["CPUExecutionProvider"]
        )

    def close(self) -> None:
        """See Engine."""
        self._session = None

    def _infer(self, batch: Batch) -> Batch:
        assert self._session is not None, "the engine is closed"
        logits: Batch = self._session.run(None, {"image": batch})[0]
        return logits
