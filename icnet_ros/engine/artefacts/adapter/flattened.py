"""Outputs whose pixels are in one axis, as of networks that end in Reshape((height * width, classes))."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from icnet_ros.checkpoint.onnx_file import OnnxNetwork

if TYPE_CHECKING:
    import onnx

COARSEST = 16  # pixels of the picture for each of such an output, along one side
NAME = "adapter/unflattened"  # of the output with rows and columns


def unflatten(network: OnnxNetwork, model: "onnx.ModelProto") -> OnnxNetwork:
    """The network with an output that has rows and columns, if its own has one axis for both. Changes `model`.

    The shape must be stated in the file, and the input have one size; else nothing is changed.
    """
    from onnx import helper, numpy_helper

    entry = next(one for one in model.graph.output if one.name == network.output)
    shape = with_rows(network, [side.dim_value for side in entry.type.tensor_type.shape.dim])
    if not shape:
        return network
    model.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{NAME}/shape"))
    model.graph.node.append(helper.make_node("Reshape", [network.output, f"{NAME}/shape"], [NAME], name=NAME))
    model.graph.output.append(helper.make_tensor_value_info(NAME, entry.type.tensor_type.elem_type, shape))
    return replace(network, output=NAME)


def with_rows(network: OnnxNetwork, shape: Sequence[int]) -> list[int]:
    """The shape with rows and columns in place of pixels; [] if there is no such axis. shape: 0 for an unknown side."""
    if network.input.size is None or len(shape) not in (2, 3) or shape[0] > 1:
        return []
    height, width = network.input.size
    factors = [one for one in (2**power for power in range(5)) if height % one == 0 and width % one == 0]
    maps = {height * width // one**2: [height // one, width // one] for one in factors if one <= COARSEST}
    channels = {len(network.spec.classes), 1}
    if len(shape) == 2 and shape[1] in maps:
        return [1, *maps[shape[1]]]
    if len(shape) == 3 and shape[1] in maps and shape[2] in channels:
        return [1, *maps[shape[1]], shape[2]]
    if len(shape) == 3 and shape[2] in maps and shape[1] in channels:
        return [1, shape[1], *maps[shape[2]]]
    return []
