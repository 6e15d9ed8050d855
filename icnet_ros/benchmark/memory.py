"""Activation memory of a forward pass, computed on the meta device without data."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class Memory:
    """Bytes of activations, without weights.

    total: sum of all layer outputs, as if nothing were freed; this is how Caffe allocates and what the paper reports.
    peak: maximum that is allocated at the same time, as in torch and other current runtimes.
    """

    total: int
    peak: int


class _StorageTracker(TorchDispatchMode):
    """Sums the sizes of new storages and tracks the peak of the live ones."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self._alive = {key: entry for key, entry in self._alive.items() if not entry[0].expired()}  # type: ignore[no-untyped-call]
        for leaf in tree_leaves(output):
            if isinstance(leaf, torch.Tensor):
                storage = leaf.untyped_storage()
                reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                if reference.cdata not in self._alive:
                    self._alive[reference.cdata] = reference, storage.nbytes()
                    self.total += storage.nbytes()
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return output


def activation_memory(network: nn.Module, height: int, width: int) -> Memory:
    """Activation memory for one image (height, width) in evaluation mode, including the input."""
    network = copy.deepcopy(network).to("meta").eval()
    with torch.inference_mode(False), torch.no_grad(), _StorageTracker() as tracker:
        network(torch.empty(1, 3, height, width, device="meta"))
    return Memory(tracker.total, tracker.peak)
