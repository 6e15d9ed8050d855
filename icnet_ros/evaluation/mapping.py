"""Class mappings: score a checkpoint of one class table against annotations of another."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError, load_classes
from icnet_ros.dataset.base import DatasetError
from icnet_ros.documents import DocumentError, read_yaml
from icnet_ros.render.painter import UInt8
from icnet_ros.share import share


@dataclass(frozen=True)
class ClassMapping:
    """Maps ids of `source` to ids of `target`. table: uint8 (256,), unmapped ids become `target.ignore`."""

    source: ClassTable
    target: ClassTable
    table: UInt8


def load_mapping(name: str) -> ClassMapping:
    """A shipped mapping by name ("cityscapes_to_camvid"), or a YAML file of that form by path. Raises DatasetError."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = share("config", "mappings", f"{name}.yaml")
        if not path.is_file():
            shipped = sorted(file.stem for file in path.parent.glob("*.yaml"))
            raise DatasetError(f"no mapping {name!r}; there are {', '.join(shipped)}, or name a .yaml file")
    try:
        values = read_yaml(path)
        source, target = (load_classes(str(values[key])) for key in ("from", "to"))
        entries = dict(values["classes"])
    except OSError as err:
        raise DatasetError(f"{path}: {err.strerror or err}") from err
    except DocumentError as err:
        raise DatasetError(str(err)) from err
    except ClassTableError as err:
        raise DatasetError(f"{path}: {err}") from err
    except (KeyError, TypeError, ValueError) as err:
        raise DatasetError(
            f"{path}: not a mapping ({type(err).__name__}: {err}); see config/mappings/cityscapes_to_camvid.yaml"
        ) from err
    table = np.full(256, target.ignore, np.uint8)
    for one, other in entries.items():
        table[_index(one, source, path)] = _index(other, target, path)
    if missing := [one for one in source.names if one not in entries]:
        raise DatasetError(f"{path}: class {missing[0]!r} of {source.name} is missing")
    return ClassMapping(source, target, table)


def _index(name: Any, classes: ClassTable, path: Path) -> int:
    if name not in classes.names:
        raise DatasetError(f"{path}: {name!r} is none of the classes of {classes.name}: {', '.join(classes.names)}")
    return classes.names.index(name)


@dataclass(frozen=True)
class ScoredClasses:
    """The scored classes, and id tables (256,) from annotations and labels to them; None: ids are used as they are."""

    classes: ClassTable
    ground_truth: UInt8 | None = None
    labels: UInt8 | None = None

    def of_ground_truth(self, ids: UInt8) -> UInt8:
        """Annotated ids as ids of `classes`."""
        return ids if self.ground_truth is None else self.ground_truth[ids]

    def of_labels(self, ids: UInt8) -> UInt8:
        """Predicted ids as ids of `classes`."""
        return ids if self.labels is None else self.labels[ids]


def align_classes(model: ClassTable, annotated: ClassTable, mapping: ClassMapping | None, name: str) -> ScoredClasses:
    """Scored classes and id tables for a model with classes `model` on a dataset with classes `annotated`.

    name: of the dataset, for errors. Raises DatasetError if the classes differ and no mapping joins them.
    """
    if mapping is None:
        if model.names != annotated.names:
            raise DatasetError(
                f"the checkpoint has the classes {model.name} ({len(model)} classes), dataset {name} has "
                f"{len(annotated)} other classes. Where a command has --mapping, it brings them together, e.g. "
                "--mapping cityscapes_to_camvid; int8 files need images with the classes of the checkpoint"
            )
        return ScoredClasses(annotated)

    def table(classes: ClassTable, whose: str) -> UInt8 | None:
        if classes.names == mapping.target.names:
            return None
        if classes.names != mapping.source.names:
            raise DatasetError(
                f"the mapping goes from {mapping.source.name} to {mapping.target.name}, {whose} has {classes.name}"
            )
        return mapping.table

    return ScoredClasses(mapping.target, table(annotated, f"dataset {name}"), table(model, "the checkpoint"))
