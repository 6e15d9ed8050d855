"""The torch engine: CPU and CUDA, batch norm folded, channels last."""

from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import EngineError, EngineOptions, Frame, LabelMap, UInt8
from icnet_ros.engine.host import Batch, HostEngine
from icnet_ros.engine.normalise import normalise
from icnet_ros.network.fold import fold_batch_norm


def open_torch(checkpoint: Checkpoint, options: EngineOptions) -> "TorchEngine":
    """The engine for `options.device`. Raises EngineError for a device or precision it has not."""
    device = _device(options.device)
    if options.precision not in ("fp32", "fp16"):
        raise EngineError(f"engine 'torch' has fp32 and fp16, not {options.precision!r}")
    if device.type == "cuda":
        return CudaEngine(checkpoint, options, device)
    if options.precision == "fp16":
        raise EngineError("fp16 on a CPU is far slower than fp32: set precision to fp32 or device to cuda")
    return TorchEngine(checkpoint, options, device)


class TorchEngine(HostEngine):
    """Runs the network eagerly, on the CPU in fp32."""

    name = "torch"
    planar = False  # channels last is how the network wants it

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions, device: torch.device) -> None:
        super().__init__(checkpoint.spec, options)
        self._device = device
        self._dtype = torch.float16 if options.precision == "fp16" else torch.float32
        torch.set_num_threads(self._threads)
        network = fold_batch_norm(checkpoint.network([options.exit]))
        self._network = network.to(device, self._dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def close(self) -> None:
        """See Engine."""
        self._network = None

    @torch.inference_mode()
    def _infer(self, batch: Batch) -> Batch:
        logits = self._network(torch.from_numpy(batch).permute(0, 3, 1, 2))[-1]
        answer: Batch = logits.permute(0, 2, 3, 1).numpy()
        return answer


class CudaEngine(TorchEngine):
    """The same on a GPU, fp32 or fp16, with labels made there. Not run on such hardware yet."""

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions, device: torch.device) -> None:
        super().__init__(checkpoint, options, device)
        self.device = f"{device}: {torch.cuda.get_device_name(device)}"

    def memory(self) -> int | None:
        """See Engine."""
        return torch.cuda.memory_allocated(self._device)

    def close(self) -> None:
        """See Engine."""
        super().close()
        torch.cuda.empty_cache()

    @torch.inference_mode()
    def _segment_batch(self, frames: list[Frame], confidence: bool) -> list[LabelMap]:
        started = perf_counter()
        height, width = frames[0].pixels.shape[:2]
        try:
            batch = torch.from_numpy(normalise(frames, self.spec, self._scale)).permute(0, 3, 1, 2)
            batch = batch.to(self._device, self._dtype)
            torch.cuda.synchronize(self._device)
            uploaded = perf_counter()
            logits = self._network(batch)[-1]
            torch.cuda.synchronize(self._device)
            inferred = perf_counter()
            full = F.interpolate(logits.float(), (height, width), mode="bilinear", align_corners=True)
            labels = _download(full.argmax(1))
            sure = _download((full.softmax(1).amax(1) * 255).round()) if confidence else None
        except torch.OutOfMemoryError as err:
            raise EngineError(
                f"{self.device} has too little memory for {len(frames)} frames of {width}x{height}: {err}"
            ) from err
        share = 1000 / len(frames)
        stages = {
            "preprocess": (uploaded - started) * share,
            "inference": (inferred - uploaded) * share,
            "postprocess": (perf_counter() - inferred) * share,
        }
        return [
            LabelMap(labels[number], None if sure is None else sure[number], stages) for number in range(len(frames))
        ]


def _download(values: Tensor) -> UInt8:
    answer: UInt8 = values.byte().cpu().numpy()
    return answer


def _device(name: str) -> torch.device:
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
