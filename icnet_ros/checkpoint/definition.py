"""The networks without torch: each forward pass over abstract operators.

Shapes of the tensors in a checkpoint (`tensor_shapes`) and ONNX graphs are made from it. The torch modules in `network`
are the same networks; tests compare names, shapes and logits of both.
"""

from typing import NamedTuple, Protocol

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.network.dimensions import BINS, STAGES, channels, channels_of

Shape = tuple[int, ...]


class Maps(NamedTuple):
    """Feature maps (N, channels, h, w). name: of the value in a graph."""

    name: str
    channels: int


class Operators(Protocol):
    """What the networks consist of. layer: name in the state dict."""

    def conv(
        self,
        x: Maps,
        layer: str,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        relu: bool = True,
    ) -> Maps:
        """`network.layers.ConvBN`."""

    def classify(self, x: Maps, layer: str, classes: int) -> Maps:
        """1x1 convolution with bias."""

    def deconv(self, x: Maps, layer: str, outputs: int, kernel: int, like: Maps) -> Maps:
        """`network.layers.DeconvBN`, to the size of `like`."""

    def max_pool(self, x: Maps) -> Maps:
        """`network.layers.stem_pool`."""

    def average(self, x: Maps, bins: int) -> Maps:
        """Averages of `bins` x `bins` adaptive windows."""

    def sum_pyramid(self, x: Maps) -> Maps:
        """`network.pyramid.SumPyramid` with adaptive windows."""

    def resize(self, x: Maps, of: Maps, *, add: int = 0, divide: int = 1, multiply: int = 1) -> Maps:
        """Bilinear, with aligned corners, to (side of `of` + add) // divide * multiply."""

    def add(self, x: Maps, y: Maps, *, relu: bool = False) -> Maps:
        """Sum of maps of the same shape."""

    def concat(self, maps: list[Maps]) -> Maps:
        """Concatenate channels."""


def forward(o: Operators, spec: ModelSpec, image: Maps) -> dict[str, Maps]:
    """Logits of each exit of `spec` for normalised images (N, 3, H, W).

    Classifiers run before the last resize, on a quarter of the pixels. The torch modules run them after it, as the
    official graph does; both are linear, and the weights of a resize add up to 1, so that the logits are the same.
    Raises ValueError for a width that leaves a fraction of a channel, and for fewer than two classes.
    """
    return {"icnet": _icnet, "icnet_two_pass": _two_pass, "pspnet50": _pspnet}[spec.architecture](o, spec, image)


def tensor_shapes(spec: ModelSpec) -> dict[str, Shape]:
    """Shapes of all tensors of a checkpoint by name, as the state dict of its torch module. Raises ValueError."""
    shapes = _Shapes()
    forward(shapes, spec, Maps("image", 3))
    return shapes.found


def _icnet(o: Operators, spec: ModelSpec, image: Maps) -> dict[str, Maps]:
    classes = len(spec.classes)
    if classes < 2:
        raise ValueError(f"{classes} classes: at least 2 are needed")

    def c(part: str, full: int) -> int:
        return channels_of(part, full, spec.width, spec.widths)

    res2, res3, res4, res5 = (range(1, blocks + 1) for blocks in spec.blocks)
    x = o.max_pool(_stem(o, image, c("stem", 128), every=2))
    x = _stage(o, x, "res2", res2, c("res2", 256))
    medium = _stage(o, x, "res3", res3[:1], c("res3", 512), stride=2, stride_at=spec.stride_at)  # 1/16
    x = o.resize(medium, medium, add=1, divide=2)
    x = _stage(o, x, "res3", res3[1:], c("res3", 512))  # 1/32
    x = _stage(o, x, "res4", res4, c("res4", 1024), dilation=2)
    x = _stage(o, x, "res5", res5, c("res5", 2048), dilation=4)
    low = o.conv(o.sum_pyramid(x), "k1", c("k1", 512))
    logits = {}
    if "sub4" in spec.exits:
        logits["sub4"] = o.resize(o.classify(low, "aux16", classes), medium)
    if spec.exits[-1] != "sub4":
        fused = _fuse(o, spec, "cff24", low, medium, c("cff24", 256))
        if "sub24" in spec.exits:
            logits["sub24"] = o.resize(o.classify(fused, "aux8", classes), image, add=7, divide=8)
        if "sub124" in spec.exits:
            high = o.conv(image, "hi.1", c("hi", 64), 3, stride=2)
            high = o.conv(high, "hi.2", c("hi", 64), 3, stride=2)
            high = o.conv(high, "hi.3", c("hi", 128), 3, stride=2)
            fused = _fuse(o, spec, "cff12", fused, high, c("cff12", 256))
            logits["sub124"] = o.resize(o.classify(fused, "cls", classes), image, add=3, divide=4)
    return logits


def _two_pass(o: Operators, spec: ModelSpec, image: Maps) -> dict[str, Maps]:
    classes = len(spec.classes)

    def stage3(divide: int) -> Maps:
        x = o.max_pool(_stem(o, o.resize(image, image, divide=divide), 128))
        x = _stage(o, x, "res2", range(1, 4), 256)
        return _stage(o, x, "res3", range(1, 5), 512, stride=2, stride_at="conv3")

    medium = stage3(2)
    x = _stage(o, stage3(4), "res4", range(1, 7), 1024, dilation=2, first_dilation=1)
    x = _stage(o, x, "res5", range(1, 4), 2048, dilation=4, first_dilation=2)
    low, fused = _cff(o, "cff24", o.sum_pyramid(x), medium, 128)
    logits = {}
    if "sub4" in spec.exits:
        logits["sub4"] = o.classify(low, "aux16", classes)
    if spec.exits[-1] != "sub4":
        high = o.conv(image, "hi.1", 32, 3, stride=2)
        high = o.conv(high, "hi.2", 32, 3, stride=2)
        high = o.conv(high, "hi.3", 64, 3, stride=2)
        low, fused = _cff(o, "cff12", fused, high, 128)
        if "sub24" in spec.exits:
            logits["sub24"] = o.classify(low, "aux8", classes)
        if "sub124" in spec.exits:
            logits["sub124"] = o.resize(o.classify(fused, "cls", classes), high, multiply=2)
    return logits


def _pspnet(o: Operators, spec: ModelSpec, image: Maps) -> dict[str, Maps]:
    def c(full: int) -> int:
        return channels(spec.width, full)

    (stride4, dilation4), (stride5, dilation5) = STAGES[spec.output_stride]
    x = o.max_pool(_stem(o, image, c(128)))
    x = _stage(o, x, "res2", range(1, 4), c(256))
    x = _stage(o, x, "res3", range(1, 5), c(512), stride=2)
    x = _stage(o, x, "res4", range(1, 7), c(1024), stride=stride4, dilation=dilation4)
    x = _stage(o, x, "res5", range(1, 4), c(2048), stride=stride5, dilation=dilation5)
    if spec.head == "concat":
        outputs = c(2048) // len(BINS)
        levels = [o.conv(o.average(x, bins), f"pyramid.branches.{n}", outputs) for n, bins in enumerate(BINS)]
        x = o.conv(o.concat([x, *(o.resize(level, x) for level in levels)]), "neck", c(512), 3)
    else:
        x = o.conv(o.sum_pyramid(x), "neck", c(512))
    return {"main": o.classify(x, "cls", len(spec.classes))}


def _stem(o: Operators, x: Maps, outputs: int, *, every: int = 1) -> Maps:
    """every: the stem sees every n-th pixel; a dilated convolution does not have to copy them first."""
    x = o.conv(x, "stem.1", outputs // 2, 3, stride=2 * every, dilation=every)
    x = o.conv(x, "stem.2", outputs // 2, 3)
    return o.conv(x, "stem.3", outputs, 3)


def _stage(
    o: Operators,
    x: Maps,
    name: str,
    blocks: range,
    outputs: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    first_dilation: int = 0,
    stride_at: str = "reduce",
) -> Maps:
    """Blocks of `network.layers.stage`; stride and first_dilation are those of the stage's first block, number 1."""
    for number in blocks:
        block, first = f"{name}.{number}", number == 1
        step = stride if first else 1
        spread = (first_dilation if first else 0) or dilation
        at_reduce = stride_at == "reduce"
        y = o.conv(x, f"{block}.reduce", outputs // 4, stride=step if at_reduce else 1)
        y = o.conv(y, f"{block}.conv3", outputs // 4, 3, stride=1 if at_reduce else step, dilation=spread)
        y = o.conv(y, f"{block}.increase", outputs, relu=False)
        if first:
            x = o.conv(x, f"{block}.proj", outputs, stride=step, relu=False)
        x = o.add(x, y, relu=True)
    return x


def _fuse(o: Operators, spec: ModelSpec, name: str, low: Maps, high: Maps, outputs: int) -> Maps:
    if spec.fusion == "cff":
        return _cff(o, name, low, high, outputs)[1]
    if spec.fusion == "cff_coarse":
        up = o.resize(o.conv(low, f"{name}.low", outputs, 3, relu=False), high)
    else:
        up = o.deconv(low, f"{name}.low", outputs, int(spec.fusion.removeprefix("deconv")), high)
    return o.add(up, o.conv(high, f"{name}.high", outputs, relu=False), relu=True)


def _cff(o: Operators, name: str, low: Maps, high: Maps, outputs: int) -> tuple[Maps, Maps]:
    """The upsampled and convolved coarse map, and its sum with the fine one."""
    up = o.conv(o.resize(low, high), f"{name}.low", outputs, 3, dilation=2, relu=False)
    return up, o.add(up, o.conv(high, f"{name}.high", outputs, relu=False), relu=True)


class _Shapes:
    """Implements Operators: collects the shapes of the tensors."""

    def __init__(self) -> None:
        self.found: dict[str, Shape] = {}

    def conv(
        self,
        x: Maps,
        layer: str,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        relu: bool = True,
    ) -> Maps:
        return self._with_batch_norm(layer, (outputs, x.channels, kernel, kernel), outputs)

    def classify(self, x: Maps, layer: str, classes: int) -> Maps:
        self.found |= {f"{layer}.weight": (classes, x.channels, 1, 1), f"{layer}.bias": (classes,)}
        return Maps(layer, classes)

    def deconv(self, x: Maps, layer: str, outputs: int, kernel: int, like: Maps) -> Maps:
        return self._with_batch_norm(layer, (x.channels, outputs, kernel, kernel), outputs)

    def max_pool(self, x: Maps) -> Maps:
        return x

    def average(self, x: Maps, bins: int) -> Maps:
        return x

    def sum_pyramid(self, x: Maps) -> Maps:
        return x

    def resize(self, x: Maps, of: Maps, *, add: int = 0, divide: int = 1, multiply: int = 1) -> Maps:
        return x

    def add(self, x: Maps, y: Maps, *, relu: bool = False) -> Maps:
        return x

    def concat(self, maps: list[Maps]) -> Maps:
        return Maps("", sum(one.channels for one in maps))

    def _with_batch_norm(self, layer: str, weight: Shape, outputs: int) -> Maps:
        statistics = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (outputs,))
        self.found[f"{layer}.conv.weight"] = weight
        self.found |= {f"{layer}.bn.{key}": shape for key, shape in statistics.items()}
        self.found[f"{layer}.bn.num_batches_tracked"] = ()
        return Maps(layer, outputs)
