"""Metadata of a checkpoint. Does not import torch, so that headers can be read without it."""

import json
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal, get_args

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError
from icnet_ros.documents import parse_json
from icnet_ros.network.dimensions import BLOCKS, PARTS, Fusion

FORMAT = 1
EXITS = ("sub4", "sub24", "sub124")
# Exits of each architecture, coarse to fine.
ARCHITECTURES = {"icnet": EXITS, "icnet_two_pass": EXITS, "pspnet50": ("main",), "onnx": ("sub124",)}
# Rows of the input per row of logits; the corners are aligned.
STRIDES = {"sub4": 16, "sub24": 8, "sub124": 4}
# BGR means of the ImageNet training images, as in the official ICNet input.
IMAGENET_MEAN = (103.939, 116.779, 123.68)
MAX_ROWS = 16384  # of a frame


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; names the file, what is wrong and what to do."""


@dataclass(frozen=True)
class ModelSpec:
    """Everything needed to run the network and to interpret its output.

    architecture: "icnet" with width, exits, windows, fusion and stride_at as `network.icnet.ICNet` takes them,
        "icnet_two_pass" for `network.two_pass.TwoPassICNet`,
        "pspnet50" with width, output_stride and head as `network.pspnet.PSPNet50` does, and exit "main", or
        "onnx" for any network in an ONNX file, with exit "sub124"; see `checkpoint.onnx_file`.
    blocks: residual blocks of the stages res2 to res5 of an "icnet"; a pruned one may have fewer than the others.
    widths: of the parts of an "icnet" that differ from `width`, such as {"res5": 0.25}; see `network.dimensions.PARTS`.
    channel_order, mean, std: network input = (pixel 0..255 - mean) / std, channels in this order.
    input_scale: factor by which frames are resized before inference (labels keep the frame's size).
    frame_height: height of the frames that input_scale applies to, pixels; frames of other heights are
        resized to the same network input height. 0: input_scale applies to all frames.
    input_size: (height, width) of a network that takes only one size; input_scale is not used then.
    size_multiple: height and width of the network input are multiples of this.
    align_corners: True: the corners of logits and image are aligned, False: their edges, as
        `torch.nn.functional.interpolate` defines it.
    trained: False for random weights; logs, diagnostics and overlays then say "untrained".
    training, metrics: provenance and scores, JSON values. data_licence: terms of the training data.
    """

    classes: ClassTable
    width: float = 0.5
    exits: tuple[str, ...] = EXITS
    windows: Literal["adaptive", "official"] = "adaptive"
    channel_order: Literal["bgr", "rgb"] = "bgr"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    input_scale: float = 1.0
    trained: bool = False
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    data_licence: str = ""
    architecture: Literal["icnet", "icnet_two_pass", "pspnet50", "onnx"] = "icnet"
    fusion: Fusion = "cff"
    stride_at: Literal["reduce", "conv3"] = "reduce"
    output_stride: Literal[8, 16, 32] = 8
    head: Literal["concat", "sum"] = "concat"
    frame_height: int = 0
    input_size: tuple[int, int] | None = None
    size_multiple: int = 1
    align_corners: bool = True
    blocks: tuple[int, int, int, int] = BLOCKS
    widths: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kinds, words in (
            ("width", (int, float), "a number"),
            ("input_scale", (int, float), "a number"),
            ("frame_height", (int,), "a whole number"),
            ("size_multiple", (int,), "a whole number"),
            ("data_licence", (str,), "a text"),
        ):
            if type(getattr(self, name)) not in kinds:  # isinstance takes True for a number
                raise CheckpointError(f"{name} is {getattr(self, name)!r}, not {words}")
        for name, allowed in (
            ("architecture", tuple(ARCHITECTURES)),
            ("fusion", get_args(Fusion)),
            ("stride_at", ("reduce", "conv3")),
            ("output_stride", (8, 16, 32)),
            ("head", ("concat", "sum")),
            ("windows", ("adaptive", "official")),
            ("channel_order", ("bgr", "rgb")),
            ("trained", (True, False)),
            ("align_corners", (True, False)),
        ):
            if getattr(self, name) not in allowed:
                raise CheckpointError(f"{name} is {getattr(self, name)!r}, not one of {allowed}")
        if len(self.blocks) != len(BLOCKS) or not all(
            type(one) is int and 1 <= one <= most for one, most in zip(self.blocks, BLOCKS, strict=True)
        ):
            raise CheckpointError(f"blocks are {self.blocks}, not 1 up to {BLOCKS}, whole numbers")
        if self.blocks != BLOCKS and self.architecture != "icnet":
            raise CheckpointError(f"blocks are {self.blocks}; only an icnet may have fewer than {BLOCKS}")
        for name in ("widths", "training", "metrics"):
            if not isinstance(getattr(self, name), dict):
                raise CheckpointError(f"{name} is {getattr(self, name)!r}, not a JSON object")
        if self.widths and self.architecture != "icnet":
            raise CheckpointError(f"widths are {self.widths}; only the parts of an icnet may differ in width")
        for part, width in self.widths.items():
            if part not in PARTS:
                raise CheckpointError(f"widths has {part!r}, which is not one of {PARTS}")
            if type(width) not in (int, float) or not 0 < width <= 4:
                raise CheckpointError(f"the width of {part} is {width!r}, not a number in 0..4")
        known = ARCHITECTURES[self.architecture]
        if not self.exits or self.exits != tuple(name for name in known if name in self.exits):
            raise CheckpointError(f"exits are {self.exits}, not a choice of {known} in this order")
        if not 0 < self.width <= 4:
            raise CheckpointError(f"width is {self.width}, not in 0..4")
        if not 0.1 <= self.input_scale <= 8:
            raise CheckpointError(f"input_scale is {self.input_scale}, not in 0.1..8")
        if not 0 <= self.frame_height <= MAX_ROWS:
            raise CheckpointError(f"frame_height is {self.frame_height}, not a number of rows up to {MAX_ROWS}")
        if not 1 <= self.size_multiple <= 256:
            raise CheckpointError(f"size_multiple is {self.size_multiple}, not in 1..256")
        if self.input_size is not None and not (
            len(self.input_size) == 2 and all(type(side) is int and 1 <= side <= MAX_ROWS for side in self.input_size)
        ):
            raise CheckpointError(f"input_size is {self.input_size}, not height and width up to {MAX_ROWS}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(isinstance(v, (int, float)) and isfinite(v) for v in values):
                raise CheckpointError(f"{name} is {values}, not three finite numbers")
        if not all(v > 0 for v in self.std):
            raise CheckpointError(f"std is {self.std}, not three positive numbers")

    def network_size(self, height: int, width: int, scale: float = 0.0) -> tuple[int, int]:
        """(height, width) of the network input for a frame of this size. scale: in place of input_scale, if not 0."""
        if self.input_size is not None:
            return self.input_size
        scale = scale or self.scale_for(height)
        rows, columns = (
            max(round(side * scale / self.size_multiple), 1) * self.size_multiple for side in (height, width)
        )
        return rows, columns

    def scale_for(self, height: int) -> float:
        """Factor by which a frame of this height is resized before inference."""
        return self.input_scale * self.frame_height / height if self.frame_height else self.input_scale

    def to_json(self) -> str:
        """One line of JSON, for the file header."""
        values = asdict(self)
        if self.blocks == BLOCKS:  # earlier versions do not know them
            del values["blocks"]
        if not self.widths:
            del values["widths"]
        return json.dumps({"format": FORMAT, **values, "classes": self.classes.to_dict()})

    @classmethod
    def from_json(cls, text: str) -> "ModelSpec":
        """Inverse of `to_json`. Raises CheckpointError that says what is missing or wrong."""
        try:
            values = parse_json(text, "its header", finite=False)
            version = values.pop("format")
            if version != FORMAT:
                raise CheckpointError(f"format {version}, this icnet_ros reads format {FORMAT}")
            values["classes"] = ClassTable.from_dict(values["classes"], "its class table")
            for name in ("exits", "mean", "std"):
                values[name] = tuple(values[name])
            values["blocks"] = tuple(values.get("blocks", BLOCKS))
            if values.get("input_size") is not None:
                values["input_size"] = tuple(values["input_size"])
            return cls(**values)
        except CheckpointError:
            raise
        except ClassTableError as err:
            raise CheckpointError(str(err)) from err
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as err:
            raise CheckpointError(f"its header is incomplete ({type(err).__name__}: {err})") from err
