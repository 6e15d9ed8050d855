"""An int8 network in OpenVINO gets pixels that are quantised already.

Normalised pixels would be quantised in the network and laid out anew for its first convolutions: four passes over the
image.
"""

import numpy as np
import openvino
from openvino import opset13 as operators

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.kernels.quantise import Quantiser

EIGHT_BITS = (openvino.Type.i8, openvino.Type.u8)
# What an image is quantised and dequantised by, without and with a zero point.
CHAINS = [["FakeQuantize", "Convert", "Convert", *rest] for rest in (["Multiply"], ["Subtract", "Multiply"])]


def take_quantised(model: openvino.Model, spec: ModelSpec) -> Quantiser | None:
    """Let the network take quantised pixels (N, H, W, 3); returns what they are.

    None if its image is not quantised to 8 bits before all else: it takes normalised ones (N, 3, H, W) as before.
    """
    [image] = model.inputs
    readers = _only_readers(image)
    kinds = [operator.get_type_name() for operator in readers]
    chain = next((readers[: len(one)] for one in CHAINS if kinds[: len(one)] == one), None)
    if chain is None or chain[1].get_element_type() not in EIGHT_BITS:
        return None
    quantize, convert, *dequantize = chain
    ranges = [entry.get_source_output() for entry in quantize.inputs()[1:]]
    others = [entry.get_source_output() for operator in dequantize[1:] for entry in operator.inputs()[1:]]
    if any(np.prod(list(one.get_shape())) != 1 for one in (*ranges, *others)):  # different for each channel
        return None
    if any(one.get_node().get_type_name() != "Constant" for one in ranges):
        return None
    pixels = operators.parameter([-1, -1, -1, 3], convert.get_element_type(), name=image.get_any_name())
    pixels.output(0).set_names(image.get_names())
    dequantized = dequantize[-1].output(0)
    targets = dequantized.get_target_inputs()
    # Behind the dequantisation: before it, OpenVINO may compute the first convolution in float.
    planes = operators.transpose(dequantized, [0, 3, 1, 2])
    for target in targets:
        target.replace_source_output(planes.output(0))
    dequantize[0].input(0).replace_source_output(pixels.output(0))
    model.add_parameters([pixels])
    model.remove_parameter(image.get_node())
    model.validate_nodes_and_infer_types()
    low, high, first, last = (float(one.get_node().data.item()) for one in ranges)
    scale = (last - first) / (high - low)  # of FakeQuantize, which maps `low` to `first` and `high` to `last`
    mean, std = np.array(spec.mean), np.array(spec.std)
    factor, offset = scale / std, first - scale * (mean / std + low)
    return Quantiser(factor.astype(np.float32), offset.astype(np.float32), pixels.get_element_type().to_dtype())


def _only_readers(output: openvino.Output) -> list[openvino.Node]:
    """The operator that alone reads the output, the one that alone reads what that gives, and so on."""
    found = []
    while len(readers := output.get_target_inputs()) == 1:
        found.append(next(iter(readers)).get_node())
        if found[-1].get_output_size() != 1:
            break
        output = found[-1].output(0)
    return found
