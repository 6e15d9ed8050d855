"""A replay for the Rerun viewer: image, labels and figures on one time line."""

from pathlib import Path
from typing import Any

import cv2

from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import EngineError
from icnet_ros.evaluation.replay import Progress, Replay, Selection, label_file, selected
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.image import decode_compressed, decode_image, jpeg_file


def write_rerun(
    found: Replay, bag_path: Path, spec: ModelSpec, folder: Path, selection: Selection, path: Path, progress: Progress
) -> None:
    """An .rrd file of the frames that have labels. Raises EngineError without rerun-sdk, WireError."""
    try:
        import rerun as rr
    except ModuleNotFoundError as err:
        raise EngineError("--rerun needs the package rerun-sdk: pip install 'icnet_ros[rerun]'") from err
    rows = {row.number: row for row in found.rows if not row.problem}
    recording = rr.RecordingStream("icnet_ros")
    recording.save(str(path))
    classes = spec.classes
    table = list(zip(range(len(classes)), classes.names, classes.colours, strict=True))
    recording.log("camera", rr.AnnotationContext(table), static=True)
    try:
        with open_bag(bag_path) as bag:
            image = bag.image_topic(selection.image_topic)
            decode = decode_compressed if image.compressed else decode_image
            for number, message in selected(bag, image, selection):
                row = rows.get(number)
                if row is None:
                    continue
                recording.set_time("time", timestamp=message.recorded_ns / 1e9)
                recording.set_time("frame", sequence=number)
                jpeg = jpeg_file(decode(message.data).bgr()).tobytes()
                recording.log("camera/image", rr.EncodedImage(contents=jpeg, media_type="image/jpeg"))
                labels: Any = cv2.imread(str(label_file(folder, number)), cv2.IMREAD_UNCHANGED)
                recording.log("camera/labels", rr.SegmentationImage(labels, opacity=0.5))
                for name in ("confidence", "changed", "miou", "engine_ms"):
                    value = getattr(row, name)
                    if value == value:  # noqa: PLR0124  not NaN
                        recording.log(f"figures/{name}", rr.Scalars(value))
                progress(number + 1, len(rows))
    except WireError:
        if not found.damage:
            raise
    finally:
        recording.flush()
        recording.disconnect()
