"""What a recorded run shows: figures, contact sheet, video."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.evaluation.answers import Answers
from icnet_ros.evaluation.confusion import ConfusionMatrix, by_class
from icnet_ros.evaluation.demo import Recording
from icnet_ros.evaluation.spread import percentiles
from icnet_ros.evaluation.video import Film
from icnet_ros.render import Painter, UInt8, hold_beside, legend
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.image import decode_compressed, decode_image, stamp_ns

STAGES = ("transport", "wait", "decode", "preprocess", "inference", "postprocess", "publish", "total", "age")
SHEET_FRAMES = 6


def summarise(
    recording: Recording, answers: Answers, spec: ModelSpec, model: str, matrix: ConfusionMatrix | None
) -> dict[str, Any]:
    """The content of summary.json; see the README for its keys. matrix: None without ground truth."""
    lines = [json.loads(line) for line in recording.sent_log.read_text().splitlines()]
    sent = {line["stamp_ns"]: line["published_ns"] for line in lines}
    last = answers.latencies[-1] if answers.latencies else None
    published = len(lines)
    labelled = answers.count
    dropped, failed = recording.counters["dropped"], recording.counters["failed"]
    delays = [(answers.arrived[s] - sent[s]) / 1e6 for s in answers.labels if s in sent]
    span = (max(answers.arrived.values()) - min(answers.arrived.values())) / 1e9 if labelled > 1 else 0.0
    return {
        "bag": str(recording.bag),
        "image_topic": recording.image.name,
        "frames": {
            "published": published,
            "labelled": labelled,
            "dropped": dropped,
            "failed": failed,
            "lost": published - labelled - dropped - failed,
        },
        "labels_without_image": len(answers.labels.keys() - sent.keys()),
        "fps": (labelled - 1) / span if span else None,
        "latency_ms": {
            stage: percentiles([getattr(entry, f"{stage}_ms") for entry in answers.latencies]) for stage in STAGES
        },
        "image_to_labels_ms": percentiles(delays),
        "engine": last.engine if last else None,
        "exit": last.exit if last else None,
        "checkpoint": model,
        "trained": spec.trained,
        "miou": matrix.miou() if matrix else None,
        "pixel_accuracy": matrix.pixel_accuracy() if matrix else None,
        "iou": by_class(matrix, spec.classes) if matrix else None,
    }


def write_pictures(
    recording: Recording, answers: Answers, spec: ModelSpec, out: Path, progress: Callable[[int, int], None]
) -> None:
    """OUT/overlay.mp4 (labelled frames only) and OUT/contact_sheet.png.

    Raises WireError if there is no labelled frame to show.
    """
    painter = Painter(spec.classes.colours, "" if spec.trained else "UNTRAINED NETWORK")
    stamps = list(answers.labels)
    if not stamps:
        raise WireError("no frame was labelled: nothing to show")
    chosen = {stamps[round(i)] for i in np.linspace(0, len(stamps) - 1, SHEET_FRAMES)}
    seconds = (max(stamps) - min(stamps)) / 1e9
    rate = (len(stamps) - 1) / seconds if seconds > 0 else 15.0
    pairs = []
    with closing(Film(out / "overlay.mp4", rate)) as film:
        for number, (stamp, bgr) in enumerate(_images(recording), 1):
            if stamp in answers.labels:
                overlay = painter.overlay(bgr, answers.labels[stamp])
                film.write(overlay)
                if stamp in chosen:
                    pairs.append(hold_beside([bgr, overlay]))
            progress(number, recording.image.messages)
    cv2.imwrite(str(out / "contact_sheet.png"), contact_sheet(pairs, spec.classes))


def contact_sheet(pairs: list[UInt8], classes: ClassTable, columns: int = 2, cell: int = 900) -> UInt8:
    """Pictures in `columns`, each at most `cell` pixels wide, above a legend of the classes."""
    height, width = pairs[0].shape[:2]
    scale = min(1.0, cell / width)
    size = round(width * scale), round(height * scale)
    cells = [cv2.resize(pair, size, interpolation=cv2.INTER_AREA) for pair in pairs]
    gap = 6
    padded = [cv2.copyMakeBorder(one, 0, gap, 0, gap, cv2.BORDER_CONSTANT, value=(32, 32, 32)) for one in cells]
    while len(padded) % columns:
        padded.append(np.full_like(padded[0], 32))
    rows = [np.concatenate(padded[i : i + columns], axis=1) for i in range(0, len(padded), columns)]
    strip = legend(classes.names, classes.colours, rows[0].shape[1])
    sheet: UInt8 = np.concatenate([*rows, strip], axis=0)
    return sheet


def _images(recording: Recording) -> Iterator[tuple[int, UInt8]]:
    decode = decode_compressed if recording.image.compressed else decode_image
    with open_bag(recording.bag) as bag:
        for message in bag.messages(recording.image.name):
            try:
                picture = decode(message.data)
            except WireError:
                continue  # the node counted it as failed
            bgr = picture.bgr()
            yield stamp_ns(picture.header), bgr
