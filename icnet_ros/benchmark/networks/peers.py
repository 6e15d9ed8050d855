"""Compares networks on the same images: time of the whole path, size and accuracy."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any, NamedTuple

from icnet_ros.benchmark.engines import whole_path
from icnet_ros.benchmark.networks.onnx_cost import onnx_cost
from icnet_ros.benchmark.timing import Progress, by_round, ratio
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
    precision if it is not fp32. Raises CheckpointError for one that is given twice.
    """
    paths = [checkpoint.path for checkpoint in checkpoints if checkpoint.path is not None]
    if twice := sorted({str(path) for path in paths if paths.count(path) > 1}):
        raise CheckpointError(f"{twice[0]} is given twice")
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

    ms, cpu_ms: from the picture to its label map, with the input size that the network wants for it (`input`: height,
    width), by the clock and of all threads; medians. ratio: of ms to the first network in the same round, median; None
    if that one cannot run. gmac: multiply-accumulates at that size as it runs, 1e9. miou, pixel_accuracy: on
    `dataset`, None without one, or if its classes are others (`note`). alone: also time each ONNX file as it is, see
    `benchmark.alone`: alone_ms, alone_cpu_ms, the ratios to them (alone_ratio, alone_cpu_ratio), and alone_equal, the
    share of the labels that are the same.
    """
    engines: dict[str, Engine] = {}
    rows: dict[str, dict[str, Any]] = {}
    for number, network in enumerate(networks, 1):
        progress(f"opening {network.name}", number, len(networks))
        model = str(network.checkpoint.path or network.checkpoint.name)
        row: dict[str, Any] = {
            "name": network.name, "model": model, "exit": network.exit, "precision": network.precision,
        }  # fmt: skip
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
    times = by_round(paths | {f"{name}, alone": path for name, path in beside.items()}, rounds, progress)
    reference = times.get(networks[0].name)
    for name, path in paths.items():
        wall, cpu = times[name]
        rows[name] |= {"ms": 1000 * median(wall), "cpu_ms": 1000 * median(cpu)}
        rows[name]["ratio"] = ratio(wall, reference.wall) if reference is not None else None
        if name in beside:
            alone_wall, alone_cpu = times[f"{name}, alone"]
            rows[name] |= {
                "alone_ms": 1000 * median(alone_wall),
                "alone_cpu_ms": 1000 * median(alone_cpu),
                "alone_ratio": ratio(wall, alone_wall),
                "alone_cpu_ratio": ratio(cpu, alone_cpu),
                "alone_equal": float((path() == beside[name]()).mean()),
            }
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
