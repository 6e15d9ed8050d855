"""Reports of all drives of a replay: one for each and, if there are several, one of all together."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import EngineError
from icnet_ros.replay.metadata import RunMetadata
from icnet_ros.replay.replay_drives import DriveResult, ReplayRun
from icnet_ros.replay.results.result import ReplayResult, merge_results
from icnet_ros.report.document import ListedDrive, Report
from icnet_ros.report.html import PagePictures, write_page
from icnet_ros.report.report_json import write_report_json
from icnet_ros.report.writer import OutputOptions, write_drive_report
from icnet_ros.wire.cdr import WireError

Progress = Callable[[str, int, int], None]  # (activity, done, total)


@dataclass(frozen=True)
class WrittenReport:
    """report: content of report.json, combined if there are several drives. page: HTML page to open first."""

    report: Report
    page: Path


def write_reports(run: ReplayRun, options: OutputOptions, out: Path, progress: Progress) -> WrittenReport:
    """Write the report of each drive into its folder and, for several drives, a combined one into `out`.

    Raises EngineError or WireError if no drive has a result. The failure of a single drive is raised.
    """
    if len(run.drives) == 1:
        return _write_single(run.drives[0], run, options, out, progress)
    listing = []
    for one in run.drives:
        report = _write_one_of_several(one, run.spec, options, progress)
        listing.append(_listed(one, report))
    results = [one.result for one in run.drives if one.result is not None]
    if not results:
        raise WireError("none of the drives could be replayed: " + "; ".join(entry["error"] for entry in listing))
    together = merge_results(results)
    together.seconds = run.wall_s or together.seconds
    report = write_report_json(together, run.spec.classes, _shared_metadata(run.drives), out, drives=listing)
    page = out / "index.html"
    write_page(page, f"{len(run.drives)} drives", report, together.frames, run.spec.classes, PagePictures())
    return WrittenReport(report, page)


def _write_single(
    one: DriveResult, run: ReplayRun, options: OutputOptions, out: Path, progress: Progress
) -> WrittenReport:
    if one.result is None:
        raise EngineError(one.error)
    if one.error:
        one.result.corrupt(one.error)
    one.result.seconds = run.wall_s or one.result.seconds
    report = write_drive_report(one, run.spec, options, _named(progress, one))
    return WrittenReport(report, out / "report.html")


def _write_one_of_several(
    one: DriveResult, spec: ModelSpec, options: OutputOptions, progress: Progress
) -> Report | None:
    """Write the report of a drive; on failure set its error instead of raising, so that the others continue."""
    result = one.result
    if result is None:
        return None
    if one.error:
        result.corrupt(one.error)
    _tag(result, one.drive.name)
    report = None
    try:
        report = write_drive_report(one, spec, options, _named(progress, one))
    except Exception as err:  # any failure: the other drives must still be reported
        result.corrupt(str(err) or type(err).__name__)
        with suppress(OSError):
            report = write_report_json(result, spec.classes, one.metadata, one.drive.folder)
    one.error = result.corruption or ("" if result.completed else "interrupted")
    return report


def _tag(result: ReplayResult, name: str) -> None:
    """Set the drive name of its frames and warnings."""
    result.frames = [replace(frame, drive=name) for frame in result.frames]
    result.warnings = {warning._replace(drive=name) for warning in result.warnings}


def _named(progress: Progress, one: DriveResult) -> Callable[[int, int], None]:
    return lambda done, total: progress(f"writing {one.drive.name}", done, total)


def _listed(one: DriveResult, report: Report | None) -> ListedDrive:
    return {
        "drive": one.drive.name,
        "folder": one.drive.folder.name if report else None,
        "read": report["frames"]["read"] if report else 0,
        "labelled": report["frames"]["labelled"] if report else 0,
        "errors": report["errors"] if report else [],
        "miou": report["miou"] if report else None,
        "error": one.error if report else one.error or "interrupted",
    }


def _shared_metadata(drives: Sequence[DriveResult]) -> RunMetadata:
    """Metadata of all drives together."""
    known = next(one.metadata for one in drives if one.metadata)  # the same for all, except the keys replaced below
    hashes = [one.metadata.get("bag_sha256") for one in drives]
    return {
        **known,
        "bag": [str(one.drive.bag) for one in drives],
        "bag_sha256": [one if isinstance(one, str) else None for one in hashes],
        "selection": {name: value for name, value in known["selection"].items() if name != "image_topic"},
    }
