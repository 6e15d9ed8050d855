"""Numbers that the torch modules share with the description of the networks that needs no torch."""

from typing import Literal

Fusion = Literal["cff", "cff_coarse", "deconv3", "deconv5", "deconv7"]
BN_EPSILON = 1e-5
BLOCKS = (3, 4, 6, 3)  # residual blocks of the stages res2 to res5 of a ResNet-50
BINS = (1, 2, 3, 6)  # windows a side of the pyramid's levels
# PSPNet50: output stride -> (stride, dilation) of stages 4 and 5
STAGES = {8: ((1, 2), (1, 4)), 16: ((2, 1), (1, 2)), 32: ((2, 1), (2, 1))}


def channels(width: float, full: int) -> int:
    """Channel count of a layer that has `full` channels in the full-width network. Raises ValueError."""
    count = round(full * width)
    if count < 4 or abs(count - full * width) > 1e-6:
        raise ValueError(f"width {width} leaves {full * width:g} of {full} channels; take 1, 0.5 or 0.25")
    return count
