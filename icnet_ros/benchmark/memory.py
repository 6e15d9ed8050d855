"""What a forward pass needs in memory, counted on no data."""

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
    """Bytes of activations, weights apart.

    total: all outputs of layers, as if nothing were freed: Caffe's way, the paper's figures.
    peak: the most that is alive at once, as torch and every modern runtime have it.
    """

    total: int
    peak: int


class _Ledger(TorchDispatchMode):
    """Counts every new storage once, and after every operation what is still alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        self._alive = {key: entry for key, entry in self._alive.items() if not entry[0].expired()}  # type: ignore[no-untyped-call]
        for leaf in tree_leaves(answer):
            if isinstance(leaf, torch.Tensor):
                storage = leaf.untyped_storage()
                reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                if reference.cdata not in self._alive:
                    self._alive[reference.cdata] = reference, storage.nbytes()
                    self.total += storage.nbytes()
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return answer


def activation_memory(network: nn.Module, height: int, width: int) -> Memory:
    """Of one (height, width) image through a network in evaluation mode, its input included."""
    network = copy.deepcopy(network).to("meta").eval()
    with torch.inference_mode(False), torch.no_grad(), _Ledger() as ledger:
        network(torch.empty(1, 3, height, width, device="meta"))
    return Memory(ledger.total, ledger.peak)
