"""What a recorded run shows: figures, contact sheet, video."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import STAGES as ENGINE_STAGES
from icnet_ros.engine.base import LabelMap
from icnet_ros.evaluation.confusion import ConfusionMatrix
from icnet_ros.evaluation.demo import Recording
from icnet_ros.evaluation.replay import Labeller, Progress, Replay, Selection, prepare, replay
from icnet_ros.render import Painter, UInt8, hold_beside, legend
from icnet_ros.share import share
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import FRAME_LATENCY, WireError, deserialise, typestore
from icnet_ros.wire.image import Picture, decode_compressed, decode_image, decode_labels, stamp_ns

STAGES = ("transport", "wait", "decode", "preprocess", "inference", "postprocess", "publish", "total", "age")
SHEET_FRAMES = 6


@dataclass
class Answers:
    """What the recorder wrote: label maps and times of arrival (ns) by image stamp (ns), latencies.

    count: label messages; more than label maps where images share a stamp.
    """

    labels: dict[int, UInt8] = field(default_factory=dict)
    arrived: dict[int, int] = field(default_factory=dict)
    latencies: list[Any] = field(default_factory=list)
    count: int = 0


def read_answers(path: Path) -> Answers:
    """Read the bag of a recorder. Raises WireError."""
    answers = Answers()
    store = typestore(share("msg", "FrameLatency.msg"))
    with open_bag(path) as bag:
        for message in bag.messages(*(topic.name for topic in bag.topics())):
            if message.topic.endswith("/labels"):
                header, labels = decode_labels(message.data)
                answers.count += 1
                answers.labels[stamp_ns(header)] = labels
                answers.arrived[stamp_ns(header)] = message.recorded_ns
            else:
                answers.latencies.append(deserialise(message.data, FRAME_LATENCY, store))
    return answers


def by_recording(answers: Answers) -> Labeller:
    """Label pictures as the node did; it raises ValueError for those that it did not."""
    latencies = {stamp_ns(entry.header): entry for entry in answers.latencies}

    def label(picture: Picture) -> LabelMap:
        stamp = stamp_ns(picture.header)
        if stamp not in answers.labels:
            raise ValueError("dropped, failed or lost in the live run")
        stages = {name: getattr(latencies[stamp], f"{name}_ms") for name in ENGINE_STAGES if stamp in latencies}
        return LabelMap(answers.labels[stamp], None, stages)

    return label


def replay_recording(recording: Recording, answers: Answers, spec: ModelSpec, out: Path, progress: Progress) -> Replay:
    """What `icnet replay` would have found, had its engine given the answers of the node; also OUT/labels."""
    prepare(out, str(recording.answers), resume=False)
    selection = recording_selection(recording)
    return replay(recording.bag, by_recording(answers), spec.classes, out, selection, progress)


def recording_selection(recording: Recording) -> Selection:
    """The topics that were played."""
    return Selection(recording.image.name, recording.truth.name if recording.truth else "")


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
    pairs, video = [], None
    for number, (stamp, bgr) in enumerate(_images(recording), 1):
        if stamp in answers.labels:
            overlay = painter.overlay(bgr, answers.labels[stamp])
            if video is None:
                video = open_video(out / "overlay.mp4", rate, (bgr.shape[1], bgr.shape[0]))
            video.write(overlay)
            if stamp in chosen:
                pairs.append(hold_beside([bgr, overlay]))
        progress(number, recording.image.messages)
    if video is not None:
        video.release()
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


def by_class(matrix: ConfusionMatrix, classes: ClassTable) -> dict[str, float | None]:
    """IoU by class name; None for a class neither present nor predicted."""
    pairs = zip(classes.names, matrix.iou(), strict=True)
    return {name: None if np.isnan(value) else float(value) for name, value in pairs}


def percentiles(values: list[float]) -> dict[str, float] | None:
    """p50, p95 and p99 of the finite ones; None if there is none."""
    finite = np.array([value for value in values if np.isfinite(value)])
    if not finite.size:
        return None
    return {f"p{p}": round(float(np.percentile(finite, p)), 3) for p in (50, 95, 99)}


def open_video(path: Path, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """A writer for BGR frames of `size` (width, height). Raises WireError if no codec is there."""
    for codec in ("vp09", "mp4v"):  # VP9 plays in browsers; MPEG-4 where this OpenCV lacks it
        video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, size)
        if video.isOpened():
            return video
    raise WireError(f"{path}: this OpenCV can write neither VP9 nor MPEG-4 video")
