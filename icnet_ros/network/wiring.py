"""Channel dependencies between layers: which channels must be pruned together."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from icnet_ros.network.dimensions import BINS
from icnet_ros.network.icnet import ICNet
from icnet_ros.network.pspnet import PSPNet50
from icnet_ros.network.pyramid import ConcatPyramid


@dataclass(frozen=True)
class Wire:
    """A layer and the channel groups of its input and output.

    layer: name in the state dict. reads: groups that are concatenated to its input; empty for the image.
    writes: group of its output; empty for class logits. Outputs of the same group are summed, so their
    layers must keep the same channels.
    """

    layer: str
    reads: tuple[str, ...]
    writes: str


def wires(network: nn.Module) -> list[Wire]:
    """Channel groups of every convolution of an ICNet or a PSPNet50, in forward order."""
    if isinstance(network, ICNet):
        layers = [*_trunk(network), Wire("k1", ("res5",), "k1")]
        layers += [Wire("cff24.low", ("k1",), "cff24"), Wire("cff24.high", ("res3",), "cff24")]
        layers += _chain("hi", "image", 3)
        layers += [Wire("cff12.low", ("cff24",), "cff12"), Wire("cff12.high", ("hi.3",), "cff12")]
        layers += [Wire("aux16", ("k1",), ""), Wire("aux8", ("cff24",), ""), Wire("cls", ("cff12",), "")]
    elif isinstance(network, PSPNet50):
        layers = _trunk(network)
        pooled: tuple[str, ...] = ()
        if isinstance(network.pyramid, ConcatPyramid):
            pooled = tuple(f"pyramid.branches.{number}" for number in range(len(BINS)))
        layers += [Wire(name, ("res5",), name) for name in pooled]
        layers += [Wire("neck", ("res5", *pooled), "neck"), Wire("cls", ("neck",), "")]
    else:
        raise TypeError(f"{type(network).__name__} is neither an ICNet nor a PSPNet50")
    modules = dict(network.named_modules())
    return [wire for wire in layers if wire.layer in modules]


def _trunk(network: ICNet | PSPNet50) -> list[Wire]:
    return [*_chain("stem", "image", 3), *_stages(network)]


def _chain(name: str, source: str, count: int) -> Iterator[Wire]:
    for number in range(1, count + 1):
        yield Wire(f"{name}.{number}", () if source == "image" else (source,), f"{name}.{number}")
        source = f"{name}.{number}"


def _stages(network: ICNet | PSPNet50) -> Iterator[Wire]:
    stream = "stem.3"
    for stage in ("res2", "res3", "res4", "res5"):
        for number in range(1, len(getattr(network, stage)) + 1):
            block = f"{stage}.{number}"
            reads = stream if number == 1 else stage
            if number == 1:
                yield Wire(f"{block}.proj", (reads,), stage)
            yield Wire(f"{block}.reduce", (reads,), f"{block}.reduce")
            yield Wire(f"{block}.conv3", (f"{block}.reduce",), f"{block}.conv3")
            yield Wire(f"{block}.increase", (f"{block}.conv3",), stage)
        stream = stage
