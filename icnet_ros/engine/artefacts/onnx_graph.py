"""ONNX graph of a checkpoint, made from its tensors without torch."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.definition import Maps, forward
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.network.dimensions import BINS, BN_EPSILON

if TYPE_CHECKING:
    import onnx

Array = npt.NDArray[Any]
OPSET, IR_VERSION = 17, 8  # of the oldest runtimes in pyproject.toml


def build_graph(spec: ModelSpec, weights: Mapping[str, Array], exit_: str) -> "onnx.ModelProto":
    """Network with `image` float32 (N, 3, H, W), normalised -> `logits` (N, h, w, classes); N, H and W are dynamic.

    weights: float32, by the names of the state dict. Batch norms are folded into the convolutions before them.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = _Graph(weights)
    logits = forward(graph, spec, Maps("image", 3))[exit_]
    graph.node("Transpose", "logits", [logits.name], perm=[0, 2, 3, 1])
    nodes = graph.needed("logits")
    used = {name for node in nodes for name in node.input}
    image: list[str | int | None] = ["frames", 3, "height", "width"]
    maps: list[str | int | None] = ["frames", "rows", "columns", len(spec.classes)]
    made = helper.make_graph(
        nodes,
        spec.architecture,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, maps)],
        [numpy_helper.from_array(value, name) for name, value in graph.constants.items() if name in used],
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(made, opset_imports=opset, ir_version=IR_VERSION, producer_name="icnet_ros")


class _Graph:
    """Implements Operators: appends nodes. Each node has one output, of the node's name."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = weights
        self._nodes: dict[str, Any] = {}  # in the order of execution
        self.constants: dict[str, Array] = {}

    def node(self, operator: str, name: str, inputs: Iterable[str], **attributes: Any) -> str:
        """Append a node, unless there is one of this name; returns the name."""
        from onnx import helper

        if name not in self._nodes:
            self._nodes[name] = helper.make_node(operator, list(inputs), [name], name=name, **attributes)
        return name

    def needed(self, output: str) -> list[Any]:
        """The nodes on which an output depends, in the order of execution."""
        wanted = {output}
        for name, node in reversed(self._nodes.items()):
            if name in wanted:
                wanted.update(node.input)
        return [node for name, node in self._nodes.items() if name in wanted]

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
        weight, bias = self._folded(layer, axis=0)
        sides = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "dilations": [dilation] * 2}
        pads = [dilation * (kernel // 2)] * 4
        name = self.node("Conv", self._new(layer), [x.name, weight, bias], pads=pads, **sides)
        return self._relu(Maps(name, outputs), relu=relu)

    def classify(self, x: Maps, layer: str, classes: int) -> Maps:
        names = (f"{layer}.weight", f"{layer}.bias")
        weight, bias = (self._constant(name, self._weights[name]) for name in names)
        return Maps(self.node("Conv", layer, [x.name, weight, bias], kernel_shape=[1, 1]), classes)

    def deconv(self, x: Maps, layer: str, outputs: int, kernel: int, like: Maps) -> Maps:
        weight, bias = self._folded(layer, axis=1)
        sides = {"kernel_shape": [kernel] * 2, "strides": [2, 2], "pads": [kernel // 2] * 4}
        # Twice the size; of an odd size, the last row or column is cut off.
        doubled = self.node("ConvTranspose", layer, [x.name, weight, bias], output_padding=[1, 1], **sides)
        two, four = self._integers(2), self._integers(4)
        ends = self.node("Slice", f"{like.name}.sides", [self._shape(like), two, four])
        starts, axes = self._integers(0, 0), self._integers(2, 3)
        return Maps(self.node("Slice", f"{layer}.cut", [doubled, starts, ends, axes]), outputs)

    def max_pool(self, x: Maps) -> Maps:
        sides = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
        return Maps(self.node("MaxPool", f"{x.name}.pool", [x.name], **sides), x.channels)

    def average(self, x: Maps, bins: int) -> Maps:
        """Products with matrices of window weights: adaptive windows have no operator."""
        # Transposed by an operator: OpenVINO folds it into the product, and would transpose a matrix at run time.
        across = self.node("Transpose", f"{x.name}.across{bins}", [self._windows(x, bins, 3)], perm=[1, 0])
        columns = self.node("MatMul", f"{x.name}.columns{bins}", [x.name, across])
        name = self.node("MatMul", f"{x.name}.average{bins}", [self._windows(x, bins, 2), columns])
        return Maps(name, x.channels)

    def sum_pyramid(self, x: Maps) -> Maps:
        """Two products for all windows together: as averages and resizes one by one it took three times as long.

        Averaging all windows of a map, and resizing and adding them, are linear in the map's pixels.
        """
        windows, spread = [], []
        for bins in BINS:
            windows.append(self._rows_of(x, f"windows{bins}", self._both_windows(x, bins), bins))
            spread.append(self._rows_of(x, f"spread{bins}", self._resized_windows(x, bins), bins))
        average = self.node("Concat", f"{x.name}.windows", windows, axis=0)
        average = self.node("Transpose", f"{x.name}.average", [average], perm=[1, 0])
        back = self.node("Concat", f"{x.name}.spread", spread, axis=0)
        pixels = self.node("Reshape", f"{x.name}.pixels", [x.name, self._integers(0, 0, -1)])
        averages = self.node("MatMul", f"{x.name}.averages", [pixels, average])
        resized = self.node("MatMul", f"{x.name}.averages.resized", [averages, back])
        resized = self.node("Reshape", f"{x.name}.averages.maps", [resized, self._shape(x)])
        return self.add(x, Maps(resized, x.channels))

    def resize(self, x: Maps, of: Maps, *, add: int = 0, divide: int = 1, multiply: int = 1) -> Maps:
        name = self._new(f"{x.name}.resize")
        sizes = self._shape(of)
        # The channels of `of` are multiplied by 0, those of x added.
        for operator, *operands in (
            ("Mul", 1, 0 if of.channels != x.channels else 1, 1, 1),
            ("Add", 0, x.channels if of.channels != x.channels else 0, add, add),
            ("Div", 1, 1, divide, divide),
            ("Mul", 1, 1, multiply, multiply),
        ):
            if len(set(operands)) > 1:
                sizes = self.node(operator, f"{sizes}.{operator}{operands}", [sizes, self._integers(*operands)])
        return Maps(self._resize(name, x.name, sizes), x.channels)

    def add(self, x: Maps, y: Maps, *, relu: bool = False) -> Maps:
        name = self.node("Add", self._new(f"{y.name}.add"), [x.name, y.name])
        return self._relu(Maps(name, x.channels), relu=relu)

    def concat(self, maps: list[Maps]) -> Maps:
        name = self.node("Concat", self._new(f"{maps[0].name}.concat"), [one.name for one in maps], axis=1)
        return Maps(name, sum(one.channels for one in maps))

    def _relu(self, x: Maps, *, relu: bool) -> Maps:
        return Maps(self.node("Relu", f"{x.name}.relu", [x.name]), x.channels) if relu else x

    def _new(self, name: str) -> str:
        """The name, with a number if it is taken: layers may run twice, and maps be resized twice."""
        number = sum(1 for other in self._nodes if other == name or other.startswith(f"{name}#"))
        return f"{name}#{number + 1}" if number else name

    def _shape(self, x: Maps) -> str:
        return self.node("Shape", f"{x.name}.shape", [x.name])

    def _windows(self, x: Maps, bins: int, axis: int) -> str:
        """Weights (bins, side) that average the adaptive windows along an axis."""
        from onnx import TensorProto

        prefix = f"{x.name}.axis{axis}"
        side = self.node("Gather", f"{prefix}.side", [self._shape(x), self._integer(axis)])
        place = self.node("Range", f"{prefix}.place", [self._integer(0), side, self._integer(1)])
        prefix += f".windows{bins}"
        window = np.arange(bins)[:, None]
        first = self._constant(f"{prefix}.first", window)
        last = self._constant(f"{prefix}.last", window + 1)
        number = self._integer(bins)
        start = self.node("Div", f"{prefix}.start", [self.node("Mul", f"{prefix}.first_side", [first, side]), number])
        end = self.node("Mul", f"{prefix}.last_side", [last, side])
        end = self.node("Add", f"{prefix}.last_up", [end, self._integer(bins - 1)])
        end = self.node("Div", f"{prefix}.end", [end, number])
        inside = self.node(
            "And",
            f"{prefix}.inside",
            [
                self.node("GreaterOrEqual", f"{prefix}.not_before", [place, start]),
                self.node("Less", f"{prefix}.not_after", [place, end]),
            ],
        )
        count = self.node("Sub", f"{prefix}.count", [end, start])
        casts = [self.node("Cast", f"{one}.float", [one], to=TensorProto.FLOAT) for one in (inside, count)]
        return self.node("Div", prefix, casts)

    def _resize(self, name: str, value: str, sizes: str) -> str:
        how = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
        return self.node("Resize", name, [value, "", "", sizes], **how)

    def _both_windows(self, x: Maps, bins: int) -> str:
        """Weights (bins, bins, h, w) that average the adaptive windows."""
        grids = []
        for axis, others in ((2, (1, 3)), (3, (0, 2))):
            inputs = [self._windows(x, bins, axis), self._integers(*others)]
            grids.append(self.node("Unsqueeze", f"{x.name}.axis{axis}.grid{bins}", inputs))
        return self.node("Mul", f"{x.name}.grid{bins}", grids)

    def _resized_windows(self, x: Maps, bins: int) -> str:
        """What each window, 1 where all others are 0, becomes when resized to the size of x: (1, bins², h, w)."""
        one = np.eye(bins**2, dtype=np.float32).reshape(1, bins**2, bins, bins)
        sides = self.node("Mul", f"{x.name}.sides", [self._shape(x), self._integers(0, 0, 1, 1)])
        sizes = self.node("Add", f"{x.name}.sides{bins}", [sides, self._integers(1, bins**2, 0, 0)])
        return self._resize(f"{x.name}.resized{bins}", self._constant(f"windows{bins}", one), sizes)

    def _rows_of(self, x: Maps, name: str, maps: str, bins: int) -> str:
        """Maps (1, bins², h, w) or (bins, bins, h, w) as a matrix (bins², h * w)."""
        return self.node("Reshape", f"{x.name}.{name}", [maps, self._integers(bins**2, -1)])

    def _folded(self, layer: str, axis: int) -> tuple[str, str]:
        """Weight and bias of a convolution with its batch norm. axis: of the output channels in its weight."""
        bn = {
            key: self._weights[f"{layer}.bn.{key}"].astype(np.float64)
            for key in ("weight", "bias", "running_mean", "running_var")
        }
        scale = bn["weight"] / np.sqrt(bn["running_var"] + BN_EPSILON)
        weight = self._weights[f"{layer}.conv.weight"] * scale.reshape([-1 if i == axis else 1 for i in range(4)])
        bias = bn["bias"] - bn["running_mean"] * scale
        return (
            self._constant(f"{layer}.weight", weight.astype(np.float32)),
            self._constant(f"{layer}.bias", bias.astype(np.float32)),
        )

    def _constant(self, name: str, value: Array) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def _integers(self, *values: int) -> str:
        return self._constant(f"integers {values}", np.array(values, np.int64))

    def _integer(self, value: int) -> str:
        return self._constant(f"integer {value}", np.array(value, np.int64))
