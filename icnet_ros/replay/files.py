"""Segmentation of picture and video files."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from icnet_ros.engine.base import Engine, Frame, FrameError, LabelMap, Request
from icnet_ros.files import by_number
from icnet_ros.render.painter import Painter, UInt8, legend
from icnet_ros.render.video import VideoWriter
from icnet_ros.replay.ground import GroundDrive, GroundFiles, OpenView
from icnet_ros.replay.labelling import DamagedImages
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.pictures.jpeg import DamagedImageError
from icnet_ros.wire.pictures.picture_file import PICTURES, read_picture, write_picture
from icnet_ros.wire.pictures.video_file import opened, read_frames
from icnet_ros.wire.storage.files import first_below, is_recording

ENDINGS = ("_overlay.png", "_labels.png", "_colour.png")  # of the results of a picture


class MediaError(ValueError):
    """A picture or video that cannot be read or written."""


@dataclass(frozen=True)
class Media:
    """Input of `icnet segment`.

    video: whether it is one video, else pictures. count: number of frames, 0 if unknown. rate: frames per second of a
    video.
    """

    paths: tuple[Path, ...]
    video: bool
    count: int
    rate: float = 0.0


def find_media(path: Path) -> Media:
    """A picture, a folder of pictures (not its subfolders) or a video. Raises MediaError."""
    if path.is_dir():
        pictures = tuple(by_number(p for p in path.iterdir() if p.suffix.lower() in PICTURES))
        if not pictures:
            below = first_below(path, PICTURES)
            more = f"; there are some in {below.parent}" if below else ""
            more = f"; recordings of ROS: `icnet replay {path}`" if is_recording(path) else more
            raise MediaError(f"{path}: no pictures in this folder ({', '.join(PICTURES)}){more}")
        return Media(pictures, video=False, count=len(pictures))
    if not path.exists():
        raise MediaError(f"{path}: no such file or folder")
    if path.suffix.lower() in PICTURES:
        return Media((path,), video=False, count=1)
    if is_recording(path):  # FFmpeg would take an mcap file for a video, of all JPEGs that are in it
        raise MediaError(f"{path} is a recording of ROS: `icnet replay {path}`")
    try:
        with opened(path) as video:
            count, rate = max(0, int(video.get(cv2.CAP_PROP_FRAME_COUNT))), video.get(cv2.CAP_PROP_FPS) or 25.0
    except WireError as err:
        kinds = ", ".join(PICTURES)
        raise MediaError(f"{path}: neither a picture ({kinds}) nor a video OpenCV can open") from err
    return Media((path,), True, count, rate)


@dataclass(frozen=True)
class MediaSummary:
    """Statistics of the label maps.

    coverage: share of each class of the labelled pixels, most frequent first. changed_pixels: for a video, the mean
    share of pixels whose label differs from the previous frame; None otherwise. frames: how many were labelled.
    failed: why pictures of a folder were not labelled. damaged: what is missing of pictures that were.
    """

    coverage: dict[str, float]
    changed_pixels: float | None
    frames: int
    failed: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


def segment_media(
    media: Media,
    engine: Engine,
    out: Path,
    alpha: float,
    progress: Callable[[int, int], None],
    observe: Callable[[str, Path, LabelMap], None] | None = None,
    *,
    ground: OpenView | None = None,
    damaged: DamagedImages = "fail",
) -> MediaSummary:
    """Label every frame.

    Pictures: OUT/NAME_overlay.png, OUT/NAME_labels.png and OUT/NAME_colour.png. A video: OUT/NAME_overlay.webm,
    OUT/NAME_colour.webm and OUT/NAME_labels/000000.png, ... Label files hold class ids, colour files the classes in
    their colours; below each overlay is a legend. Also OUT/coverage.json.
    A picture of a folder that cannot be labelled is left out and named in the summary. observe: called with the
    name of the results of each picture, its file, and its labels and confidence. ground: also write grids and scans,
    see GroundFiles; those of a video to OUT/NAME_ground. damaged: see DamagedImages.
    Raises MediaError if a result would overwrite an input, and if nothing could be labelled.
    """
    _check_overwrites(media, out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise MediaError(f"{out}: no folder can be made there ({(err.strerror or str(err)).lower()})") from err
    classes = engine.spec.classes
    painter = Painter.for_network(classes.colours, trained=engine.spec.trained)
    totals = np.zeros(256, np.int64)
    previous: UInt8 | None = None
    changed: list[float] = []
    failed: list[str] = []
    incomplete: list[str] = []
    stem = media.paths[0].stem
    with (
        closing(VideoWriter(out / f"{stem}_overlay.webm", media.rate)) as overlays,
        closing(VideoWriter(out / f"{stem}_colour.webm", media.rate)) as colours,
        _ground_drive(out / f"{stem}_ground", ground if media.video else None, media.rate) as drive,
    ):
        for number, (name, read) in enumerate(_frames(media)):
            try:
                try:
                    bgr = read()
                except DamagedImageError as err:
                    if damaged == "fail":
                        raise
                    bgr = err.pixels()
                    incomplete.append(str(err))
                found = engine.segment([Frame(bgr)], Request(confidence=observe is not None))[0]
                labels = found.labels
            except (ValueError, FrameError) as err:
                reason = str(err) if isinstance(err, WireError) else f"{name}: {err}"
                if media.video or media.count == 1:
                    raise MediaError(reason) from err
                failed.append(reason)
                progress(number + 1, media.count)
                continue
            totals += np.bincount(labels.reshape(-1), minlength=256)
            colour = painter.colour(labels)
            overlay = painter.overlay(bgr, labels, alpha)
            overlay = np.concatenate([overlay, legend(classes.names, classes.colours, overlay.shape[1])])
            if media.video:
                if previous is not None:
                    changed.append(float((labels != previous).mean()))
                previous = labels
                overlays.write(overlay)
                colours.write(colour)
                _write(out / f"{name}_labels" / f"{number:06d}.png", labels)
                if drive is not None:
                    drive.add(number, round(1e9 * number / media.rate), overlay[: len(labels)], labels)
            else:
                if observe is not None:
                    observe(name, media.paths[number], found)
                for ending, result in zip(ENDINGS, (overlay, labels, colour), strict=True):
                    _write(out / f"{name}{ending}", result)
                if ground is not None:
                    GroundFiles(ground).write_picture(out, name, overlay[: len(labels)], labels)
            progress(number + 1, media.count)
    if not totals.sum():
        raise MediaError("; ".join(failed) or f"{media.paths[0]}: no frame could be read from this video")
    order = sorted(range(len(classes)), key=lambda index: -totals[index])
    labelled = max(1, totals[: len(classes)].sum())
    coverage = {classes.names[index]: float(totals[index] / labelled) for index in order}
    (out / "coverage.json").write_text(json.dumps(coverage, indent=2) + "\n")
    frames = number + 1 - len(failed)
    return MediaSummary(
        coverage, float(np.mean(changed)) if changed else None, frames, tuple(failed), tuple(incomplete)
    )


@contextmanager
def _ground_drive(folder: Path, ground: OpenView | None, rate: float) -> Iterator[GroundDrive | None]:
    if ground is None:
        yield None
        return
    with closing(GroundDrive(folder, ground, rate)) as drive:
        yield drive


def _check_overwrites(media: Media, out: Path) -> None:
    # The results of a video have longer names than the video.
    results = {(out / f"{name}{ending}").resolve() for name in _names(media) for ending in ENDINGS}
    for path in media.paths:
        if path.resolve() in results:
            raise MediaError(f"{path} would be overwritten by a result: give another folder than {out}")


def _names(media: Media) -> list[str]:
    """Names of the results. a.jpg and a.png in one folder must not overwrite each other's."""
    stems = [path.stem for path in media.paths]
    names = [p.stem if stems.count(p.stem) == 1 else p.name.replace(".", "_") for p in media.paths]
    return names if len(set(names)) == len(names) else [path.name for path in media.paths]


def _frames(media: Media) -> Iterator[tuple[str, Callable[[], UInt8]]]:
    """Name of the results and pixels of each frame, which may fail with WireError."""
    if media.video:
        path = media.paths[0]
        for frame in read_frames(path):
            yield path.stem, partial(np.asarray, frame)
    else:
        for name, path in zip(_names(media), media.paths, strict=True):
            yield name, partial(read_picture, path)


def _write(path: Path, picture: UInt8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, picture)
