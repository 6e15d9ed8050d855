"""Hugging Face datasets: parquet files with a column of images and one of label images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.formats.base import (
    Description,
    Format,
    Request,
    Values,
    class_table,
    files,
    id_mapping,
    read_json,
    shipped_classes,
    split_of,
    with_validation,
)

LABEL_WORDS = ("label", "mask", "annotation", "seg", "semantic", "gt", "truth", "target")
ROWS = 16  # read at once


def _files(folder: Path) -> list[Path]:
    return files(folder, "*.parquet", "*/*.parquet", "*/*/*.parquet")  # the last one: the hub's own conversion


def _describe(request: Request) -> Description:
    paths = _files(request.folder)
    counts: dict[str, int] = {}
    unlabelled = 0
    for number, path in enumerate(paths):
        split = split_of(path.name) or split_of(path.parent.name) or "train"
        for pictures in _rows(path):
            if pictures is None:
                unlabelled += 1
                continue
            for kind, content in zip(("images", "labels"), pictures, strict=True):
                target = request.drawn / split / kind / f"{counts.get(split, 0):06d}{_suffix(content)}"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            counts[split] = counts.get(split, 0) + 1
        request.progress(number + 1, len(paths))
    names = request.folder / "id2label.json"
    source: Values = {}
    table: Values | str
    if names.is_file() and not request.classes:
        classes = sorted((int(index), str(name)) for index, name in read_json(names).items())
        folded, source["mapping"] = id_mapping(classes, request)
        table, notes = class_table(folded.names), folded.notes
    else:
        table, _ = shipped_classes(request, "the parquet file has no id2label.json beside it, so it")
        notes = []
    if not counts:
        raise DatasetError(f"{request.folder}: no row of its parquet files has an image and a label")
    if unlabelled:
        notes = [*notes, f"{unlabelled} rows without an image or a label are left out"]
    where = request.drawn.relative_to(request.folder) if request.drawn.is_relative_to(request.folder) else request.drawn
    folders = {split: where / split for split in counts}
    splits = {
        split: [{"images": f"{one.as_posix()}/images", "labels": f"{one.as_posix()}/labels", **source}]
        for split, one in folders.items()
    }
    return Description(table, with_validation(splits), notes=notes)


def _rows(path: Path) -> Iterator[tuple[bytes, bytes] | None]:
    """Image and label file of each row, as they are stored; None for a row without one of them."""
    try:
        import pyarrow.parquet as pq
    except ModuleNotFoundError as err:
        raise DatasetError(f"{path}: reading parquet needs pyarrow: pip install 'icnet_ros[parquet]'") from err
    try:
        with pq.ParquetFile(path) as file:
            image, label = _columns(file.schema_arrow, path)
            for batch in file.iter_batches(ROWS, columns=[image, label]):
                for row in batch.to_pylist():
                    pictures = _content(row[image], path), _content(row[label], path)
                    yield pictures if all(pictures) else None
    except DatasetError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as err:
        raise DatasetError(f"{path}: not a parquet file with images ({type(err).__name__}: {err})") from err


def _columns(schema: Any, path: Path) -> tuple[str, str]:
    """Names of the columns of images and of label images. Raises DatasetError."""
    columns = [one.name for one in schema if "bytes" in [inner.name for inner in _fields(one.type)]]
    labels = [name for name in columns if any(word in name.lower() for word in LABEL_WORDS)]
    images = [name for name in columns if name not in labels]
    if len(images) != 1 or len(labels) != 1:
        raise DatasetError(f"{path}: its columns of images are {', '.join(columns) or 'none'}; one image and one label")
    return images[0], labels[0]


def _fields(kind: Any) -> list[Any]:
    return [kind.field(place) for place in range(kind.num_fields)]


def _content(stored: Any, path: Path) -> bytes:
    content: bytes = (stored or {}).get("bytes") or b""
    if not content and (stored or {}).get("path"):
        raise DatasetError(f"{path}: a row names a file instead of holding it; that is not supported")
    return content


def _suffix(content: bytes) -> str:
    kinds = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp", b"II*\x00": ".tif", b"BM": ".bmp"}
    return next((suffix for start, suffix in kinds.items() if content.startswith(start)), ".png")


FORMATS = (Format("parquet", "Hugging Face parquet", lambda folder: bool(_files(folder)), _describe),)
