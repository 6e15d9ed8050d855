"""TensorRT plans: an ONNX file compiled for a GPU, by TensorRT 10 or 11 or by TensorRT-RTX.

The code is the same for all: the network is strongly typed, so the precision is that of the ONNX file.
"""

import hashlib
import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.cache import cached_file, writable_folder, write_atomically
from icnet_ros.engine.artefacts.export import onnx_file
from icnet_ros.engine.artefacts.fp16 import fp16_file
from icnet_ros.engine.artefacts.int8 import int8_file, signed_file
from icnet_ros.engine.artefacts.onnx_adapter import read_tail
from icnet_ros.engine.base import EngineError
from icnet_ros.engine.tail import Tail
from icnet_ros.packages import advice

log = logging.getLogger(__name__)

DRIVER = Path("/proc/driver/nvidia/version")
LIBRARIES = ("tensorrt", "tensorrt_rtx")
# The optimisation profile's min, opt and max input: batch 1, up to 4K. Kernels are tuned for opt.
PROFILE = ((1, 3, 32, 32), (1, 3, 1024, 2048), (1, 3, 2176, 3840))
FILES = {"fp32": onnx_file, "fp16": fp16_file, "int8": signed_file}


def library() -> Any:
    """The module of TensorRT, else that of TensorRT-RTX. Raises EngineError if neither is installed."""
    for name in LIBRARIES:
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    raise EngineError(advice("engine 'tensorrt'", LIBRARIES[0]) + ", or tensorrt-rtx-cu13 for an RTX GPU")


def plan_file(checkpoint: Checkpoint, exit_: str, precision: str) -> Path:
    """The plan for this checkpoint, exit, precision and this machine's GPU, from the cache or built now.

    Raises EngineError for a precision other than fp32, fp16 and int8, and if TensorRT cannot build the network.
    """
    if precision not in FILES:
        raise EngineError(f"engine 'tensorrt' has {', '.join(FILES)}, not {precision!r}")
    trt = library()
    onnx = FILES[precision](checkpoint, exit_)
    profile = PROFILE if checkpoint.spec.input_size is None else ((1, 3, *checkpoint.spec.input_size),) * 3
    key = {
        "onnx": hashlib.sha256(onnx.read_bytes()).hexdigest(),
        "library": f"{trt.__name__} {trt.__version__}",
        "gpu": gpu_name(),
        "profile": str(profile),
        "precision": precision,
    }

    def write(path: Path) -> None:
        path.write_bytes(build(trt, onnx, profile))

    return cached_file("TensorRT plan", "plan", key, write)


def plan_tail(checkpoint: Checkpoint, exit_: str, precision: str) -> Tail:
    """What follows the logits of a plan: of the file that it is built from. Not run on a GPU yet."""
    if checkpoint.spec.architecture != "onnx":
        return Tail()
    return read_tail((int8_file if precision == "int8" else onnx_file)(checkpoint, exit_))


def gpu_name() -> str:
    """Name and compute capability of the GPU, its driver, torch's CUDA version: a plan is valid only for these."""
    if not torch.cuda.is_available():
        return "none"
    major, minor = torch.cuda.get_device_capability()
    driver = DRIVER.read_text(encoding="utf-8").splitlines()[0] if DRIVER.exists() else "unknown driver"
    return f"{torch.cuda.get_device_name()} sm_{major}{minor}, {driver}, CUDA {torch.version.cuda}"


def build(trt: Any, onnx: Path, shapes: tuple[tuple[int, ...], ...] = PROFILE) -> bytes:
    """Compile an ONNX file to a plan. shapes: smallest, typical and largest input.

    Raises EngineError with TensorRT's error messages.
    """
    messages: list[str] = []
    logger = _logger(trt, messages)
    builder = trt.Builder(logger)
    # TensorRT 11 has strongly typed networks only; 10 needs the flag.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx.read_bytes()):
        errors = "; ".join(parser.get_error(number).desc() for number in range(parser.num_errors))
        raise EngineError(f"TensorRT {trt.__version__} cannot read the network: {errors}; use engine torch")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # keep fp32 exact; fp16 is the faster option
    profile = builder.create_optimization_profile()
    profile.set_shape("image", *shapes)
    config.add_optimization_profile(profile)
    gpu = hashlib.sha256(gpu_name().encode()).hexdigest()[:8]  # timings hold for one kind of GPU
    timings = writable_folder() / f"tensorrt-{trt.__version__}-{gpu}.timings"
    has_timing_cache = trt.__name__ == "tensorrt"  # TensorRT-RTX selects kernels at run time
    if has_timing_cache:
        config.set_timing_cache(config.create_timing_cache(timings.read_bytes() if timings.exists() else b""), True)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        reason = "; ".join(messages)
        raise EngineError(f"TensorRT {trt.__version__} cannot build the network: {reason}; use engine torch")
    if has_timing_cache:
        write_atomically(timings, bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


class Plan:
    """A plan ready to run on torch's tensors and stream. Not run on a GPU yet."""

    def __init__(self, trt: Any, content: bytes, dtype: torch.dtype) -> None:
        messages: list[str] = []
        self._runtime = trt.Runtime(_logger(trt, messages))  # must outlive the engine
        self._engine = self._runtime.deserialize_cuda_engine(content)
        self._context: Any = self._engine.create_execution_context() if self._engine else None
        if self._context is None:
            raise EngineError(f"TensorRT {trt.__version__} cannot load the plan on this GPU: {'; '.join(messages)}")
        self._dtype = dtype

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Input (N, 3, H, W) -> logits (N, C, h, w). Raises RuntimeError."""
        return torch.cat([self._one(image.contiguous()) for image in batch.chunk(len(batch))]).permute(0, 3, 1, 2)

    def _one(self, image: torch.Tensor) -> torch.Tensor:
        if not self._context.set_input_shape("image", tuple(image.shape)):
            height, width = PROFILE[-1][2:]
            raise RuntimeError(f"the plan takes frames up to {width}x{height}; set a smaller input_scale")
        shape = tuple(self._context.get_tensor_shape("logits"))
        logits = torch.empty(shape, dtype=self._dtype, device=image.device)
        self._context.set_tensor_address("image", image.data_ptr())
        self._context.set_tensor_address("logits", logits.data_ptr())
        if not self._context.execute_async_v3(torch.cuda.current_stream(image.device).cuda_stream):
            raise RuntimeError("TensorRT could not run the plan")
        return logits


def _logger(trt: Any, messages: list[str]) -> Any:
    """A TensorRT logger: warnings go to the log, errors are appended to `messages`."""

    class Logger(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity.name in ("INTERNAL_ERROR", "ERROR"):
                messages.append(message)
            elif severity.name == "WARNING":
                log.warning("TensorRT: %s", message)

    return Logger()
