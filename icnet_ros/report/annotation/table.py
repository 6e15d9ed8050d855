"""The annotation tools that predictions can be written for."""

from pathlib import Path

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.report.annotation.base import AnnotationWriter
from icnet_ros.report.annotation.coco import CocoWriter
from icnet_ros.report.annotation.cvat import CvatWriter
from icnet_ros.report.annotation.label_studio import LabelStudioWriter
from icnet_ros.report.annotation.labelme import LabelmeWriter
from icnet_ros.report.annotation.segments_ai import SegmentsWriter
from icnet_ros.report.errors import AnnotationError

WRITERS: dict[str, type[AnnotationWriter]] = {
    "cvat": CvatWriter,
    "label-studio": LabelStudioWriter,
    "labelme": LabelmeWriter,
    "coco": CocoWriter,
    "segments-ai": SegmentsWriter,
}


def check_tool(tool: str) -> None:
    """Raise AnnotationError for a tool that there is no writer for."""
    if tool not in WRITERS:
        raise AnnotationError(f"predictions cannot be written for {tool!r}; there are {', '.join(WRITERS)}")


def open_writer(tool: str, folder: Path, name: str, classes: ClassTable) -> AnnotationWriter:
    """A writer into an empty folder: `folder`, or FOLDER-2, ... Raises AnnotationError."""
    check_tool(tool)
    return WRITERS[tool](unused_folder(folder), name, classes)


def unused_folder(path: Path) -> Path:
    """`path`, or PATH-2, PATH-3, ...: labels of an earlier export may have been corrected by hand."""
    number, found = 2, path
    while found.exists() and any(found.iterdir()):
        number, found = number + 1, path.with_name(f"{path.name}-{number}")
    return found
