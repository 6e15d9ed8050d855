"""Writes everything that a report of one drive consists of, in one pass over its bag."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.render.painter import Painter
from icnet_ros.replay.drives import PREDICTIONS, Drive
from icnet_ros.replay.ground import OpenView
from icnet_ros.replay.ground_truth import open_ground_truth
from icnet_ros.replay.labelled_frames import labelled_frames
from icnet_ros.replay.metadata import RunMetadata
from icnet_ros.replay.replay_drives import DriveResult
from icnet_ros.replay.results.result import ReplayResult
from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.report.annotation_export import AnnotationExport
from icnet_ros.report.document import Report
from icnet_ros.report.html import PagePictures, write_page
from icnet_ros.report.outputs import (
    ContactSheet,
    Ground,
    Output,
    OverlayVideo,
    PaintedFrame,
    PredictionsBag,
    Thumbnails,
    WorstFrames,
)
from icnet_ros.report.report_json import LOWEST_ACCURACY, write_report_json
from icnet_ros.wire.bag import open_bag, prepare_bag_folder

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class OutputOptions:
    """Outputs in addition to report.json, frames.csv and report.html.

    confidence, overlay: also write the stored confidence maps, the overlays into the predictions bag. rerun: file for
    the Rerun viewer. ground: for a drive, the views for its grids and scans. export_worst, export_every: frames for
    `AnnotationExport`, 0 for none; export_for: its tool.
    """

    predictions: bool = True
    confidence: bool = False
    overlay: bool = False
    video: bool = True
    rerun: Path | None = None
    ground: Callable[[Drive], OpenView] | None = None
    export_worst: int = 0
    export_every: int = 0
    export_for: str = "cvat"


def write_drive_report(
    drive_result: DriveResult, spec: ModelSpec, options: OutputOptions, progress: Progress, title: str = ""
) -> Report:
    """Write the report of a drive into its folder; returns the content of report.json.

    Figures are written first, then the outputs from the stored label maps. Raises WireError if the bag cannot be
    opened, VideoError without a codec, FileNotFoundError if a label map is missing.
    """
    drive, result = drive_result.drive, drive_result.result
    if result is None:
        raise ValueError(f"{drive.name} has no result")
    folder = drive.folder
    report = write_report_json(result, spec.classes, drive_result.metadata, folder)
    if not options.video:
        (folder / "overlay.webm").unlink(missing_ok=True)  # it may show labels of an earlier run
    pictures = _write_outputs(drive_result, result, spec, options, progress)
    write_page(folder / "report.html", title or drive.name, report, result.frames, spec.classes, pictures)
    return report


def caption(metadata: RunMetadata, result: ReplayResult, spec: ModelSpec) -> str:
    """How accurate the network is known to be, for the contact sheet."""
    name, exit_ = metadata.get("checkpoint") or "network", metadata.get("exit") or ""
    if not spec.trained:
        return f"{name}: untrained, its labels mean nothing"
    here, accuracy = (result.matrix.miou(), result.matrix.pixel_accuracy()) if result.matrix else (None, None)
    known = spec.metrics.get(f"miou_{exit_}", spec.metrics.get("miou") if exit_ == spec.exits[-1] else None)
    # Descriptions of ONNX networks hold anything; scores of a network's classes are none of its groups.
    valid = isinstance(known, float) and 0 <= known <= 1 and not metadata.get("label_groups")
    scores = [f"mIoU {known:.3f} on its validation images"] if valid else []
    if here is None or accuracy is None:
        scores += ["not scored on this drive"]
    elif accuracy < LOWEST_ACCURACY:
        scores += ["the ground truth of this drive has other classes"]
    else:
        scores += [f"on this drive {accuracy:.0%} of the pixels are right, mIoU {here:.3f}"]
    return f"{name} {exit_}: {', '.join(scores)}"


def _write_outputs(
    drive_result: DriveResult, result: ReplayResult, spec: ModelSpec, options: OutputOptions, progress: Progress
) -> PagePictures:
    drive, records = drive_result.drive, [record for record in result.frames if not record.error]
    folder = drive.folder
    thumbnails, worst = Thumbnails(records), WorstFrames(records, spec)
    outputs: list[Output] = [thumbnails, worst]
    with ExitStack() as stack:

        def add(output: Output) -> None:
            outputs.append(stack.enter_context(closing(output)))

        if options.predictions:
            store = ResultStore(folder)
            bag = prepare_bag_folder(folder / PREDICTIONS, drive.bag)
            add(PredictionsBag(bag, store, confidence=options.confidence, overlay=options.overlay))
        if options.video:
            add(OverlayVideo(folder / "overlay.webm", records))
        if options.ground is not None:
            add(Ground(folder / "ground", options.ground(drive), records))
        text = caption(drive_result.metadata, result, spec)
        add(ContactSheet(folder / "contact_sheet.png", records, spec.classes, text))
        if options.rerun is not None:
            from icnet_ros.report.rerun import RerunRecording

            add(RerunRecording(options.rerun, spec.classes))
        if options.export_worst or options.export_every:
            add(
                AnnotationExport(
                    folder / "annotation",
                    drive.name,
                    records,
                    spec.classes,
                    worst=options.export_worst,
                    every=options.export_every,
                    tool=options.export_for,
                )
            )
        ground_truth_bag = stack.enter_context(open_bag(drive.bag))
        ground_truth = None
        if drive_result.index is not None:
            # The replay has already warned about unusable ground truth.
            ignored = ReplayResult(result.image_topic)
            ground_truth = open_ground_truth(
                ground_truth_bag, drive_result.index, spec.classes, drive.selection, ignored, drive_result.groups
            )
        painter = Painter.for_network(spec.classes.colours, trained=spec.trained)
        for done, frame in enumerate(labelled_frames(drive_result), 1):
            record, annotated = frame.record, None
            if ground_truth is not None and worst.needs_ground_truth(record.number):
                annotated = ground_truth.of(record.number, record.stamp_ns, record.recorded_ns)
            painted = PaintedFrame(frame, painter, annotated)
            for output in outputs:
                output.add(painted)
            progress(done, len(records))
    return PagePictures(thumbnails.jpegs, worst.panels, "ground/birdseye.webm" if options.ground else "")
