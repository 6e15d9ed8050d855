"""Reproduces the speed and memory tables of the paper, as ratios next to the published ones.

Random weights, batch norm folded, batch size 1, as the authors measured with `caffe time`.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

from icnet_ros.benchmark.memory import activation_memory
from icnet_ros.benchmark.timing import Progress, interleaved
from icnet_ros.network.cost import conv_macs
from icnet_ros.network.fold import fold_batch_norm
from icnet_ros.network.icnet import ICNet
from icnet_ros.network.pspnet import PSPNet50

CITYSCAPES, CAMVID, COCO = (1024, 2048), (720, 960), (640, 640)


@dataclass(frozen=True)
class Subject:
    """A network and an image size; rows with an equal subject share one measurement."""

    architecture: str
    size: tuple[int, int] = CITYSCAPES
    width: float = 1.0
    output_stride: int = 8
    exit: str = "sub124"
    fusion: str = "cff"
    classes: int = 19

    def build(self) -> nn.Module:
        """The network with random weights, batch norm folded, in evaluation mode."""
        if self.architecture == "icnet":
            network: nn.Module = ICNet(self.classes, self.width, (self.exit,), fusion=self.fusion)  # type: ignore[arg-type]
        else:
            network = PSPNet50(self.classes, self.width, self.output_stride)  # type: ignore[arg-type]
        return fold_batch_norm(network)


@dataclass(frozen=True)
class Row:
    """A row of a table. paper_ms: on the authors' TitanX (Maxwell); paper_gb: None if not published.

    Ratios are relative to the first row of the table.
    """

    table: str
    name: str
    subject: Subject
    paper_ms: float
    paper_gb: float | None = None


def _pspnet(**changes: Any) -> Subject:
    return Subject("pspnet50", **changes)


def _icnet(**changes: Any) -> Subject:
    return Subject("icnet", **({"width": 0.5} | changes))


ROWS = (
    Row("table 1: output stride", "PSPNet50 1/8", _pspnet(), 446),
    Row("table 1: output stride", "1/16", _pspnet(output_stride=16), 177),
    Row("table 1: output stride", "1/32", _pspnet(output_stride=32), 131),
    Row("table 1: keep rate", "PSPNet50", _pspnet(), 446),
    Row("table 1: keep rate", "half", _pspnet(width=0.5), 170),
    Row("table 1: keep rate", "quarter", _pspnet(width=0.25), 72),
    Row("figure 5: input", "PSPNet50 1024x2048", _pspnet(), 446),
    Row("figure 5: input", "512x1024", _pspnet(size=(512, 1024)), 123),
    Row("figure 5: input", "256x512", _pspnet(size=(256, 512)), 42),
    Row("table 2: branches", "PSPNet50 half", _pspnet(width=0.5), 170, 9.2),
    Row("table 2: branches", "sub4", _icnet(exit="sub4"), 18, 0.6),
    Row("table 2: branches", "sub24", _icnet(exit="sub24"), 25, 1.1),
    Row("table 2: branches", "sub124", _icnet(), 33, 1.6),
    Row("table 3: fusion", "CFF", _icnet(), 33),
    Row("table 3: fusion", "deconvolution 3x3", _icnet(fusion="deconv3"), 31),
    Row("table 3: fusion", "deconvolution 5x5", _icnet(fusion="deconv5"), 34),
    Row("table 3: fusion", "deconvolution 7x7", _icnet(fusion="deconv7"), 38),
    Row("table 5: CamVid", "PSPNet50", _pspnet(size=CAMVID, classes=11), 185),
    Row("table 5: CamVid", "ICNet, full width", _icnet(size=CAMVID, classes=11, width=1.0), 36),
    Row("table 6: COCO-Stuff", "PSPNet50", _pspnet(size=COCO, classes=182), 151),
    Row("table 6: COCO-Stuff", "ICNet, full width", _icnet(size=COCO, classes=182, width=1.0), 28),
)
TABLES = tuple(dict.fromkeys(row.table for row in ROWS))


def measure(
    rows: Sequence[Row], device: str, threads: int, rounds: int, progress: Progress, shrink: int = 1
) -> list[dict[str, Any]]:
    """Every row with its ms, GMAC and megabytes, and their ratios to the first row of its table.

    shrink: divides the image sides; the ratios are then not comparable with the paper's.
    """
    where = torch.device(device)
    if threads:
        torch.set_num_threads(threads)
    subjects = {row.subject: _label(row.subject) for row in rows}
    sizes = {subject: (subject.size[0] // shrink, subject.size[1] // shrink) for subject in subjects}
    runs = {name: _runner(subject.build(), sizes[subject], where) for subject, name in subjects.items()}
    seconds = interleaved(runs, rounds, progress)

    @cache
    def cost(subject: Subject) -> tuple[float, float, float]:
        network = subject.build()
        memory = activation_memory(network, *sizes[subject])
        return conv_macs(network, *sizes[subject]) / 1e9, memory.total / 1e6, memory.peak / 1e6

    measured: list[dict[str, Any]] = []
    for row in rows:
        gmac, total, peak = cost(row.subject)
        ms = 1000 * seconds[subjects[row.subject]]
        first = next((one for one in measured if one["table"] == row.table), None)
        measured.append(
            {
                "table": row.table,
                "name": row.name,
                "subject": asdict(row.subject),
                "ms": ms,
                "gmac": gmac,
                "total_mb": total,
                "peak_mb": peak,
                "paper_ms": row.paper_ms,
                "paper_gb": row.paper_gb,
                "speedup": first["ms"] / ms if first else 1.0,
                "mac_ratio": first["gmac"] / gmac if first else 1.0,
                "total_ratio": first["total_mb"] / total if first else 1.0,
                "peak_ratio": first["peak_mb"] / peak if first else 1.0,
                "paper_speedup": first["paper_ms"] / row.paper_ms if first else 1.0,
                "paper_memory_ratio": first["paper_gb"] / row.paper_gb if first and row.paper_gb else None,
            }
        )
    return measured


def _label(subject: Subject) -> str:
    parts = [subject.architecture, f"{subject.size[1]}x{subject.size[0]}", f"width {subject.width:g}"]
    parts += (
        [f"stride {subject.output_stride}"] if subject.architecture == "pspnet50" else [subject.exit, subject.fusion]
    )
    return " ".join(parts)


def _runner(network: nn.Module, size: tuple[int, int], device: torch.device) -> Callable[[], object]:
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.zeros(1, 3, *size, device=device).to(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            network(image)
            if device.type == "cuda":
                torch.cuda.synchronize(device)

    return run
