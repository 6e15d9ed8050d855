"""Compares networks on the same images: time of the whole path, size and accuracy."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from icnet_ros.benchmark.engines import whole_path
from icnet_ros.benchmark.networks.onnx_cost import onnx_cost
from icnet_ros.benchmark.timing import Progress, interleaved
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.dataset.base import Dataset, DatasetError
from icnet_ros.engine.artefacts.export import onnx_file
from icnet_ros.engine.base import Engine, EngineError, EngineOptions, Frame, UInt8
from icnet_ros.engine.table import open_engine
from icnet_ros.evaluation.evaluate import evaluate_engine
from icnet_ros.evaluation.mapping import ClassMapping


class Candidate(NamedTuple):
    """A network to compare, at one exit and precision. name: different from that of every other."""

    name: str
    checkpoint: Checkpoint
    exit: str
    precision: str


def candidates(checkpoints: Sequence[Checkpoint], exits: Sequence[str], precisions: Sequence[str]) -> list[Candidate]:
    """Each checkpoint with each of the exits that it has (its deepest if it has none of them) and each precision.

    Names: of the file, with its folder if another file has the same, then the exit if there are several, and the
    precision if it is not fp32.
    """
    stems = [checkpoint.name for checkpoint in checkpoints]
    chosen: list[Candidate] = []
    for number, checkpoint in enumerate(checkpoints, 1):
        name = checkpoint.name
        if stems.count(name) > 1:  # as of runs/a/best.safetensors and runs/b/best.safetensors
            name = str(checkpoint.path) if checkpoint.path else f"{name} {number}"
        of_it = [exit_ for exit_ in exits if exit_ in checkpoint.spec.exits] or [*checkpoint.spec.exits[-1:]]
        for exit_ in of_it:
            for precision in precisions:
                words = [name, *([exit_] if len(checkpoint.spec.exits) > 1 else [])]
                words += [precision] if precision != "fp32" else []
                chosen.append(Candidate(" ".join(words), checkpoint, exit_, precision))
    return chosen


def compare_peers(
    networks: Sequence[Candidate],
    engine: str,
    picture: UInt8,
    threads: int,
    rounds: int,
    progress: Progress,
    *,
    dataset: Dataset | None = None,
    mapping: ClassMapping | None = None,
    alone: bool = False,
) -> list[dict[str, Any]]:
    """A row for each network; one that cannot run has an `error` instead of figures.

    ms: from the picture to its label map, with the input size that the network wants for it (`input`: height, width).
    ratio: to the time of the first network. gmac: multiply-accumulates at that size, 1e9. miou, pixel_accuracy: on
    `dataset`, None without one, or if its classes are others (`note`). alone: also time each ONNX file as it is, see
    `benchmark.alone`: alone_ms, and alone_equal, the share of the labels that are the same.
    """
    engines: dict[str, Engine] = {}
    rows: dict[str, dict[str, Any]] = {}
    for network in networks:
        row: dict[str, Any] = {"name": network.name, "exit": network.exit, "precision": network.precision}
        rows[network.name] = row
        try:
            opened = open_engine(
                engine, network.checkpoint, EngineOptions("cpu", network.precision, network.exit, threads)
            )
            engines[network.name] = opened
            opened.segment([Frame(picture)])
            height, width = picture.shape[:2]
            size = network.checkpoint.spec.network_size(height, width)
            macs, parameters = onnx_cost(onnx_file(network.checkpoint, network.exit), *size)
            row |= {"input": size, "gmac": macs / 1e9, "parameters": parameters}
        except (EngineError, CheckpointError, ValueError) as err:
            row["error"] = str(err)
            if broken := engines.pop(network.name, None):
                broken.close()
    paths = {name: whole_path(opened, picture) for name, opened in engines.items()}
    beside = _alone([network for network in networks if network.name in engines], picture, threads) if alone else {}
    seconds = interleaved(paths | {f"{name}, alone": path for name, path in beside.items()}, rounds, progress)
    for name, path in paths.items():
        rows[name] |= {"ms": 1000 * seconds[name], "ratio": seconds[name] / next(iter(seconds.values()))}
        if name in beside:
            equal = float((path() == beside[name]()).mean())
            rows[name] |= {"alone_ms": 1000 * seconds[f"{name}, alone"], "alone_equal": equal}
    for name, opened in engines.items():
        if dataset is not None:
            rows[name] |= _accuracy(opened, dataset, mapping, partial(progress, f"mIoU of {name}"))
        opened.close()
    return list(rows.values())


def _alone(networks: Sequence[Candidate], picture: UInt8, threads: int) -> dict[str, Callable[[], UInt8]]:
    """The baseline of each ONNX file, which is fp32, by the name of the candidate."""
    from icnet_ros.benchmark.networks.alone import alone

    return {
        network.name: alone(network.checkpoint, picture, threads)
        for network in networks
        if network.checkpoint.spec.architecture == "onnx"
    }


def _accuracy(
    engine: Engine, dataset: Dataset, mapping: ClassMapping | None, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    if mapping is not None and mapping.source.names != engine.spec.classes.names:
        mapping = None  # a network of the dataset's own classes
    try:
        matrix = evaluate_engine(engine, dataset, progress, mapping=mapping)
    except DatasetError as err:
        return {"miou": None, "pixel_accuracy": None, "note": str(err)}
    return {"miou": matrix.miou(), "pixel_accuracy": matrix.pixel_accuracy()}
