"""The range of every number of a recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_STEPS = 100_000_000
MAX_PIXELS = 1 << 31  # of a batch


@dataclass(frozen=True)
class Bounds:
    """Allowed values. above, below: whether `low`, `high` themselves are not. note: why, for the error."""

    low: float
    high: float
    above: bool = False
    below: bool = False
    note: str = ""

    def allow(self, value: float) -> bool:
        """Whether a number is allowed; NaN never is."""
        over = value > self.low if self.above else value >= self.low
        return over and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        low = f"more than {self.low:.10g}" if self.above else f"{self.low:.10g}"
        high = f"less than {self.high:.10g}" if self.below else f"{self.high:.10g}"
        return f"{low} to {high}" + (f", {self.note}" if self.note else "")


SHARE = Bounds(0, 1)
WEIGHT = Bounds(0, 1000)
DECAY = Bounds(0, 1, below=True)
# Of each entry of a recipe that is a number, or of the elements of one that is a list of numbers.
BOUNDS: Mapping[str, Bounds] = {
    "width": Bounds(0, 4, above=True),
    "blocks": Bounds(1, 6),
    "iterations": Bounds(1, MAX_STEPS),
    "batch": Bounds(1, 4096),
    "crop": Bounds(32, 8192, note="the network needs at least 32x32"),
    "scale": Bounds(0.01, 100),
    "class_uniform": SHARE,
    "learning_rate": Bounds(0, 100, above=True),
    "power": Bounds(0, 100, above=True),
    "cooldown": SHARE,
    "warm_up": Bounds(0, MAX_STEPS),
    "momentum": DECAY,
    "weight_decay": Bounds(0, 10),
    "loss_weights": WEIGHT,
    "balance_offset": Bounds(1, 1000, above=True),
    "logit_adjustment": SHARE,
    "hardest": Bounds(0, 1, above=True),
    "label_smoothing": SHARE,
    "lovasz": WEIGHT,
    "brightness": SHARE,
    "contrast": SHARE,
    "colour": SHARE,
    "gamma": Bounds(0, 10),
    "texture": SHARE,
    "road_texture": SHARE,
    "sharpness": Bounds(0, 10),
    "rows": Bounds(0, 8192),
    "dark": SHARE,
    "weather": SHARE,
    "camera": SHARE,
    "covered": SHARE,
    "outlier_weight": WEIGHT,
    "noise": Bounds(0, 255),
    "teacher_weight": WEIGHT,
    "temperature": Bounds(0, 1000, above=True),
    "teacher_scale": Bounds(1, 4),
    "ema": DECAY,
    "input_scale": Bounds(0.1, 8),
    "validate_every": Bounds(1, MAX_STEPS),
    "validate_images": Bounds(0, MAX_STEPS),
    "patience": Bounds(0, MAX_STEPS),
    "seed": Bounds(0, 2**63 - 1),
}


def out_of_bounds(name: str, value: Any) -> str:
    """Why a number, or a tuple of numbers, is no value of this entry; "" if it is one."""
    numbers = value if isinstance(value, tuple) else (value,)
    if all(BOUNDS[name].allow(number) for number in numbers):
        return ""
    return (
        f"{name} is {value!r:.60}, it takes {'numbers' if isinstance(value, tuple) else 'a number'} of {BOUNDS[name]}"
    )
