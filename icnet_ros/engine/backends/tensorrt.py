"""The TensorRT engine: CudaEngine with a TensorRT plan as its network. Not run on a GPU yet."""

import torch

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.plan import Plan, library, plan_file, plan_tail
from icnet_ros.engine.backends.cuda import CudaEngine
from icnet_ros.engine.backends.torch import torch_device
from icnet_ros.engine.base import EngineError, EngineOptions


def open_tensorrt(checkpoint: Checkpoint, options: EngineOptions) -> CudaEngine:
    """Build the engine. Raises EngineError without TensorRT or a GPU, and for an unsupported precision."""
    trt = library()
    device = torch_device("cuda" if options.device == "auto" else options.device)
    if device.type != "cuda":
        raise EngineError("engine 'tensorrt' runs on a CUDA GPU only: set device to auto, or engine to auto")
    checkpoint.check_exits([options.exit])
    dtype = torch.float16 if options.precision == "fp16" else torch.float32
    with torch.cuda.device(device):
        plan = Plan(trt, plan_file(checkpoint, options.exit, options.precision).read_bytes(), dtype)
    tail = plan_tail(checkpoint, options.exit, options.precision)
    return CudaEngine("tensorrt", checkpoint.spec, options, device, plan, dtype, tail)
