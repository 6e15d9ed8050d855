"""The OpenVINO engine: Intel's, for CPUs and integrated GPUs; it reads the ONNX export."""

import numpy as np
import openvino

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.cache import cache_folder
from icnet_ros.engine.export import onnx_for
from icnet_ros.engine.host import Batch, HostEngine


class OpenVinoEngine(HostEngine):
    """Runs the exported network on the CPU in fp32. What it compiles is kept in the cache folder."""

    name = "openvino"

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        super().__init__(checkpoint.spec, options)
        path = onnx_for(self.name, checkpoint, options)
        settings = {
            "INFERENCE_NUM_THREADS": self._threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # it takes bf16 by itself where the CPU has that
            "CACHE_DIR": str(cache_folder() / "openvino"),
        }
        core = openvino.Core()
        self._request = core.compile_model(str(path), "CPU", settings).create_infer_request()

    def close(self) -> None:
        """See Engine."""
        self._request = None

    def _infer(self, batch: Batch) -> Batch:
        logits: Batch = np.asarray(self._request.infer({0: batch}, share_inputs=True, share_outputs=True)[0])
        return logits
