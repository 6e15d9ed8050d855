"""The report of a demo."""

from collections.abc import Callable
from pathlib import Path

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.live.demo import DemoRun
from icnet_ros.live.recording import read_recording, replay_recording
from icnet_ros.live.summary import Summary, summarise_run, write_summary
from icnet_ros.report.writer import OutputOptions, write_drive_report
from icnet_ros.wire.bag import bag_hash


def write_demo_report(
    run: DemoRun, spec: ModelSpec, checkpoint: str, out: Path, progress: Callable[[str, int, int], None]
) -> Summary:
    """Write the files of `icnet replay`, with a key `live` in report.json, and summary.json; returns the summary.

    checkpoint: file name of the checkpoint.
    """
    recording = read_recording(run.recording)
    drive_result = replay_recording(run, recording, spec, out, lambda done, total: progress("scoring", done, total))
    last = recording.latencies[-1] if recording.latencies else None
    exits = {entry.exit for entry in recording.latencies}
    drive_result.metadata = {
        "bag": str(run.bag),
        "bag_sha256": bag_hash(run.bag),
        "checkpoint": Path(checkpoint).stem,
        "trained": spec.trained,
        "engine": last.engine if last else None,
        "exit": "auto" if len(exits) > 1 else next(iter(exits), None),
        "live": summarise_run(run, recording),
    }
    options = OutputOptions(predictions=False)
    report = write_drive_report(
        drive_result, spec, options, lambda done, total: progress("writing the report", done, total)
    )
    return write_summary(report, checkpoint, out / "summary.json")
