"""What the recorder of a demo wrote, read back, and judged as a replay."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import STAGES, LabelMap
from icnet_ros.evaluation.demo import Recording
from icnet_ros.evaluation.kept import Kept
from icnet_ros.evaluation.replay import Labeller, Progress, Replay, replay
from icnet_ros.evaluation.selection import Selection
from icnet_ros.render import UInt8
from icnet_ros.share import share
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import FRAME_LATENCY, deserialise, typestore
from icnet_ros.wire.image import Picture, decode_labels, stamp_ns


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
        stages = {name: getattr(latencies[stamp], f"{name}_ms") for name in STAGES if stamp in latencies}
        return LabelMap(answers.labels[stamp], None, stages)

    return label


def replay_recording(recording: Recording, answers: Answers, spec: ModelSpec, out: Path, progress: Progress) -> Replay:
    """What `icnet replay` would have found, had its engine given the answers of the node; also OUT/labels."""
    Kept(out).prepare(str(recording.answers), resume=False)
    selection = recording_selection(recording)
    return replay(recording.bag, by_recording(answers), spec.classes, out, selection, progress)


def recording_selection(recording: Recording) -> Selection:
    """The topics that were played."""
    return Selection(recording.image.name, recording.truth.name if recording.truth else "")
