"""What the writers for annotation tools share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.metrics.frame import UInt8


@dataclass(frozen=True)
class Prelabelled:
    """A picture file and its predicted labels.

    name: without suffix. content: of the file. labels: class ids uint8 (H, W). score: how good they are, 0..1, mean
    confidence or mIoU; None if unknown.
    """

    name: str
    suffix: str
    content: bytes
    labels: UInt8
    score: float | None = None

    @property
    def file_name(self) -> str:
        """Name with suffix."""
        return self.name + self.suffix


class AnnotationWriter(ABC):
    """Writes a folder that an annotation tool imports; what lists pictures lists those with the lowest score first."""

    def __init__(self, folder: Path, name: str, classes: ClassTable) -> None:
        """name: of the drive or folder."""
        self.folder, self.name, self.classes = folder, name, classes

    @abstractmethod
    def add(self, picture: Prelabelled) -> None:
        """Write a picture and its labels."""

    def close(self) -> None:  # noqa: B027  not all tools have a file for all pictures
        """Write the files that describe the folder."""

    def write(self, path: str, content: bytes) -> None:
        """A file below the folder."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def worst_key(score: float | None) -> float:
    """Key for sorting: pictures without a score come last."""
    return 2.0 if score is None else score
