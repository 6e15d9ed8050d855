"""What follows the logits at the end of a network, as a value: the engine does it in place of the network."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

Coordinates = Literal["align_corners", "half_pixel", "pytorch_half_pixel", "asymmetric"]
Rounding = Literal["", "floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]
ONE_CHANNEL = "one channel"  # behind the layout of a network's output


@dataclass(frozen=True)
class Interpolation:
    """The interpolation from logits to the size of a network's output, as ONNX's operator Resize defines it.

    coordinates: where a pixel of the output lies in the logits. rounding: "" for bilinear interpolation, else that of
    nearest neighbours. scales: (rows, columns), factors written in the network; None: the ratio of the sizes.
    """

    coordinates: Coordinates
    rounding: Rounding = ""
    scales: tuple[float, float] | None = None

    def __str__(self) -> str:
        kind = f"nearest ({self.rounding})" if self.rounding else "bilinear"
        factors = f", {self.scales[0]:g} x {self.scales[1]:g}" if self.scales else ""
        return f"{kind}, {self.coordinates}{factors}"


@dataclass(frozen=True)
class Tail:
    """How the values that an adapted network gives become labels.

    interpolation: None: as `ModelSpec.align_corners` says. probabilities: the values are probabilities, which are
    interpolated as they are; else they are logits. labels: the network itself gives labels, made into logits.
    cut: the operators of the network that the engine replaces, in their order. reason: why there are none, or no more.
    kind, layout: of the network's output: "logits", "probabilities", "sigmoid" or "labels", and the order of its axes.
    equal: share of the labels that were those of the whole network when the operators were cut, 1 if none were.
    quantized: the network came with int8 operators of its own. moved: its convolutions that are done before
    interpolations.
    """

    interpolation: Interpolation | None = None
    probabilities: bool = False
    labels: bool = False
    cut: tuple[str, ...] = ()
    reason: str = ""
    kind: str = "logits"
    layout: str = "nhwc"
    equal: float = 1.0
    quantized: bool = False
    moved: tuple[str, ...] = ()

    @property
    def one_channel(self) -> bool:
        """Whether the network's output has one channel for two classes."""
        return self.layout.endswith(ONE_CHANNEL)

    def to_json(self) -> str:
        """One line of JSON, for the metadata of an ONNX file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Tail":
        """Inverse of `to_json`. Raises ValueError, KeyError or TypeError for other JSON."""
        values = json.loads(text)
        if (interpolation := values["interpolation"]) is not None:
            scales = interpolation["scales"]
            values["interpolation"] = Interpolation(**{**interpolation, "scales": tuple(scales) if scales else None})
        return cls(**{**values, "cut": tuple(values["cut"]), "moved": tuple(values["moved"])})

    def __str__(self) -> str:
        return ", ".join(self.cut) or "nothing"
