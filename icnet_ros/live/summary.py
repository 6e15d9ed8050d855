"""Live part of the report of a demo: frame counts, rates and latencies."""

import json
from collections import Counter
from pathlib import Path

from icnet_ros.files import write_text
from icnet_ros.live.demo import DemoRun
from icnet_ros.live.recording import Recording
from icnet_ros.metrics.statistics import percentiles
from icnet_ros.replay.metadata import LiveRun
from icnet_ros.report.document import Report

# Not transport and age: the node takes them from stamps and its clock, and /clock of a played bag has coarse ticks.
STAGES = ("wait", "decode", "preprocess", "inference", "postprocess", "publish", "total")


class Summary(LiveRun, total=False):
    """Content of summary.json."""

    bag: str | list[str]
    image_topic: str
    engine: str | None
    exit: str | None
    trained: bool
    miou: float | None
    pixel_accuracy: float | None
    checkpoint: str
    iou: dict[str, float | None] | None


def summarise_run(run: DemoRun, recording: Recording) -> LiveRun:
    """The key `live` of report.json: counts of frames, rates, and latencies in ms as the node measured them.

    image_to_labels_ms: from publishing an image to receiving its labels, by the system's clock in player and recorder.
    """
    lines = [json.loads(line) for line in run.sent_log.read_text().splitlines()]
    sent = {line["stamp_ns"]: line["published_ns"] for line in lines}
    published, labelled = len(lines), recording.count
    dropped, failed = run.counters["dropped"], run.counters["failed"]
    delays = [(recording.arrived[stamp] - sent[stamp]) / 1e6 for stamp in recording.labels if stamp in sent]
    arrived = recording.arrived.values()
    span = (max(arrived) - min(arrived)) / 1e9 if labelled > 1 else 0.0
    return {
        "frames": {
            "published": published,
            "labelled": labelled,
            "dropped": dropped,
            "failed": failed,
            "lost": published - labelled - dropped - failed,
        },
        "steps": Counter(f"{entry.exit} at {entry.input_rows} rows" for entry in recording.latencies),
        "labels_without_image": len(recording.labels.keys() - sent.keys()),
        "fps": (labelled - 1) / span if span else None,
        "latency_ms": {
            stage: percentiles([getattr(entry, f"{stage}_ms") for entry in recording.latencies]) for stage in STAGES
        },
        "image_to_labels_ms": percentiles(delays),
    }


def write_summary(report: Report, checkpoint: str, path: Path) -> Summary:
    """Write summary.json, an extract of report.json with stable keys (docs/quick_start.md); returns its content.

    checkpoint: file name.
    """
    summary: Summary = {
        "bag": report["bag"],
        "image_topic": report["image_topic"],
        "engine": report["engine"],
        "exit": report["exit"],
        "trained": report["trained"],
        "miou": report["miou"],
        "pixel_accuracy": report["pixel_accuracy"],
        **report["live"],
        "checkpoint": checkpoint,
        "iou": report["per_class"],
    }
    write_text(path, json.dumps(summary, indent=2) + "\n")
    return summary
