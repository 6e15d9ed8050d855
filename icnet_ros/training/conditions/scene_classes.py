"""Classes whose meaning the augmentation needs, found by name in the class table."""

from collections.abc import Sequence
from typing import NamedTuple

ROAD = "road"
GROUND = ("road", "sidewalk", "terrain", "pavement")
SKY = ("sky",)
VERGE = ("sidewalk", "terrain", "pavement")


class SceneClasses(NamedTuple):
    """Ids of classes; road is 255 if there is none. Snow stays on verges."""

    road: int = 255
    ground: tuple[int, ...] = ()
    sky: tuple[int, ...] = ()
    verge: tuple[int, ...] = ()

    @classmethod
    def of(cls, names: Sequence[str]) -> "SceneClasses":
        """Those of a class table; names: of its classes, in order of their ids."""

        def ids(wanted: Sequence[str]) -> tuple[int, ...]:
            return tuple(index for index, name in enumerate(names) if name in wanted)

        road = names.index(ROAD) if ROAD in names else 255
        return cls(road, ids(GROUND), ids(SKY), ids(VERGE))
