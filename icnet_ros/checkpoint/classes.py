"""Class tables: names and colours of the class ids in a label map."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icnet_ros.documents import DocumentError, read_yaml
from icnet_ros.share import share

Colour = tuple[int, int, int]
UNLABELLED = 255


class ClassTableError(ValueError):
    """An invalid class table; the message names it and the reason."""


@dataclass(frozen=True)
class ClassTable:
    """Names and colours of the classes 0..n-1.

    names: unique and stable; planners refer to classes by name. colours: RGB, 0..255.
    ignore: the id that stands for "no class" in ground truth and label maps.
    """

    name: str
    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    ignore: int = UNLABELLED

    def __post_init__(self) -> None:
        count = len(self.names)
        if not 2 <= count <= UNLABELLED:
            raise ClassTableError(f"{self.name}: {count} classes, a label image holds 2 to {UNLABELLED}")
        if len(set(self.names)) != count or not all(self.names):
            raise ClassTableError(f"{self.name}: class names must be unique and not empty: {self.names}")
        if unprintable := [name for name in (self.name, *self.names) if not name.isprintable()]:  # they reach terminals
            raise ClassTableError(f"the name {unprintable[0]!r} has control characters")
        if len(self.colours) != count:
            raise ClassTableError(f"{self.name}: {count} names but {len(self.colours)} colours")
        for name, colour in zip(self.names, self.colours, strict=True):
            if len(colour) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in colour):
                raise ClassTableError(f"{self.name}: colour {colour} of {name!r} is not three of 0..255")
        if not count <= self.ignore <= UNLABELLED:
            raise ClassTableError(f"{self.name}: ignore id {self.ignore} is not in {count}..{UNLABELLED}")

    def __len__(self) -> int:
        return len(self.names)

    def to_dict(self) -> dict[str, Any]:
        """The table as plain values, as in config/classes/*.yaml."""
        pairs = zip(self.names, self.colours, strict=True)
        classes = [{"name": name, "colour": list(colour)} for name, colour in pairs]
        return {"name": self.name, "ignore": self.ignore, "classes": classes}

    @classmethod
    def from_dict(cls, values: Any, source: str = "class table") -> "ClassTable":
        """Inverse of `to_dict`. Raises ClassTableError that names `source` and what is wrong.

        An entry may have an `id`, which must be its place in the list.
        """
        try:
            _check_ids(values["classes"])
            return cls(
                name=str(values["name"]),
                names=tuple(str(entry["name"]) for entry in values["classes"]),
                colours=tuple(tuple(entry["colour"]) for entry in values["classes"]),
                ignore=int(values.get("ignore", UNLABELLED)),
            )
        except ClassTableError as err:
            raise ClassTableError(f"{source}: {err}") from err
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as err:
            raise ClassTableError(
                f"{source}: not a class table ({type(err).__name__}: {err}); "
                "see config/classes/camvid.yaml for the form"
            ) from err


def _check_ids(entries: Any) -> None:
    """Raise ClassTableError for an `id` that is not the place in the list: label maps would have another one."""
    for place, entry in enumerate(entries):
        if entry.get("id", place) != place:
            raise ClassTableError(
                f"{entry['name']!r} has the id {entry['id']!r} and is number {place} of the list, from 0: ids are "
                "places in the list. Order it by id without gaps; ids that files have are for `mapping`"
            )


def load_classes(name: str | Path) -> ClassTable:
    """Read a class table: a shipped one by name ("camvid") or any YAML file by path.

    Raises ClassTableError, also for an unknown name.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        folder = share("config", "classes")
        path = folder / f"{name}.yaml"
        if not path.is_file():
            known = sorted(p.stem for p in folder.glob("*.yaml"))
            raise ClassTableError(f"no class table {str(name)!r}; known: {', '.join(known)}, or a .yaml file")
    try:
        values = read_yaml(path)
    except OSError as err:
        raise ClassTableError(f"{path}: {err.strerror or err}") from err
    except DocumentError as err:
        raise ClassTableError(str(err)) from err
    return ClassTable.from_dict(values, str(path))
