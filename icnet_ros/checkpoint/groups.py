"""Label groups: many classes of a checkpoint become few."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from icnet_ros.checkpoint.classes import ClassTable, ClassTableError, load_classes
from icnet_ros.documents import DocumentError, read_yaml
from icnet_ros.share import share


@dataclass(frozen=True)
class LabelGroups:
    """Which group each class of a checkpoint belongs to.

    source: the classes of the checkpoint. classes: the groups as a class table; its ids are those of the label maps.
    group_of: for each class of `source` the index of its group, len(classes) for those that become `classes.ignore`
    ("unlabelled").
    """

    source: ClassTable
    classes: ClassTable
    group_of: tuple[int, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """Label of each group; the last one is `classes.ignore`."""
        return (*range(len(self.classes)), self.classes.ignore)

    @property
    def empty(self) -> tuple[str, ...]:
        """Names of the groups without a class of the checkpoint: no pixel gets their label."""
        return tuple(name for index, name in enumerate(self.classes.names) if index not in self.group_of)

    def fold(self) -> npt.NDArray[np.uint8]:
        """Table (256,) from ids of `source`, as in annotations, to ids of the groups; other ids are ignored."""
        table = np.full(256, self.classes.ignore, np.uint8)
        table[: len(self.group_of)] = np.array(self.ids, np.uint8)[list(self.group_of)]
        return table


def load_groups(name: str, classes: ClassTable) -> LabelGroups:
    """Groups for the classes of a checkpoint: of a file in config/groups by name ("nav2"), or of a .yaml file by path.

    The names of classes in the file may be those of the checkpoint or of any shipped class table; groups without a
    class of this checkpoint stay, so that their ids are the same for all checkpoints. Raises ClassTableError.
    """
    path, values = read_groups(name)
    try:
        return _parse(values, classes)
    except ClassTableError as err:
        raise ClassTableError(f"{path}: {err}") from err
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise not_groups(path, err) from err


def read_groups(name: str) -> tuple[Path, Any]:
    """Path and content of a file of groups, see `load_groups`. Raises ClassTableError."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = share("config", "groups", f"{name}.yaml")
        if not path.is_file():
            shipped = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
            raise ClassTableError(f"no label groups {name!r}; there are {shipped}, or name a .yaml file")
    try:
        return path, read_yaml(path)
    except OSError as err:
        raise ClassTableError(f"{path}: {err.strerror or err}") from err
    except DocumentError as err:
        raise ClassTableError(str(err)) from err


def not_groups(path: Path, err: Exception) -> ClassTableError:
    """The error for a file that is valid YAML, but not of label groups."""
    return ClassTableError(
        f"{path}: not label groups ({type(err).__name__}: {err}); see config/groups/nav2.yaml for the form"
    )


def _parse(values: Any, classes: ClassTable) -> LabelGroups:
    if unknown := sorted(values.keys() - {"name", "groups", "rest", "unlabelled"}):
        raise ClassTableError(f"no entry {unknown[0]!r}; there are name, groups, rest, unlabelled")
    entries = [dict(entry) for entry in values["groups"]]
    rest = len(entries) if "rest" in values else None
    if rest is not None:
        entries.append({**values["rest"], "classes": []})
    table = ClassTable.from_dict({"name": values["name"], "classes": entries}, "its groups")
    members = [*((entry["name"], entry["classes"]) for entry in entries), ("unlabelled", values.get("unlabelled", []))]
    known = {*classes.names, *(one for file in _tables() for one in load_classes(file).names)}
    group_of: dict[str, int] = {}
    for index, (group, names) in enumerate(members):
        for one in names:
            if one not in known:
                raise ClassTableError(f"group {group}: no class {one!r}; {classes.name} has {', '.join(classes.names)}")
            if group_of.setdefault(one, index) != index:
                raise ClassTableError(f"class {one!r} is in the groups {members[group_of[one]][0]} and {group}")
    if rest is None and (missing := [one for one in classes.names if one not in group_of]):
        raise ClassTableError(f"class {missing[0]!r} of {classes.name} is in no group, and there is no group 'rest'")
    return LabelGroups(classes, table, tuple(group_of.get(one, rest or 0) for one in classes.names))


def _tables() -> list[str]:
    return [path.stem for path in share("config", "classes").glob("*.yaml")]
