"""Reads the recording of a demo and scores it like a replay."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import STAGES, LabelMap
from icnet_ros.live.demo import DemoRun
from icnet_ros.metrics.frame import UInt8
from icnet_ros.replay.drive_index import index_drive
from icnet_ros.replay.drives import Drive
from icnet_ros.replay.labelling import Predictor
from icnet_ros.replay.replay_drive import replay_drive
from icnet_ros.replay.replay_drives import DriveResult
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.replay.selection import Selection
from icnet_ros.share import share
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import FRAME_LATENCY, deserialise, typestore
from icnet_ros.wire.decoders.image import decode_labels
from icnet_ros.wire.image import Picture, stamp_ns


@dataclass
class Recording:
    """Label maps and times of arrival (ns) by image stamp (ns), and latencies (FrameLatency).

    count: number of label messages; larger than the number of label maps if images share a stamp.
    """

    labels: dict[int, UInt8] = field(default_factory=dict)
    arrived: dict[int, int] = field(default_factory=dict)
    latencies: list[Any] = field(default_factory=list)
    count: int = 0


def read_recording(path: Path) -> Recording:
    """Read the bag of a recorder. Raises WireError."""
    recording = Recording()
    store = typestore(share("msg", "FrameLatency.msg"))
    with open_bag(path) as bag:
        for message in bag.messages(*(topic.name for topic in bag.topics())):
            if message.topic.endswith("/labels"):
                header, labels = decode_labels(message.data)
                recording.count += 1
                recording.labels[stamp_ns(header)] = labels
                recording.arrived[stamp_ns(header)] = message.recorded_ns
            else:
                recording.latencies.append(deserialise(message.data, FRAME_LATENCY, store))
    return recording


def recording_predictor(recording: Recording) -> Predictor:
    """Predictor that returns the recorded labels; raises ValueError for images the node did not label."""
    latencies = {stamp_ns(entry.header): entry for entry in recording.latencies}

    def predict(picture: Picture) -> LabelMap:
        stamp = stamp_ns(picture.header)
        if stamp not in recording.labels:
            raise ValueError("dropped, failed or lost in the live run")
        stages = {name: getattr(latencies[stamp], f"{name}_ms") for name in STAGES if stamp in latencies}
        return LabelMap(recording.labels[stamp], stages=stages)

    return predict


def replay_recording(
    run: DemoRun, recording: Recording, spec: ModelSpec, out: Path, progress: Callable[[int, int], None]
) -> DriveResult:
    """Replay the bag with the recorded labels of the node instead of an engine; also writes OUT/labels."""
    selection = Selection(run.image.name, run.ground_truth.name if run.ground_truth else "")
    drive = Drive(run.bag.name, run.bag, out, selection)
    ResultStore(out).prepare(str(run.recording), resume=False)
    with open_bag(run.bag) as bag:
        index = index_drive(bag, selection)
    predict = recording_predictor(recording)
    result = replay_drive(run.bag, predict, spec.classes, out, selection, progress, index=index)
    result.newly_labelled = 0  # labelled by the node at the rate of the bag: no throughput
    return DriveResult(drive, result, index)
