"""Recognises a published ICNet and converts it to a checkpoint."""

import hashlib
import io
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError, load_classes
from icnet_ros.checkpoint.file import Checkpoint, build_network
from icnet_ros.checkpoint.published import caffe, hellochick, liminn, semseg
from icnet_ros.checkpoint.published.units import HEADS, Array, Unit, weights_of
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.files import read_bytes
from icnet_ros.packages import needed_for

MAX_BYTES = 2 << 30
FULL_WIDTH = 64  # channels of stem.1 in the network of width 1
TABLES = {19: "cityscapes", 11: "camvid"}  # class tables by number of classes
OFFICIAL_SIZE = (1025, 2049)  # the only size for which the authors' pyramid windows are defined
EXPORT = "Export it to ONNX with its own code and run that: docs/networks.md"


@dataclass(frozen=True)
class Imported:
    """checkpoint: with weights in memory. format: what was recognised. unused: names in the file that have no use."""

    checkpoint: Checkpoint
    format: str
    unused: list[str]


class _Format(NamedTuple):
    """name: for people. facts: where the network differs from the defaults of ModelSpec, which are the authors'."""

    name: str
    units: Callable[[Any, str], tuple[dict[str, Unit], list[str]]]
    facts: Mapping[str, Any] = {}


CAFFE = _Format("Caffe (hszhao/ICNet)", caffe.units_of)
HELLOCHICK = _Format("hellochick/ICNet-tensorflow", hellochick.units_of)
SEMSEG = _Format(
    "pytorch-semseg",
    semseg.units_of,
    {"stride_at": "conv3", "mean": (0.0, 0.0, 0.0), "std": (255.0, 255.0, 255.0)},
)
LIMINN = _Format(
    "liminn/ICNet-pytorch or Tramac",
    liminn.units_of,
    {
        "architecture": "icnet_two_pass",
        "channel_order": "rgb",
        "mean": (123.675, 116.28, 103.53),
        "std": (58.395, 57.12, 57.375),
        "size_multiple": 32,
    },
)

# Keys that identify a network of another graph -> its name, and the layers that this ICNet does not have.
OTHER_GRAPHS = (
    (
        ("backbone.psp_bottleneck.",),
        "mmsegmentation",
        "backbone.psp_bottleneck reads a concatenated pyramid, backbone.conv_sub2 and conv_sub4 are further layers",
    ),
    (
        ("psp_head.psp.conv1.",),
        "GluonCV",
        "psp_head concatenates the pyramid, conv_sub2 and conv_sub4 are further layers",
    ),
    (("backbone.head.stages.",), "lxtGH/Fast_Seg", "backbone.head concatenates the pyramid"),
    (("bottom_branch.", "cff42."), "zh320/realtime-semantic-segmentation-pytorch", "its trunk is a ResNet-18"),
)


def import_weights(
    path: Path, classes: str = "", windows: Literal["adaptive", "official"] = "adaptive", stride_at: str = ""
) -> Imported:
    """Read published weights.

    classes: class table; by default by the number of classes. windows: of the pyramid; "official" are the authors', for
    an input of 1025 x 2049 only. stride_at: of the first block of stage 3, "reduce" or "conv3"; by default as in the
    code that the format belongs to. "reduce" for pytorch-semseg says that its weights came from Caffe's, so the input
    is that of the authors, too. Raises CheckpointError.
    """
    with needed_for("importing weights", CheckpointError):
        import torch  # noqa: F401 (the weights become its tensors)
    if not path.is_file():
        raise CheckpointError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError(f"{path}: larger than 2 GiB")
    content = read_bytes(path)
    try:
        kind, tensors = _recognise(content, str(path))
        units, unused = kind.units(tensors, str(path))
        _check_finite(units, str(path))
        spec = _spec(units, kind, classes, windows, stride_at, path)
        weights = _checked(weights_of(units), spec, str(path))
    except (CheckpointError, ClassTableError):
        raise
    except Exception as err:  # tensors of any shape and type may come out of a damaged file
        raise CheckpointError(f"{path}: damaged, or no weights of ICNet ({type(err).__name__}: {err})") from err
    digest = hashlib.sha256(content).hexdigest()
    return Imported(Checkpoint(spec, weights, path.stem, digest), kind.name, unused)


def _recognise(content: bytes, source: str) -> tuple[_Format, Any]:
    """The format of a file, and its tensors by the names that they have there. Raises CheckpointError."""
    if content.startswith(b"\x93NUMPY"):
        return HELLOCHICK, hellochick.read_npy(content, source)
    if b"conv1_1_3x3_s2" in content and not content.startswith((b"PK", b"\x80")):
        return CAFFE, caffe.read_caffemodel(content, source)
    if not content.startswith((b"PK", b"\x80")):
        raise CheckpointError(
            f"{source}: not a caffemodel of ICNet, nor a .npy of hellochick, nor a file of torch; a .safetensors "
            "checkpoint needs no import"
        )
    tensors = _read_torch(content, source)
    if any(key.startswith("convbnrelu1_1.") for key in tensors):
        return SEMSEG, tensors
    if "pretrained.conv1.0.weight" in tensors and "head.cff_24.conv_low.0.weight" in tensors:
        return LIMINN, tensors
    for prefixes, name, difference in OTHER_GRAPHS:
        if all(any(key.startswith(prefix) for key in tensors) for prefix in prefixes):
            raise CheckpointError(f"{source}: weights of {name}, whose network is another one: {difference}. {EXPORT}")
    first = ", ".join(list(tensors)[:3])
    raise CheckpointError(f"{source}: no ICNet that is known here; its first tensors are {first}. {EXPORT}")


def _read_torch(content: bytes, source: str) -> dict[str, Array]:
    """Tensors of a state dict, without the prefix of DataParallel. Raises CheckpointError."""
    import torch

    try:
        with _numpy_scalars(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that torch did not write
            loaded: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as err:  # unpickling a damaged file raises many exception types
        line = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
        raise CheckpointError(f"{source}: not a file of tensors, or damaged; nothing else is loaded ({line})") from err
    for key in ("state_dict", "model_state", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded:
        raise CheckpointError(f"{source}: holds no state dict")
    return {
        str(key).removeprefix("module."): value.detach().float().numpy()
        for key, value in loaded.items()
        if isinstance(value, torch.Tensor)
    }


def _numpy_scalars() -> AbstractContextManager[Any]:
    """Lets torch load scalars of numpy: files of pytorch-semseg hold their best mIoU as one. From torch 2.6 on."""
    import torch

    safe_globals = getattr(torch.serialization, "safe_globals", None)
    if safe_globals is None or not hasattr(np, "dtypes"):
        return nullcontext()
    scalar = np.float64(0).__reduce__()[0]
    names: list[Any] = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    context: AbstractContextManager[Any] = safe_globals([*names, np.dtype, np.dtypes.Float64DType])
    return context


def _spec(
    units: Mapping[str, Unit], kind: _Format, classes: str, windows: Any, stride_at: str, path: Path
) -> ModelSpec:
    facts = dict(kind.facts)
    if "architecture" in facts and (windows == "official" or stride_at):
        raise CheckpointError(f"{path}: weights of {kind.name} have no other pyramid windows and strides")
    if windows == "official":
        facts |= {"windows": windows, "input_size": OFFICIAL_SIZE}
    if stride_at == "reduce":
        facts = {key: value for key, value in facts.items() if key not in kind.facts}
    if stride_at:
        facts["stride_at"] = stride_at
    return ModelSpec(
        classes=_classes(classes, len(units["cls"].weight), str(path)),
        width=len(units["stem.1"].weight) / FULL_WIDTH,
        exits=tuple(exit_ for exit_, head in HEADS.items() if head in units),
        trained=True,
        training={
            "imported_from": path.name,
            "format": kind.name,
            "batch_norm": "merged" if units["stem.1"].norm is None else "kept",
        },
        data_licence="unknown: that of the published weights",
        **facts,
    )


def _classes(named: str, count: int, source: str) -> ClassTable:
    name = named or TABLES.get(count)
    if name is None:
        raise CheckpointError(f"{source}: {count} classes; name their table with --classes, a .yaml file")
    table = load_classes(name)
    if len(table) != count:
        raise CheckpointError(f"{source}: {count} classes, but {table.name} has {len(table)}; name another --classes")
    return table


def _check_finite(units: Mapping[str, Unit], source: str) -> None:
    for name, unit in units.items():
        norm = unit.norm
        arrays = [unit.weight, unit.bias] + ([norm.gamma, norm.beta, norm.mean, norm.variance] if norm else [])
        if not all(np.isfinite(array).all() for array in arrays if array is not None):
            raise CheckpointError(f"{source}: layer {name} holds NaN or infinity")
        if norm is not None and (norm.variance < 0).any():
            raise CheckpointError(f"{source}: layer {name} has a negative variance")


def _checked(weights: dict[str, Array], spec: ModelSpec, source: str) -> Any:
    """The weights as tensors, if they have the shapes of the network that `spec` describes. Raises CheckpointError."""
    import torch

    try:
        expected = build_network(spec, device="meta").state_dict()
    except ValueError as err:
        raise CheckpointError(f"{source}: {err}") from err
    tensors = {}
    for key, value in expected.items():
        if key.endswith("num_batches_tracked"):
            tensors[key] = torch.zeros((), dtype=torch.int64)
            continue
        if key not in weights or weights[key].shape != tuple(value.shape):
            given = weights[key].shape if key in weights else "missing"
            raise CheckpointError(
                f"{source}: {key} is {given}, an ICNet of width {spec.width:g} has {tuple(value.shape)}"
            )
        tensors[key] = torch.from_numpy(weights[key])
    return tensors
