"""The demo: player, node and recorder as three processes over DDS, and what they leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from icnet_ros.dds import profile_environment
from icnet_ros.share import share
from icnet_ros.wire.bag import fresh_bag_folder, open_bag
from icnet_ros.wire.drive import make_drive
from icnet_ros.wire.image import decode_compressed, decode_image
from icnet_ros.wire.storage import Topic

READY_TIMEOUT = 600.0  # s; building an engine may take minutes


class DemoError(RuntimeError):
    """A process of the demo that did not do its part; ends with the tail of its log."""


@dataclass(frozen=True)
class DemoOptions:
    """What to play and with what. Empty strings: found by type, defaults of the node."""

    out: Path
    bag: Path | None = None
    engine: str = ""
    model: str = ""
    rate: float = 1.0
    image_topic: str = ""
    truth_topic: str = ""
    precision: str = ""


@dataclass(frozen=True)
class Recording:
    """A finished run.

    bag, image, truth: what was played. sent_log: when each frame went out. answers: the bag with
    labels and latencies. counters: what the node says became of the frames (received, processed,
    dropped, failed).
    """

    bag: Path
    image: Topic
    truth: Topic | None
    sent_log: Path
    answers: Path
    counters: Mapping[str, int] = field(default_factory=dict)


def run_demo(options: DemoOptions, progress: Callable[[str, int, int], None]) -> Recording:
    """Play a bag through a real node. `progress(what, done, total)` is called several times a second.

    Files: OUT/recording (the answers), OUT/logs, and OUT/drive if no bag was given.
    Raises DemoError if a process fails or is late, WireError for an unusable bag.
    """
    out = options.out
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    bag_path = options.bag
    if bag_path is None:
        bag_path = fresh_bag_folder(out / "drive")
        make_drive(share("demo", "leuvenA.jpg"), bag_path)
    with open_bag(bag_path) as bag:
        image = bag.image_topic(options.image_topic)
        truth = bag.truth_topic(options.truth_topic)
        first = next(bag.messages(image.name))
    height, width = (decode_compressed if image.compressed else decode_image)(first.data).pixels.shape[:2]
    recording = Recording(bag_path, image, truth, logs / "sent.jsonl", fresh_bag_folder(out / "recording"))
    recording.sent_log.unlink(missing_ok=True)

    parameters = {
        "use_sim_time": "true",
        "input_transport": "compressed" if image.compressed else "raw",
        "warm_up_width": str(max(32, width)),
        "warm_up_height": str(max(32, height)),
        **({"engine": options.engine} if options.engine else {}),
        **({"precision": options.precision} if options.precision else {}),
        **({"model": str(Path(options.model).absolute())} if options.model else {}),
    }
    remap = ["-r", f"image:={image.base}"]
    settings = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    environment = graph_environment()
    with ExitStack() as stack:

        def start(module: str, *arguments: str) -> "_Process":
            return stack.enter_context(_Process.start(module, arguments, logs, environment))

        node = start("main", "--ros-args", *remap, *settings)
        recorder = start("recorder", str(recording.answers))
        _wait(
            lambda: recorder.says("READY"), [node, recorder], lambda: progress("starting the node", 0, image.messages)
        )
        player = start(
            "player",
            str(bag_path),
            "--topic",
            image.name,
            "--rate",
            str(options.rate),
            "--log",
            str(recording.sent_log),
        )
        processes = [node, recorder, player]

        def playing() -> None:
            sent = recording.sent_log.read_text().count("\n") if recording.sent_log.exists() else 0
            progress("playing", sent, image.messages)

        _wait(lambda: player.says("PLAYED"), processes, playing, timeout=None)
        playing()
        counters = _settled(recorder, processes)
    return replace(recording, counters=counters)


def graph_environment() -> dict[str, str]:
    """Environment for a ROS graph on this machine only, with the shipped DDS profile."""
    environment = dict(os.environ)
    environment.update(profile_environment())
    environment.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


class _Process:
    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @classmethod
    @contextmanager
    def start(
        cls, module: str, arguments: tuple[str, ...], logs: Path, environment: Mapping[str, str]
    ) -> "Iterator[_Process]":
        """Run icnet_ros.node.MODULE until the end of the block, then SIGINT and wait."""
        log = logs / f"{module}.log"
        command = [sys.executable, "-m", f"icnet_ros.node.{module}", *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        try:
            yield cls(module, process, log)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def says(self, word: str) -> bool:
        return any(line.strip() == word for line in self.log.read_text(errors="replace").splitlines())

    def all_after(self, start: str) -> list[str]:
        lines = self.log.read_text(errors="replace").splitlines(keepends=True)
        return [line.removeprefix(start) for line in lines if line.startswith(start) and line.endswith("\n")]

    def check(self) -> None:
        if (code := self.process.poll()) is not None:
            raise DemoError(f"the {self.name} process ended with exit code {code}:\n{self.tail()}")

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def _wait(
    done: Callable[[], bool],
    processes: list[_Process],
    meanwhile: Callable[[], None],
    timeout: float | None = READY_TIMEOUT,
) -> None:
    deadline = time.monotonic() + timeout if timeout else None
    while not done():
        for process in processes:
            process.check()
        if deadline and time.monotonic() > deadline:
            tails = "\n".join(f"--- {p.name}\n{p.tail()}" for p in processes)
            raise DemoError(f"nothing happened for {timeout:g} s:\n{tails}")
        meanwhile()
        time.sleep(0.2)


def _settled(recorder: _Process, processes: list[_Process]) -> dict[str, int]:
    """Counters of the node once every frame it received is done and they no longer change."""
    seen: list[dict[str, int]] = []
    skip = len(recorder.all_after("COUNTERS "))

    def settled() -> bool:
        seen[:] = [json.loads(line) for line in recorder.all_after("COUNTERS ")[skip:]]
        if len(seen) < 3 or seen[-1] != seen[-2]:
            return False
        last = seen[-1]
        return last["received"] == last["processed"] + last["dropped"] + last["failed"]

    _wait(settled, processes, lambda: None)
    return seen[-1]
