"""Checkpoints on disk: a .safetensors file whose header holds the ModelSpec, or an ONNX file of any network."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from safetensors import SafetensorError, safe_open

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.onnx_file import read_onnx, sha256_of
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.checkpoint.weights import Array, read_weights, replace_metadata
from icnet_ros.files import writing
from icnet_ros.packages import needed_for

if TYPE_CHECKING:
    from torch import Tensor

    from icnet_ros.network.icnet import ICNet
    from icnet_ros.network.pspnet import PSPNet50
    from icnet_ros.network.two_pass import TwoPassICNet

HEADER_KEY = "icnet"
MAX_HEADER = 100_000_000  # bytes, of safetensors


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a network with all exits that `spec` lists, float32, by the names of its state dict.

    name: for logs and diagnostics. sha256: of the file; empty for random weights. path: of the
    file; None for random weights.
    """

    spec: ModelSpec
    weights: "Mapping[str, Tensor]"
    name: str
    sha256: str = ""
    path: Path | None = None

    def network(self, exits: Sequence[str] | None = None) -> "ICNet | TwoPassICNet | PSPNet50":
        """The network with these exits only (default: all the checkpoint has), in evaluation mode.

        Raises CheckpointError for an exit the checkpoint was not trained with, and for an ONNX file.
        """
        if self.spec.architecture == "onnx":
            raise CheckpointError(f"{self.path}: an ONNX file; this needs a .safetensors checkpoint of icnet_ros")
        wanted = self.spec.exits if exits is None else tuple(exits)
        self.check_exits(wanted)
        network = build_network(replace(self.spec, exits=wanted))
        network.load_state_dict({key: self.weights[key] for key in network.state_dict()})
        return network.eval()

    def arrays(self) -> Mapping[str, Array]:
        """`weights` as numpy arrays; without torch if they are of a file. Raises CheckpointError."""
        if isinstance(self.weights, _LazyWeights):
            return self.weights.arrays
        return {key: value.detach().cpu().numpy() for key, value in self.weights.items()}

    def check_exits(self, exits: Sequence[str]) -> None:
        """Raise CheckpointError for an exit the checkpoint was not trained with."""
        if missing := [name for name in exits if name not in self.spec.exits]:
            raise CheckpointError(f"{self.name} has no exit {missing[0]}; it has {', '.join(self.spec.exits)}")


def untrained(classes: ClassTable, width: float = 0.5, seed: int = 0) -> Checkpoint:
    """Random weights, the same for the same seed on every machine."""
    with needed_for("a network with random weights", CheckpointError):
        from icnet_ros.network.layers import initialise

    spec = ModelSpec(classes=classes, width=width)
    network = build_network(spec)
    initialise(network, seed)
    return Checkpoint(spec, network.state_dict(), name="untrained")


def load_spec(path: str | Path) -> ModelSpec:
    """Read only the ModelSpec in the header; needs no torch. Raises CheckpointError."""
    path = Path(path)
    if path.suffix == ".onnx":
        return read_onnx(path).spec
    with _opened(path) as file:
        header = (file.metadata() or {}).get(HEADER_KEY)
    if header is None:
        raise CheckpointError(
            f"{path}: a safetensors file, but not an icnet_ros checkpoint (no {HEADER_KEY!r} in its header)"
        )
    try:
        return ModelSpec.from_json(header)
    except CheckpointError as err:
        raise CheckpointError(f"{path}: {err}") from err


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint and check its header, tensor names and shapes, and that all values are finite.

    Nothing is ever unpickled. Raises CheckpointError that names the file and what is wrong.
    """
    checkpoint = open_checkpoint(path)
    if checkpoint.spec.architecture == "onnx":
        raise CheckpointError(f"{path}: an ONNX file; only a .safetensors checkpoint has weights that can be trained")
    return replace(checkpoint, weights=dict(checkpoint.weights))


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Like `load`, but weights are read on first access, so that the spec alone needs no torch."""
    path = Path(path)
    if path.suffix == ".onnx":
        network = read_onnx(path)
        return Checkpoint(network.spec, {}, path.stem, sha256_of(path, network), path)  # engines read the file
    spec, digest = load_spec(path), hashlib.sha256(path.read_bytes()).hexdigest()
    return Checkpoint(spec, _LazyWeights(path, spec, digest), path.stem, digest, path)


class _LazyWeights(Mapping[str, "Tensor"]):
    """Weights of a checkpoint file, read on first access. Raises CheckpointError if it is another file by then."""

    def __init__(self, path: Path, spec: ModelSpec, sha256: str) -> None:
        self._path, self._spec, self._sha256 = path, spec, sha256

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """The weights as arrays, without torch."""
        return read_weights(self._path, self._spec, self._sha256)

    def __getitem__(self, key: str) -> "Tensor":
        import torch

        return torch.from_numpy(self.arrays[key])  # shares the memory

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


def save(path: str | Path, spec: ModelSpec, weights: "Mapping[str, Tensor]", *, half: bool = False) -> None:
    """Write a checkpoint atomically.

    weights: state dict of the network that `spec` describes. half: store convolution weights as float16.
    Batch norms stay float32: with inputs of 0..255 the variances after the stem exceed the float16 range.
    """
    from safetensors.torch import save as serialise

    path = Path(path)
    tensors = {
        key: (value.half() if half and value.ndim > 1 else value).detach().cpu().contiguous()
        for key, value in weights.items()
    }
    _write(path, serialise(tensors, metadata={HEADER_KEY: spec.to_json()}))


def replace_spec(path: Path, spec: ModelSpec, out: Path | None = None) -> None:
    """Write another ModelSpec into the header of a checkpoint, atomically; its tensors stay as they are stored.

    out: the file to write; default: `path` itself.
    """
    _write(out or path, replace_metadata(path.read_bytes(), {HEADER_KEY: spec.to_json()}))


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        writing(path, "--out"),
        tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file,
    ):
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def build_network(spec: ModelSpec, device: str = "cpu") -> "ICNet | TwoPassICNet | PSPNet50":
    """The network that `spec` describes, freshly initialised."""
    import torch

    from icnet_ros.network.icnet import Exit, ICNet
    from icnet_ros.network.pspnet import PSPNet50
    from icnet_ros.network.two_pass import TwoPassICNet

    classes = len(spec.classes)
    with torch.device(device):
        if spec.architecture == "pspnet50":
            return PSPNet50(classes, spec.width, spec.output_stride, spec.head)
        exits = cast("tuple[Exit, ...]", spec.exits)
        if spec.architecture == "icnet_two_pass":
            return TwoPassICNet(classes, exits)
        return ICNet(classes, spec.width, exits, spec.windows, spec.fusion, spec.stride_at, spec.blocks, spec.widths)


def _opened(path: Path) -> safe_open:
    if not path.exists():
        raise CheckpointError(f"{path}: no such file")
    if path.is_dir():
        raise CheckpointError(f"{path}: a folder; give the path of the .safetensors file in it")
    if not path.is_file():  # reading a pipe would wait for ever
        raise CheckpointError(f"{path}: not a regular file")
    try:
        with path.open("rb") as file:
            start = file.read(8)
        # safetensors files begin with the length of the header, which may begin with the same two bytes.
        header = int.from_bytes(start, "little") <= MAX_HEADER
        if start[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") and not header:
            raise CheckpointError(
                f"{path}: a PyTorch or pickle file, which may execute code when loaded, and is therefore refused; "
                "save its state dict with icnet_ros.checkpoint.file.save"
            )
        return safe_open(path, "numpy")
    except OSError as err:
        raise CheckpointError(f"{path}: cannot be read: {err.strerror or err}") from err
    except SafetensorError as err:
        raise CheckpointError(f"{path}: not a whole safetensors file ({err}); fetch it again") from err
