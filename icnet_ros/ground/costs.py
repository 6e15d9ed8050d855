"""What each class means to a vehicle: its cost, and whether it stands up."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UNKNOWN = -1  # as in nav_msgs/OccupancyGrid
UNSEEN, HIDDEN, FIRST = 0, 1, 2  # codes of a sample: no pixel shows it; unknown; from here on places in the costs
UPRIGHT = 128  # this bit of a code: it stands up; in the polar map: here it touches the ground


@dataclass(frozen=True)
class ClassCosts:
    """costs: of each class, 0 (free) to 100 (lethal), UNKNOWN. upright: whether it stands up from the ground."""

    costs: tuple[int, ...]
    upright: tuple[bool, ...]

    def codes(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8]]:
        """Code of each label (256,), and the cost of each code (n,), ascending from FIRST on; -1 for the others.

        Labels that are no class are HIDDEN.
        """
        levels = sorted({cost for cost in self.costs if cost != UNKNOWN})
        codes = np.full(256, HIDDEN, np.uint8)
        for label, (cost, upright) in enumerate(zip(self.costs, self.upright, strict=True)):
            codes[label] = (HIDDEN if cost == UNKNOWN else FIRST + levels.index(cost)) | (UPRIGHT if upright else 0)
        return codes, np.array([UNKNOWN, UNKNOWN, *levels], np.int8)
