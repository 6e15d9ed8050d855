"""Precision "auto": int8 where its loss of accuracy was measured and is small, else what the device has natively."""

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.int8 import int8_metadata, int8_path
from icnet_ros.engine.base import EngineError, EngineOptions
from icnet_ros.engine.cpu import INT8_FLAGS, cpu_flags

MAX_LOSS = 0.01  # of mIoU, by int8
# Without those, sums of products saturate: only files whose weights leave room for that keep their accuracy.
SATURATING_INT8_FLAGS = {"avx2"}
# Instructions by which bf16 is faster than fp32, as /proc/cpuinfo names them; those that OpenVINO uses.
BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


def choose_precision(engine: str, checkpoint: Checkpoint, options: EngineOptions) -> tuple[str, str]:
    """(precision, reason) for an engine by name and `options`, whose precision is "auto".

    fp16 on CUDA. On a CPU int8, if there is a file for the exit that loses at most MAX_LOSS and the CPU has
    instructions for it; else bf16 for ICNet, whose labels it hardly changes, if the CPU has it; else fp32. Engine torch
    has fp32 only on a CPU.
    """
    if engine == "tensorrt" or (engine == "torch" and _on_cuda(options.device)):
        return "fp16", "the network runs on a CUDA GPU"
    if engine == "torch" or options.device not in ("auto", "cpu"):
        return "fp32", f"engine {engine} has nothing faster on this device"
    flags = cpu_flags()
    missing = _why_not_int8(checkpoint, options.exit, flags)
    if not missing:
        return "int8", "an int8 file with a measured loss of at most 1 point is beside the model"
    if engine == "openvino" and flags & BF16_FLAGS and checkpoint.spec.architecture != "onnx":
        return "bf16", f"the CPU has bf16 instructions; no int8: {missing}"
    return "fp32", f"no int8: {missing}"


def _why_not_int8(checkpoint: Checkpoint, exit_: str, flags: set[str]) -> str:
    """Why int8 is not chosen; "" if it is."""
    if not flags & (INT8_FLAGS | SATURATING_INT8_FLAGS):
        return "the CPU has no fast int8 instructions"
    if checkpoint.path is None or not int8_path(checkpoint, exit_).is_file():
        return f"there is no int8 file for {exit_}, see icnet quantize"
    try:
        said = int8_metadata(checkpoint, exit_)
    except EngineError as err:
        return str(err)
    if not flags & INT8_FLAGS and said.get("overflow_fix") is not True:
        return "the CPU has no VNNI instructions, and the int8 file was not made for others: run icnet quantize again"
    try:
        loss = float(said["miou_before"]) - float(said["miou_after"])
    except (KeyError, TypeError, ValueError):
        return "the loss of the int8 file was not measured"
    return f"the int8 file loses {100 * loss:.1f} points of mIoU" if loss > MAX_LOSS else ""


def _on_cuda(device: str) -> bool:
    import torch

    return device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
