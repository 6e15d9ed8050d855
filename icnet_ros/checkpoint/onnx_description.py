"""The description of a network in an ONNX file: its classes, its input and its output.

It is a YAML file of the same name beside it (net.onnx, net.yaml or net.yml), or JSON of the same form in the file's
metadata. See docs/networks.md.
"""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError, load_classes
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.documents import DocumentError, parse_json, read_yaml

if TYPE_CHECKING:
    import onnx

METADATA_KEY = "icnet"
EXAMPLE = """\
classes: cityscapes            # a table of config/classes, a .yaml file like those, or such a table itself
channel_order: rgb             # or bgr
value_range: 1                 # 1: pixels are divided by 255 first; 255: they are not
mean: [0.485, 0.456, 0.406]    # network input = (pixel - mean) / std
std: [0.229, 0.224, 0.225]"""
REQUIRED = ("classes", "channel_order", "value_range", "mean", "std")
OF_SPEC = (  # entries that become fields of the ModelSpec as they are
    "input_scale",
    "frame_height",
    "size_multiple",
    "align_corners",
    "trained",
    "training",
    "metrics",
    "data_licence",
)
OF_FILE = ("input", "input_layout", "input_size", "output", "output_kind")
FORM = "{name: mine, classes: [{name: road, colour: [128, 64, 128]}, {name: other, colour: [0, 0, 0]}]}"
ONE_CHANNEL = "a network with one channel has two, the background first"
LAYOUTS = ("nchw", "nhwc")
KINDS = ("logits", "probabilities", "sigmoid", "labels")


def describe(model: "onnx.ModelProto", spec: ModelSpec) -> None:
    """Write the description of a network of this package into its ONNX file, so that it can be used without a YAML."""
    import onnx

    values = {key: getattr(spec, key) for key in OF_SPEC} | {
        "classes": spec.classes.to_dict(),
        "channel_order": spec.channel_order,
        "value_range": 255,
        "mean": spec.mean,
        "std": spec.std,
        "output_kind": "logits",
    }
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**kept, METADATA_KEY: json.dumps(values)})


def read_description(path: Path, model: "onnx.ModelProto") -> tuple[dict[str, Any], str]:
    """Entries of the YAML beside the file, else of its metadata; and where they are from. Raises CheckpointError."""
    beside = _file_for(path)
    values: Any = {}
    source = str(beside)
    try:
        if beside.exists():
            values = read_yaml(beside) or {}
        else:
            source = f"{path}, metadata {METADATA_KEY!r}"
            text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), "{}")
            values = parse_json(text, source)
    except OSError as err:
        raise CheckpointError(f"{source}: {err.strerror or err}") from err
    except DocumentError as err:
        raise CheckpointError(str(err)) from err
    if not isinstance(values, dict):
        raise CheckpointError(f"{source}: not a mapping, but {values!r:.60}")
    for key, allowed in (("input_layout", LAYOUTS), ("output_kind", KINDS), ("input_size", ("any",))):
        if values.get(key) is not None and values[key] not in allowed:
            raise CheckpointError(f"{source}: {key} is {values[key]!r}, not one of {', '.join(allowed)}")
    return values, source


def _file_for(path: Path) -> Path:
    """The file beside a network that describes it, or would: net.yml only if there is no net.yaml."""
    beside, other = path.with_suffix(".yaml"), path.with_suffix(".yml")
    return other if other.exists() and not beside.exists() else beside


def check_entries(values: dict[str, Any], path: Path, source: str) -> None:
    """Raise CheckpointError for a missing or unknown entry."""
    if missing := [key for key in REQUIRED if key not in values]:
        raise CheckpointError(
            f"{path}: nothing says its {', '.join(missing)}: write {_file_for(path).name} beside it, for "
            f"example (values of another network):\n{EXAMPLE}"
        )
    if unknown := values.keys() - {*REQUIRED, *OF_SPEC, *OF_FILE}:
        known = ", ".join((*REQUIRED, *OF_SPEC, *OF_FILE))
        raise CheckpointError(f"{source}: unknown entry {min(map(str, unknown))!r}; known: {known}")


def to_spec(values: dict[str, Any], size: tuple[int, int] | None, source: str) -> ModelSpec:
    """The description as a ModelSpec. size: (height, width) if the network takes only one. Raises CheckpointError."""
    value_range = values["value_range"]
    if value_range not in (1, 255):
        raise CheckpointError(f"{source}: value_range is {value_range!r}, not 1 or 255")
    try:
        mean, std = (tuple(float(value) * 255 / value_range for value in three(values[key])) for key in ("mean", "std"))
        if not all(map(math.isfinite, mean + std)):
            raise CheckpointError("mean and std must be finite numbers")
        spec = ModelSpec(
            classes=_classes(values["classes"], source),
            architecture="onnx",
            exits=("sub124",),
            channel_order=values["channel_order"],
            mean=cast("Any", mean),
            std=cast("Any", std),
            input_size=size,
            size_multiple=1 if size else 32,
            align_corners=False,
            trained=True,
        )
        given = {key: values[key] for key in OF_SPEC if key in values}
        for key in given.keys() & {"training", "metrics"}:
            given[key] = json.loads(json.dumps(given[key], default=str))  # YAML has dates, JSON has not
        return replace(spec, **given)
    except (CheckpointError, ClassTableError) as err:
        raise CheckpointError(f"{source}: {err}") from err
    except (TypeError, ValueError, OverflowError) as err:
        raise CheckpointError(f"{source}: mean or std are not three numbers ({err})") from err


def three(value: Any) -> Any:
    """`mean` or `std` of a description: one number is that of all channels."""
    return [value] * 3 if isinstance(value, int | float) else value


def _classes(given: Any, source: str) -> ClassTable:
    if isinstance(given, dict):
        entries = given.get("classes")
        if isinstance(entries, list) and len(entries) == 1:
            raise CheckpointError(f"classes: only one: {ONE_CHANNEL}")
        return ClassTable.from_dict(given, "classes")
    if not isinstance(given, str):
        raise CheckpointError(f"classes is {given!r:.60}, not a table: its name, or {FORM}")
    name = given
    beside = Path(source).parent / name
    return load_classes(beside if name.endswith((".yaml", ".yml")) and beside.is_file() else name)
