"""A drive for the Rerun viewer: image, labels and figures on one time line."""

from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.engine.base import EngineError
from icnet_ros.packages import needed_for
from icnet_ros.report.outputs import Output, PaintedFrame
from icnet_ros.wire.image import jpeg_file


def require_rerun() -> Any:
    """Import and return rerun. Raises EngineError if it is not installed."""
    with needed_for("--rerun", EngineError):
        import rerun
    return rerun


class RerunRecording(Output):
    """An .rrd file of the frames that have labels."""

    def __init__(self, path: Path, classes: ClassTable) -> None:
        """Raises EngineError without rerun-sdk, and if the file cannot be written."""
        self._rerun = require_rerun()
        self._recording = self._rerun.RecordingStream("icnet_ros")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._recording.save(str(path))
        except RuntimeError as err:
            raise EngineError(f"{path}: cannot be written: {err}") from err
        table = list(zip(range(len(classes)), classes.names, classes.colours, strict=True))
        self._recording.log("camera", self._rerun.AnnotationContext(table), static=True)

    def add(self, frame: PaintedFrame) -> None:
        """See Output."""
        record, recording = frame.frame.record, self._recording
        recording.set_time("time", timestamp=frame.frame.message.recorded_ns / 1e9)
        recording.set_time("frame", sequence=record.number)
        jpeg = jpeg_file(frame.bgr).tobytes()
        recording.log("camera/image", self._rerun.EncodedImage(contents=jpeg, media_type="image/jpeg"))
        recording.log("camera/labels", self._rerun.SegmentationImage(frame.frame.labels, opacity=0.5))
        for name in ("confidence", "changed_pixels", "miou", "engine_ms"):
            value = getattr(record, name)
            if value == value:  # noqa: PLR0124  not NaN
                recording.log(f"figures/{name}", self._rerun.Scalars(value))

    def close(self) -> None:
        """See Output."""
        self._recording.flush()
        self._recording.disconnect()
