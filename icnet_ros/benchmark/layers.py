"""Figure 1b of the paper: where PSPNet50 spends its time, at two image sizes."""

import copy
import statistics
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from icnet_ros.benchmark.timing import Progress
from icnet_ros.network.fold import fold_batch_norm
from icnet_ros.network.pspnet import PSPNet50

# submodule -> (name in the paper, number of residual blocks)
STAGES = {
    "stem": ("stage 1", 1),
    "res2": ("stage 2", 3),
    "res3": ("stage 3", 4),
    "res4": ("stage 4", 6),
    "res5": ("stage 5", 3),
    "pyramid": ("pyramid pooling", 1),
    "neck": ("convolution after it", 1),
    "cls": ("classifier", 1),
}


def layers(
    sizes: Sequence[tuple[int, int]], device: str, rounds: int, progress: Progress, classes: int = 19
) -> list[dict[str, Any]]:
    """Rows {size, stage, ms, gmac, ms_per_block, gmac_per_block}: medians over `rounds`, sizes in turn.

    sizes: (height, width). Random weights, batch norm folded.
    """
    where = torch.device(device)
    network = fold_batch_norm(PSPNet50(classes)).to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    clock = _Clock(network, where)
    times: dict[tuple[tuple[int, int], str], list[float]] = {(size, name): [] for size in sizes for name in STAGES}
    images = {size: torch.zeros(1, 3, *size, device=where).to(memory_format=torch.channels_last) for size in sizes}
    total = (rounds + 1) * len(sizes)
    with torch.inference_mode():
        for number in range(total):
            size = sizes[number % len(sizes)]
            seconds = clock.run(images[size])
            if number >= len(sizes):  # the first round warms up
                for name, value in seconds.items():
                    times[size, name].append(value)
            progress(f"{size[1]}x{size[0]}", number + 1, total)
    rows = []
    for (size, name), values in times.items():
        stage, blocks = STAGES[name]
        ms, gmac = 1000 * statistics.median(values), _macs(network, size)[name] / 1e9
        per_block = {"ms_per_block": ms / blocks, "gmac_per_block": gmac / blocks}
        rows.append({"size": list(size), "stage": stage, "ms": ms, "gmac": gmac, **per_block})
    return rows


class _Clock:
    """Times each stage of a network with forward hooks."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network, self._device = network, device
        self._entered: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        for name in STAGES:
            stage = network.get_submodule(name)
            stage.register_forward_pre_hook(lambda *_, name=name: self._entered.__setitem__(name, self._now()))
            stage.register_forward_hook(lambda *_, name=name: self._left(name))

    def run(self, image: torch.Tensor) -> dict[str, float]:
        self._seconds = {}
        self._network(image)
        return self._seconds

    def _left(self, name: str) -> None:
        self._seconds[name] = self._now() - self._entered[name]

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return perf_counter()


def _macs(network: nn.Module, size: tuple[int, int]) -> dict[str, int]:
    """Multiply-accumulates of the convolutions of each stage."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copy.deepcopy(network).to("meta")(torch.empty(1, 3, *size, device="meta"))
    counts = counter.get_flop_counts()
    return {name: sum(counts.get(f"{type(network).__name__}.{name}", {}).values()) // 2 for name in STAGES}
