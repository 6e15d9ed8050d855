"""The torch engine: CPU and CUDA, batch norm folded, channels last."""

import torch

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.backends.cuda import DTYPES, CudaEngine
from icnet_ros.engine.backends.host import HostEngine
from icnet_ros.engine.base import Engine, EngineError, EngineOptions
from icnet_ros.engine.kernels.normalise import Batch
from icnet_ros.network.fold import for_inference


def open_torch(checkpoint: Checkpoint, options: EngineOptions) -> Engine:
    """The engine for `options.device`. Raises EngineError for an unsupported device or precision."""
    device = torch_device(options.device)
    if options.precision not in DTYPES:
        raise EngineError(f"engine 'torch' has fp32 and, on CUDA, fp16 and bf16, not {options.precision!r}")
    if device.type == "cuda":
        return open_torch_on(device, checkpoint, options)
    if options.precision != "fp32":
        raise EngineError(
            f"engine 'torch' has {options.precision} on CUDA only: set precision to fp32 or device to cuda"
        )
    return TorchEngine(checkpoint, options)


class TorchEngine(HostEngine):
    """Runs the network eagerly, on the CPU in fp32."""

    name = "torch"
    planar = False  # the network runs in channels-last format

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        super().__init__(checkpoint.spec, options)
        self._load_kernels()
        torch.set_num_threads(self._threads)
        network = for_inference(checkpoint.network([options.exit]))
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def close(self) -> None:
        """See Engine."""
        self._network = None

    @torch.inference_mode()
    def _infer(self, batch: Batch) -> Batch:
        logits = self._network(torch.from_numpy(batch).permute(0, 3, 1, 2))[-1]
        channels_last: Batch = logits.permute(0, 2, 3, 1).numpy()
        return channels_last


def open_torch_on(device: torch.device, checkpoint: Checkpoint, options: EngineOptions) -> CudaEngine:
    """CudaEngine with the eager torch network; `device` is a CPU in tests."""
    dtype = DTYPES[options.precision]
    network = for_inference(checkpoint.network([options.exit]))
    network = network.to(device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # few input sizes, which do not change
        torch.backends.cudnn.allow_tf32 = False  # keep fp32 exact; fp16 is the faster option
    return CudaEngine("torch", checkpoint.spec, options, device, lambda batch: network(batch)[-1], dtype)


def torch_device(name: str) -> torch.device:
    """The torch device `name`. Raises EngineError if it is missing or not supported."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as err:
        raise EngineError(f"device {name!r} is none of auto, cpu, cuda, cuda:N") from err
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise EngineError(f"device {name!r}: this torch sees no CUDA GPU; set device to cpu or auto")
        if device.index is not None and device.index >= torch.cuda.device_count():
            raise EngineError(f"device {name!r}: there are only {torch.cuda.device_count()} CUDA GPUs")
    elif device.type != "cpu":
        raise EngineError(f"device {name!r} is none of auto, cpu, cuda, cuda:N")
    return device
