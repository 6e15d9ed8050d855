"""Which label file, and which predictions of a teacher, belong to which image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import NamedTuple

from icnet_ros.dataset.base import DatasetError, image_files
from icnet_ros.files import read_text

LABEL_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm")
WRITTEN = (*LABEL_SUFFIXES, *(suffix.upper() for suffix in LABEL_SUFFIXES))


class Files(NamedTuple):
    """Files of an image. label: without label files the teacher's, without these the image itself."""

    image: Path
    label: Path
    teacher: Path | None


@dataclass(frozen=True)
class Pairing:
    """Images below a folder and their label files below another, or in the same.

    labels, teacher: folders of label files and of a teacher's predictions, None for images without. pattern: selects
    images, relative to `images`; "**/*" takes subfolders. label_suffix: follows the image's name in that of the label
    file. label_pattern: parts of the image's path, relative to `images`, that are others in that of the label file.
    names: a file with the images' names, a line each. part: shares of the images in the order of their names, from and
    to. skip_missing: leave out images without a file in one of the folders.
    """

    images: Path
    labels: Path | None = None
    teacher: Path | None = None
    pattern: str = "*"
    label_suffix: str = ""
    label_pattern: Mapping[str, str] = field(default_factory=dict)
    names: Path | None = None
    part: tuple[float, float] = (0.0, 1.0)
    skip_missing: bool = False

    def find(self) -> tuple[list[Files], list[str]]:
        """The files of each image, in order of the images' names, and what was left out. Raises DatasetError."""
        folders = [folder for folder in (self.labels, self.teacher) if folder is not None]
        files, notes = image_files((self.images, *folders), self.pattern)
        found = {image: self._beside(image) for image in self._listed(files)}
        taken = {path for paths in found.values() for path in paths}
        images = [image for image in found if image not in taken]  # label files may lie among the images
        if missing := [image for image in images if self._missing(found[image])]:
            if not self.skip_missing:
                label = self._missing(found[missing[0]])[0]
                raise DatasetError(
                    f"{label}: missing label file of {missing[0]}, and {len(missing) - 1} more of {len(images)}; "
                    f"{_similar(label)}`missing_labels: skip` leaves such images out"
                )
            notes.append(f"{self.images}: {len(missing)} images without a label file, e.g. {missing[0].name}")
            images = [image for image in images if not self._missing(found[image])]
        if not images:
            where = " and ".join(map(str, folders))
            raise DatasetError(f"{self.images}: no {self.pattern} images with label files in {where}")
        first, last = (self._cut(share, len(images)) for share in self.part)
        chosen = images[first:last]
        return [Files(one, [*found[one], one][0], found[one][-1] if self.teacher else None) for one in chosen], notes

    @staticmethod
    def _missing(beside: list[Path]) -> list[Path]:
        return [path for path in beside if not path.is_file()]

    @staticmethod
    def _cut(share: float, count: int) -> int:
        """How many of the images lie before a share; both parts of two or more images have one."""
        return min(max(round(share * count), 1), count - 1) if 0 < share < 1 and count > 1 else round(share * count)

    def _beside(self, image: Path) -> list[Path]:
        """The label file and the teacher's, of those that there are."""
        name = label = image.relative_to(self.images).with_suffix("").as_posix()
        for old, new in self.label_pattern.items():
            label = label.replace(old, new)
        stems = [self.labels / (label + self.label_suffix)] if self.labels else []
        stems += [self.teacher / name] if self.teacher else []
        return [self._picture(stem, image) for stem in stems]

    @staticmethod
    def _picture(stem: Path, image: Path) -> Path:
        """The picture of that name that is not the image itself."""
        first = stem.with_name(stem.name + LABEL_SUFFIXES[0])
        if first != image and first.is_file():
            return first
        others = (stem.with_name(stem.name + suffix) for suffix in WRITTEN[1:])
        return next((path for path in others if path != image and path.is_file()), first)

    def _listed(self, files: list[Path]) -> list[Path]:
        if self.names is None:
            return files
        try:
            lines = read_text(self.names).splitlines()
        except (OSError, UnicodeDecodeError) as err:
            raise DatasetError(f"{self.names}: not a list of images ({err})") from err
        by_name = {key: path for path in files for key in _names(path, self.images)}
        wanted = dict.fromkeys(line if line in by_name else _image_name(line) for line in lines if line.strip())
        if absent := [name for name in wanted if name not in by_name]:
            raise DatasetError(f"{self.names}: no image {absent[0]!r} in {self.images}, and {len(absent) - 1} more")
        return sorted({by_name[name] for name in wanted})


def _similar(label: Path) -> str:
    """What lies there instead of a label file, and what to do."""
    stem = label.stem
    beside = (path.name for path in label.parent.glob(f"{escape(stem)}*") if path.is_file())
    found = sorted(name for name in beside if not name[len(stem) : len(stem) + 1].isalnum())
    if len(found) > 1:
        return f"{found[0]} and {found[1]} are there: a pixel has one class, so put them into one file of ids; "
    if found and Path(found[0]).stem == stem:
        return f"{found[0]} is there: label files are {', '.join(LABEL_SUFFIXES)}; "
    if found:
        return f"for {found[0]}, add `label_suffix: {Path(found[0]).stem.removeprefix(stem)}`; "
    below = next(iter(sorted(label.parent.glob(f"*/{escape(label.name)}"))), None)
    return f"{below} is there: a folder for each class is not read, put them into one file of ids; " if below else ""


def _image_name(line: str) -> str:
    """The image of a line: its name, or a pair of image and label file as data sets list them."""
    words = line.strip().strip('"').lstrip("/").split()
    pair = len(words) == 2 and all(Path(word).suffix for word in words)
    return words[0] if pair else line.strip().strip('"').lstrip("/")


def _names(path: Path, folder: Path) -> tuple[str, str]:
    relative = path.relative_to(folder)
    return relative.as_posix(), relative.with_suffix("").as_posix()
