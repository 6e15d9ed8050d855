"""A replay for the Rerun viewer: image, labels and figures on one time line."""

from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import EngineError
from icnet_ros.evaluation.replay import Progress, Replay
from icnet_ros.evaluation.selection import Selection
from icnet_ros.evaluation.shown import shown
from icnet_ros.wire.image import jpeg_file
from icnet_ros.wire.index import Index


def require_rerun() -> Any:
    """The package. Raises EngineError without it."""
    try:
        import rerun
    except ModuleNotFoundError as err:
        raise EngineError("--rerun needs the package rerun-sdk: pip install 'icnet_ros[rerun]'") from err
    return rerun


def write_rerun(
    found: Replay,
    bag_path: Path,
    spec: ModelSpec,
    folder: Path,
    selection: Selection,
    images: Index,
    path: Path,
    progress: Progress,
) -> None:
    """An .rrd file of the frames that have labels. Raises EngineError without rerun-sdk, and what `shown` does."""
    rr = require_rerun()
    recording = rr.RecordingStream("icnet_ros")
    recording.save(str(path))
    classes = spec.classes
    table = list(zip(range(len(classes)), classes.names, classes.colours, strict=True))
    recording.log("camera", rr.AnnotationContext(table), static=True)
    count = sum(not row.problem for row in found.rows)
    try:
        for done, frame in enumerate(shown(found, bag_path, folder, selection, images), 1):
            recording.set_time("time", timestamp=frame.message.recorded_ns / 1e9)
            recording.set_time("frame", sequence=frame.row.number)
            jpeg = jpeg_file(frame.picture.bgr()).tobytes()
            recording.log("camera/image", rr.EncodedImage(contents=jpeg, media_type="image/jpeg"))
            recording.log("camera/labels", rr.SegmentationImage(frame.labels, opacity=0.5))
            for name in ("confidence", "changed", "miou", "engine_ms"):
                value = getattr(frame.row, name)
                if value == value:  # noqa: PLR0124  not NaN
                    recording.log(f"figures/{name}", rr.Scalars(value))
            progress(done, count)
    finally:
        recording.flush()
        recording.disconnect()
