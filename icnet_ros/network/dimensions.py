"""Numbers that the torch modules share with the description of the networks that needs no torch."""

from collections.abc import Mapping
from typing import Literal

Fusion = Literal["cff", "cff_coarse", "deconv3", "deconv5", "deconv7"]
BN_EPSILON = 1e-5
BLOCKS = (3, 4, 6, 3)  # residual blocks of the stages res2 to res5 of a ResNet-50
# Parts of an ICNet whose width may differ from that of the network, in the order of the data.
PARTS = ("stem", "res2", "res3", "res4", "res5", "k1", "cff24", "hi", "cff12")
BINS = (1, 2, 3, 6)  # windows a side of the pyramid's levels
# PSPNet50: output stride -> (stride, dilation) of stages 4 and 5
STAGES = {8: ((1, 2), (1, 4)), 16: ((2, 1), (1, 2)), 32: ((2, 1), (2, 1))}


def channels_of(part: str, full: int, width: float, widths: Mapping[str, float]) -> int:
    """Channel count of a layer of this part of an ICNet. widths: of the parts that differ. Raises ValueError."""
    try:
        return channels(widths.get(part, width), full)
    except ValueError as err:
        raise ValueError(f"{part}: {err}" if part in widths else str(err)) from err


def channels(width: float, full: int) -> int:
    """Channel count of a layer that has `full` channels in the full-width network. Raises ValueError."""
    count = round(full * width)
    if count < 4 or abs(count - full * width) > 1e-6:
        raise ValueError(f"width {width} leaves {full * width:g} of {full} channels; take 1, 0.5 or 0.25")
    return count
