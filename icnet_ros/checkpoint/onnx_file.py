"""Any segmentation network in an ONNX file, with a description of its classes and its input.

The description is a YAML file of the same name beside it (net.onnx, net.yaml), or JSON of the same form in the file's
metadata, under the key "icnet". See docs/networks.md. Needs the package onnx, not torch.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, cast

from icnet_ros.checkpoint.onnx_description import check_entries, read_description, to_spec
from icnet_ros.checkpoint.onnx_graph import graphs, inline
from icnet_ros.checkpoint.onnx_head import Head, check_numbers, complete, head_of
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.files import read_bytes
from icnet_ros.packages import needed_for

if TYPE_CHECKING:
    import onnx

INT8_KEY = "icnet_int8"  # of the files that `icnet quantize` writes
MAX_BYTES = 2 << 30  # of a protobuf message
DOMAINS = ("", "ai.onnx")  # of the operators that every runtime has


@dataclass(frozen=True)
class OnnxInput:
    """The input of a network. size: (height, width) if it takes only one. type: of its elements, as in onnx."""

    name: str
    layout: Literal["nchw", "nhwc"]
    type: Literal["float32", "float16", "uint8"]
    size: tuple[int, int] | None


@dataclass(frozen=True)
class OnnxNetwork:
    """A network in an ONNX file, and what is known about it.

    output: name of the output with the result. output_kind: "logits", "probabilities", "sigmoid" (probabilities of
    classes that do not exclude each other) or "labels" (class ids); None:
    as its values say. head: the normalisation inside it.
    """

    spec: ModelSpec
    model: "onnx.ModelProto" = field(repr=False)
    input: OnnxInput
    output: str
    output_kind: str | None
    head: Head = Head()


def sha256_of(path: Path, network: OnnxNetwork) -> str:
    """Hash of the network in the file `path`: of the file, of those with its tensors, and of its description."""
    digest = hashlib.sha256(read_bytes(path))
    for file in _external_files(path, network.model):
        digest.update(read_bytes(file))
    # The description and what it names: the classes may be in another file.
    digest.update(repr((network.spec, network.input, network.output, network.output_kind)).encode())
    return digest.hexdigest()


def read_onnx(path: Path) -> OnnxNetwork:
    """Read and check an ONNX file and its description. Raises CheckpointError that says what is missing or wrong."""
    model = _parse(path)
    _check_operators(path, model)
    try:
        model = inline(model)
    except Exception as err:  # onnx raises many exception types
        raise CheckpointError(f"{path}: its functions cannot be inlined ({type(err).__name__}: {err})") from err
    _external_files(path, model)
    values, source = read_description(path, model)
    network_input = _input(path, model, values)
    if network_input.type == "uint8":
        own = {"value_range": 255, "mean": [0, 0, 0], "std": [1, 1, 1]}
        if given := [key for key, value in own.items() if values.get(key, value) != value]:
            raise CheckpointError(
                f"{source}: its input is uint8, so it normalises inside: leave out {', '.join(given)}"
            )
        values |= own
    head = head_of(model, str(path.parent), network_input.name, network_input.layout, network_input.type)
    if network_input.type != "uint8":
        values = complete(values, head, source)
    check_entries(values, path, source)
    size = None if values.get("input_size") == "any" else network_input.size
    spec = to_spec(values, size, source)
    if network_input.type != "uint8":
        check_numbers(spec, values["value_range"], head, source)
    output = _output(path, model, values)
    return OnnxNetwork(spec, model, network_input, output, values.get("output_kind"), head)


def load_with_data(path: Path, model: "onnx.ModelProto") -> "onnx.ModelProto":
    """`model` of the file `path` with the tensors that are stored in other files. Raises CheckpointError."""
    import onnx

    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as err:  # onnx raises many exception types
        raise CheckpointError(f"{path}: its tensors cannot be read ({type(err).__name__}: {err})") from err
    return model


def _parse(path: Path) -> "onnx.ModelProto":
    """The file without the tensors that are stored in other files."""
    with needed_for(f"{path}: an ONNX file", CheckpointError):
        import onnx
    if not path.exists():
        raise CheckpointError(f"{path}: no such file")
    if not path.is_file():
        raise CheckpointError(f"{path}: not a regular file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{path}: larger than 2 GiB")
        model = onnx.load(path, load_external_data=False)
    except OSError as err:
        raise CheckpointError(f"{path}: cannot be read: {err.strerror or err}") from err
    except CheckpointError:
        raise
    except Exception as err:  # protobuf errors have no common base class in the API of onnx
        raise CheckpointError(f"{path}: not an ONNX file, or damaged ({type(err).__name__})") from err
    if not model.graph.node or not model.graph.output:
        raise CheckpointError(f"{path}: not an ONNX file, or one without a network")
    if any(entry.key == INT8_KEY for entry in model.metadata_props):
        raise CheckpointError(
            f"{path}: the int8 form of another model: name that model instead, and set precision to int8"
        )
    return model


def _check_operators(path: Path, model: "onnx.ModelProto") -> None:
    from onnx import defs

    opsets = {entry.domain: entry.version for entry in model.opset_import}
    opset = max(opsets.get("", 0), opsets.get("ai.onnx", 0))
    if not 11 <= opset <= defs.onnx_opset_version():
        raise CheckpointError(
            f"{path}: opset {opset}; this onnx reads 11 to {defs.onnx_opset_version()}: export it again"
        )
    own = {(function.domain, function.name) for function in model.functions}
    for node in (node for graph in graphs(model) for node in graph.node):
        if (node.domain, node.op_type) in own:
            continue
        if node.domain not in DOMAINS or not defs.has(node.op_type, opset, ""):
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise CheckpointError(
                f"{path}: the operator {name!r} is not part of ONNX (opset {opset}); export without custom operators"
            )


def _external_files(path: Path, model: "onnx.ModelProto") -> list[Path]:
    """Files with tensors of the network. Raises CheckpointError for one outside the folder of the network."""
    from onnx.external_data_helper import uses_external_data

    tensors: list[Any] = []
    for graph in graphs(model):
        tensors += getattr(graph, "initializer", ())  # functions have none
        for sparse in getattr(graph, "sparse_initializer", ()):
            tensors += [sparse.values, sparse.indices]
        for attribute in (attribute for node in graph.node for attribute in node.attribute):
            tensors += [attribute.t] if attribute.HasField("t") else []
            tensors += attribute.tensors
    files: dict[str, Path] = {}
    folder = path.parent.resolve()
    for tensor in tensors:
        if not uses_external_data(tensor):
            continue
        location = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
        file = folder / location
        parts = PurePosixPath(location).parts
        if not location or ".." in parts or PurePosixPath(location).is_absolute():
            raise CheckpointError(f"{path}: tensor {tensor.name!r} is stored in {location!r}, outside its folder")
        if not file.is_file():
            raise CheckpointError(f"{path}: its tensors are stored in {location!r}, which is not beside it")
        if not file.resolve().is_relative_to(folder):
            raise CheckpointError(
                f"{path}: its tensors are stored in {location!r}, a symbolic link to {file.resolve()} outside its "
                f"folder, as in the cache of Hugging Face: copy the files themselves, cp -L {path.parent}/* FOLDER"
            )
        files[location] = file
    return list(files.values())


def _input(path: Path, model: "onnx.ModelProto", values: dict[str, Any]) -> OnnxInput:
    from onnx import TensorProto

    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = {entry.name: entry for entry in model.graph.input if entry.name not in constants}
    if len(inputs) != 1:
        raise CheckpointError(f"{path}: {len(inputs)} inputs ({', '.join(inputs)}); a network takes one, the image")
    name, entry = next(iter(inputs.items()))
    if values.get("input", name) != name:
        raise CheckpointError(f"{path}: its input is {name!r}, not {values['input']!r} as its description says")
    tensor = entry.type.tensor_type
    types = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.UINT8: "uint8"}
    if tensor.elem_type not in types:
        raise CheckpointError(f"{path}: its input {name!r} is not float32, float16 or uint8")
    sides = [side.dim_value if side.HasField("dim_value") else 0 for side in tensor.shape.dim]  # 0: any
    shape = _product(sides)
    if len(sides) != 4 or sides[0] not in (0, 1):
        raise CheckpointError(f"{path}: its input {name!r} is {shape}, not one image: 1 x 3 x height x width")
    layout: Any = values.get("input_layout") or _layout(sides, tensor.shape.dim[3].dim_param)
    places = {"nchw": [1], "nhwc": [3]}.get(layout, [1, 3])
    if all(sides[at] not in (0, 3) for at in places):
        raise CheckpointError(
            f"{path}: its input {name!r} is {shape}, not an image of 3 channels{f' in {layout}' if layout else ''}: "
            "export it with an input of 3 channels; one that needs grey can compute it from them"
        )
    if layout is None:
        raise CheckpointError(f"{path}: its input {name!r} is {shape}: add input_layout, nchw or nhwc, to its .yaml")
    height, width = sides[2:] if layout == "nchw" else sides[1:3]
    if bool(height) != bool(width):
        raise CheckpointError(f"{path}: its input {name!r} is {shape}; height and width must both be fixed or neither")
    return OnnxInput(name, layout, cast("Any", types[tensor.elem_type]), (height, width) if height else None)


def _layout(sides: list[int], last: str) -> str | None:
    """Where the channels of an input are; None if that cannot be told. last: name of its last axis."""
    if not any(sides[1:]):  # all are named: nearly all exports of this kind are of torch
        return "nhwc" if "chan" in last or last == "c" else "nchw"
    possible = [layout for layout, at in (("nchw", 1), ("nhwc", 3)) if sides[at] == 3]
    return possible[0] if len(possible) == 1 else None


def _output(path: Path, model: "onnx.ModelProto", values: dict[str, Any]) -> str:
    kinds = {entry.name: entry.type.WhichOneof("value") or "tensor_type" for entry in model.graph.output}
    shapes = {
        entry.name: [side.dim_value for side in entry.type.tensor_type.shape.dim]
        for entry in model.graph.output
        if kinds[entry.name] == "tensor_type"
    }
    known = ", ".join(f"{name} ({_product(shape)})" if shape else name for name, shape in shapes.items())
    wanted = values.get("output")
    if queries := _queries(shapes):
        raise CheckpointError(
            f"{path}: its outputs {queries[0]} and {queries[1]} are masks of queries and their classes, not a semantic "
            "map: export it with the sum over the queries, see docs/networks.md"
        )
    if wanted is None and len(kinds) > 1:
        raise CheckpointError(
            f"{path}: it has several outputs: add output to its .yaml, one of {known}: the one with a channel for each "
            "class, or labels. Boxes and masks of objects are not a semantic map"
        )
    if wanted is not None and wanted not in kinds:
        raise CheckpointError(f"{path}: it has no output {wanted!r}; it has {known}")
    chosen = str(wanted or next(iter(kinds)))
    if (kind := kinds[chosen]) != "tensor_type":
        advice = f"take one of {known}" if shapes else "export a tensor"
        raise CheckpointError(f"{path}: its output {chosen!r} is a {kind.removesuffix('_type')}, no tensor: {advice}")
    return chosen


def _queries(shapes: dict[str, list[int]]) -> tuple[str, str] | None:
    """Names of outputs (N, Q, h, w) and (N, Q, classes), as of MaskFormer; None if there are none."""
    if len(shapes) != 2:
        return None
    (one, first), (other, second) = sorted(shapes.items(), key=lambda entry: -len(entry[1]))
    found = (len(first), len(second)) == (4, 3) and first[1] == second[1] > 1
    return (one, other) if found else None


def _product(shape: list[int]) -> str:
    return " x ".join(str(side or "?") for side in shape)
