"""The demo: player, node and recorder as three processes over DDS."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from icnet_ros.live.processes import NodeProcess, graph_environment, wait_until
from icnet_ros.live.sample_drive import FRAMES, GROUND_TRUTH_TOPIC, SIZE, TOPIC, make_sample_drive
from icnet_ros.share import share
from icnet_ros.wire.bag import open_bag, prepare_bag_folder
from icnet_ros.wire.cdr import IMAGE, WireError
from icnet_ros.wire.decoders.table import topic_of, transport_of
from icnet_ros.wire.reading import first_picture
from icnet_ros.wire.topic import Topic, ros_name


@dataclass(frozen=True)
class DemoOptions:
    """Options of the demo. Empty topics are found by type; other empty strings are the defaults of the node.

    bag: None for the sample drive. sample_labels: whether that has ground truth; its classes are those of Cityscapes.
    """

    out: Path
    bag: Path | None = None
    engine: str = ""
    model: str = ""
    rate: float = 1.0
    image_topic: str = ""
    ground_truth_topic: str = ""
    precision: str = ""
    exit: str = "auto"
    coarse_branch_interval: int = 0
    sample_labels: bool = False


@dataclass(frozen=True)
class DemoRun:
    """Inputs and outputs of a finished demo.

    bag, image, ground_truth: the bag and topics that were played. sent_log: publish time of each frame. recording: bag
    with labels and latencies. counters: frame counters of the node (received, processed, dropped, failed).
    """

    bag: Path
    image: Topic
    ground_truth: Topic | None
    sent_log: Path
    recording: Path
    counters: Mapping[str, int] = field(default_factory=dict)


def run_demo(options: DemoOptions, progress: Callable[[str, int, int], None]) -> DemoRun:
    """Play a bag through a real node. `progress(what, done, total)` is called several times a second.

    Files: OUT/recording, OUT/logs, and OUT/drive if no bag was given.
    Raises DemoError if a process fails or times out, WireError for an unusable bag.
    """
    out = options.out
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    bag_path = options.bag or prepare_bag_folder(out / "drive")
    if options.bag is None:  # known before it is made
        image = _sample_topic(options.image_topic, TOPIC)
        ground_truth = _sample_topic(options.ground_truth_topic, GROUND_TRUTH_TOPIC) if options.sample_labels else None
        width, height = SIZE
    else:
        with open_bag(bag_path) as bag:
            image = bag.image_topic(options.image_topic)
            ground_truth = bag.ground_truth_topic(options.ground_truth_topic)
            height, width = first_picture(bag, image).pixels.shape[:2]
    run = DemoRun(bag_path, image, ground_truth, logs / "sent.jsonl", prepare_bag_folder(out / "recording", bag_path))
    run.sent_log.unlink(missing_ok=True)
    environment = graph_environment()
    with ExitStack() as stack:

        def start(module: str, *arguments: str) -> NodeProcess:
            return stack.enter_context(NodeProcess.start(module, arguments, logs, environment))

        node = start("main", "--ros-args", *_node_arguments(options, image, height, width))
        recorder = start("recorder", str(run.recording))
        if options.bag is None:  # while they start
            labels = share("demo", "leuvenA_labels.png") if options.sample_labels else None
            make_sample_drive(share("demo", "leuvenA.jpg"), bag_path, labels=labels)
        rate = str(options.rate)
        arguments = "--topic", image.name, "--rate", rate, "--log", str(run.sent_log), "--hold"
        player = start("player", str(bag_path), *arguments)
        processes = [node, recorder, player]
        wait_until(
            lambda: recorder.has_printed("READY"),
            processes,
            lambda: progress("starting the node", 0, image.messages),
        )
        player.go()

        def playing() -> None:
            sent = run.sent_log.read_text().count("\n") if run.sent_log.exists() else 0
            progress("playing", sent, image.messages)

        wait_until(lambda: player.has_printed("PLAYED"), processes, playing, timeout=None)
        playing()
        counters = _final_counters(recorder, processes, image.messages)
        for process in processes:  # then all end at the same time
            process.interrupt()
    return replace(run, counters=counters)


def _sample_topic(name: str, sample: str) -> Topic:
    """A topic of the sample drive; name: as the user asked for it. Raises WireError."""
    if name not in ("", sample):
        raise WireError(f"the sample drive has no topic {name!r}, only {TOPIC} and {GROUND_TRUTH_TOPIC}")
    return Topic(sample, IMAGE, FRAMES)


def _node_arguments(options: DemoOptions, image: Topic, height: int, width: int) -> list[str]:
    image = image._replace(name=ros_name(image.name))
    transport = transport_of(image.name, image.kind, image.encoding)
    parameters = {
        "use_sim_time": "true",
        "input_transport": transport,
        "warm_up_width": str(max(32, width)),
        "warm_up_height": str(max(32, height)),
        "exit": options.exit,
        "coarse_branch_interval": str(options.coarse_branch_interval),
        **({"engine": options.engine} if options.engine else {}),
        **({"precision": options.precision} if options.precision else {}),
        **({"model": str(Path(options.model).absolute())} if options.model else {}),
    }
    # A best-effort subscription may lose the first images after it was discovered; the demo is to lose none.
    parameters[f"qos_overrides.{image.name}.subscription.reliability"] = "reliable"
    remap = ["-r", f"image:={image.base}"]
    if image.name != (expected := topic_of(image.base, transport)):  # named in another way than image_transport does
        remap += ["-r", f"{expected}:={image.name}"]
    return [*remap, *(word for name, value in parameters.items() for word in ("-p", f"{name}:={value}"))]


def _final_counters(recorder: NodeProcess, processes: Sequence[NodeProcess], sent: int) -> dict[str, int]:
    """Counters of the node once every frame it received is done and they no longer change. sent: number of frames."""
    seen: list[dict[str, int]] = []
    skip = len(recorder.lines_after("COUNTERS "))

    def settled() -> bool:
        seen[:] = [json.loads(line) for line in recorder.lines_after("COUNTERS ")[skip:]]
        last = seen[-1] if seen else {"received": -1}
        if last["received"] < sent and (len(seen) < 3 or last != seen[-2]):  # more may be under way
            return False
        done = last["received"] == last["processed"] + last["dropped"] + last["failed"]
        return done and (last["recorded"] == last["processed"] or len(seen) >= 3)

    wait_until(settled, processes)
    return seen[-1]
