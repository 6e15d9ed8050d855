"""Write the dataset.yaml of an export."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from icnet_ros.checkpoint.classes import ClassTable, load_classes
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.descriptor import is_yolo
from icnet_ros.dataset.formats.base import Description, Format, Request, Values
from icnet_ros.dataset.formats.table import find_format
from icnet_ros.dataset.label_files import IGNORE
from icnet_ros.dataset.made_from import DRAWN, SET_ASIDE
from icnet_ros.documents import yaml_or_none
from icnet_ros.version import __version__

FILE = "dataset.yaml"


@dataclass(frozen=True)
class Converted:
    """The dataset.yaml that was written, what was recognised, and what its user should know."""

    file: Path
    format: Format
    notes: list[str]


def convert(
    folder: Path,
    out: Path | None = None,
    *,
    name: str = "",
    background: str = "",
    classes: str = "",
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Converted:
    """Recognise an export and write its dataset.yaml; images stay where they are.

    out: the file, FOLDER/dataset.yaml by default. Label files that must be drawn (polygons, run lengths) go into the
    folder icnet_labels beside it. name: of the format, if it is not to be recognised. background, classes: see
    `Request`. Raises DatasetError.
    """
    folder = folder.resolve()
    found = find_format(folder, name)
    file = (out or folder / FILE).resolve()
    drawn = file.parent / DRAWN
    for path in (file, drawn):
        if path.exists() and not overwrite:
            raise DatasetError(f"{path}: is there already, perhaps edited; --overwrite replaces it")
    if file.exists() and is_yolo(yaml_or_none(file)):
        raise DatasetError(f"{file}: a YAML file of YOLO, which is not replaced: name another place with --out")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _set_aside(drawn):
            description = found.describe(Request(folder, drawn, background, classes, progress))
            file.write_text(_text(description, found, folder, file))
    except (KeyError, TypeError, AttributeError, IndexError) as err:  # JSON of another form than the tool writes
        raise DatasetError(
            f"{folder}: looks like {found.title}, but is not what that writes ({type(err).__name__}: {err})"
        ) from err
    except OSError as err:
        raise DatasetError(f"{file}: cannot be written ({err}); name another place with --out") from err
    return Converted(file, found, description.notes)


@contextmanager
def _set_aside(drawn: Path) -> Iterator[None]:
    """Make room for new label files; those of before come back if anything fails."""
    before = drawn.with_name(SET_ASIDE)
    if drawn.exists():
        drawn.rename(before)
    try:
        yield
    except BaseException:
        shutil.rmtree(drawn, ignore_errors=True)
        if before.exists():
            before.rename(drawn)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _text(description: Description, found: Format, folder: Path, file: Path) -> str:
    """The dataset.yaml, with paths relative to its folder."""
    names = _names(description.classes)
    splits = {
        split: [
            {key: _moved(key, value, folder, file.parent) for key, value in _said(one, names).items() if value != ""}
            for one in sources
        ]
        for split, sources in description.splits.items()
    }
    content: dict[str, Any] = {"name": folder.name, "classes": description.classes}
    if description.licence:
        content["licence"] = description.licence
    head = [
        f"{found.title}, recognised by icnet_ros {__version__} (icnet dataset convert). Edit it as you like:",
        "docs/labels/index.md describes the entries. Rename classes, or map several to one name, or to ignore.",
        *description.notes,
    ]
    comment = "".join(f"# {line}\n" for line in head)
    return comment + yaml.dump(
        {**content, "splits": splits}, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True
    )


def _names(classes: Values | str) -> tuple[str, ...]:
    table = load_classes(classes) if isinstance(classes, str) else ClassTable.from_dict({"name": FILE, **classes})
    return table.names


def _said(source: Values, names: tuple[str, ...]) -> Values:
    """A source that says what its ids are: they stay right if classes are left out, or in another dataset.yaml."""
    if "mapping" in source or "labelmap" in source:
        return source
    zero = source.get("reduce_zero_label", False)
    mapping = {0: IGNORE, **dict(enumerate(names, 1))} if zero else dict(enumerate(names))
    return {key: value for key, value in source.items() if key != "reduce_zero_label"} | {"mapping": mapping}


def _moved(key: str, value: Any, folder: Path, to: Path) -> Any:
    paths = key in ("images", "labels", "list") or (key == "labelmap" and isinstance(value, str))
    if key == "made_from":
        files = value["files"]
        moved = [os.path.relpath(folder / one, to) for one in ([files] if isinstance(files, str) else files)]
        return {**value, "files": moved[0] if isinstance(files, str) else moved}
    return Path(os.path.relpath(folder / value, to)).as_posix() if paths else value


class _Dumper(yaml.SafeDumper):
    """Short lists and mappings on one line, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """See SafeDumper."""
        return True


def _represent(dumper: yaml.SafeDumper, value: Any) -> yaml.Node:
    values = value.values() if isinstance(value, dict) else value
    flat = not any(isinstance(one, (dict, list, tuple)) for one in values) or _is_source(value)
    if isinstance(value, dict):
        return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=flat and not _is_top(value))
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flat)


def _is_source(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"name", "colour"}


def _is_top(value: dict[Any, Any]) -> bool:
    return "images" in value or "splits" in value


for kind in (dict, list, tuple):
    _Dumper.add_representer(kind, _represent)
