"""Recorded drives whose ground truth is known."""

import json
import sys

import cv2
import numpy as np
import pytest

from icnet_ros.command.main import main
from icnet_ros.engine.base import Frame
from icnet_ros.replay.drive_index import index_drive
from icnet_ros.replay.drives import Drive
from icnet_ros.replay.labelling import engine_predictor
from icnet_ros.replay.replay_drive import replay_drive
from icnet_ros.replay.replay_drives import DriveResult
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.replay.selection import Selection
from icnet_ros.report.report_json import build_report
from icnet_ros.report.writer import OutputOptions, write_drive_report
from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import COMPRESSED_IMAGE, IMAGE
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.image import encode_image, encode_jpeg, make_header

FRAMES = 10  # of 128x96 and strong colours: on others the tiny network sees one class only


def pictures(count=FRAMES, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        coarse = np.clip(rng.normal(115, 128, (6, 8, 3)), 0, 255).astype(np.uint8)
        yield cv2.resize(coarse, (128, 96), interpolation=cv2.INTER_CUBIC)


def make_bag(
    path,
    engine,
    *,
    offset=0,
    damaged=(),
    frames=FRAMES,
    seed=0,
    cameras=("cam",),
    bad_ground_truth=(),
    began=10**9,
    lap=10**6,
):
    """10 Hz; the ground truth is what the engine labels with a quarter of the rows wrong, stamped `offset` ns later.

    lap: after so many frames the clock of the stamps begins anew.
    """
    topics = [
        topic
        for name in cameras
        for topic in ((f"/{name}/compressed", COMPRESSED_IMAGE), (f"/{name}/ground_truth", IMAGE))
    ]
    writer = BagWriter(path, topics)
    for number, bgr in enumerate(pictures(frames, seed)):
        time = began + number * 10**8
        stamp = began + number % lap * 10**8
        for name in cameras:
            jpeg = encode_jpeg(make_header(stamp, name), bgr)
            annotated = engine.segment([Frame(decode_compressed(jpeg).pixels)])[0].labels.copy()
            annotated[:24] = (annotated[:24] + 1) % 3
            writer.write(f"/{name}/compressed", jpeg if number not in damaged else jpeg[:200], time)
            stamped = make_header(stamp + offset, name)
            message = encode_image(stamped, annotated, "mono8")
            writer.write(f"/{name}/ground_truth", message if number not in bad_ground_truth else message[:200], time)
    writer.close()
    return path


def without_timings(report):
    return {key: value for key, value in report.items() if key not in ("latency_ms", "throughput_fps")}


def icnet(*words):
    """Exit code of the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["icnet", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            raise SystemExit(main())
    return ended.value.code


def run(path, engine, out, identity="same", part=None, confidence=False, stopped=None, trained=False, **chosen):
    """The result of a replay, and its report."""
    ResultStore(out).prepare(identity)
    classes, selection = engine.spec.classes, Selection(**chosen)
    result = replay_drive(
        path, engine_predictor(engine), classes, out, selection, lambda *_: None,
        part=part, confidence=confidence, should_stop=stopped or (lambda: False),
    )  # fmt: skip
    return result, build_report(result, classes, {"trained": True} if trained else {})


def write(result, path, engine, out, **options):
    """Write its report; the pictures of the page, which are looked at on their way."""
    pictures = []
    with open_bag(path) as bag:
        index = index_drive(bag, Selection())
    drive_result = DriveResult(Drive("bag", path, out, Selection()), result, index, {"trained": engine.spec.trained})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("icnet_ros.report.writer.write_page", lambda *words: pictures.append(words[-1]))
        write_drive_report(drive_result, engine.spec, OutputOptions(**options), lambda *_: None)
    return pictures[0]


def read_json(path):
    return json.loads(path.read_text())
