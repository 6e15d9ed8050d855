"""Live part of the report of a demo: frame counts, rates and latencies."""

import json
from pathlib import Path
from typing import Any

from icnet_ros.files import write_text
from icnet_ros.live.demo import DemoRun
from icnet_ros.live.recording import Recording
from icnet_ros.metrics.statistics import percentiles

STAGES = ("transport", "wait", "decode", "preprocess", "inference", "postprocess", "publish", "total", "age")


def summarise_run(run: DemoRun, recording: Recording) -> dict[str, Any]:
    """The key `live` of report.json: counts of frames, rates, and latencies in ms as the node measured them.

    image_to_labels_ms: from publishing an image to receiving its labels, measured outside the node.
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
        "labels_without_image": len(recording.labels.keys() - sent.keys()),
        "fps": (labelled - 1) / span if span else None,
        "latency_ms": {
            stage: percentiles([getattr(entry, f"{stage}_ms") for entry in recording.latencies]) for stage in STAGES
        },
        "image_to_labels_ms": percentiles(delays),
    }


def write_summary(report: dict[str, Any], checkpoint: str, path: Path) -> dict[str, Any]:
    """Write summary.json, an extract of report.json with stable keys (docs/quick_start.md); returns its content.

    checkpoint: file name.
    """
    names = ("bag", "image_topic", "engine", "exit", "trained", "miou", "pixel_accuracy")
    summary: dict[str, Any] = {name: report[name] for name in names} | report["live"]
    summary |= {"checkpoint": checkpoint, "iou": report["per_class"]}
    write_text(path, json.dumps(summary, indent=2) + "\n")
    return summary
