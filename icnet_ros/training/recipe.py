"""Training recipes: all hyperparameters of a training in one YAML file."""

import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from icnet_ros.documents import DocumentError, read_yaml
from icnet_ros.network.dimensions import BLOCKS, Fusion
from icnet_ros.share import share
from icnet_ros.training.bounds import MAX_PIXELS, out_of_bounds
from icnet_ros.training.errors import RecipeError


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training. Defaults are the paper's (sec. 5.1) where it states them.

    dataset: name or dataset.yaml; empty: the command must say it.
    architecture, width, fusion, blocks, stride_at, output_stride, head: the network, as in `ModelSpec`.
    loss_weights: of the branches, coarse to fine; (0, 0, 1) is training without label guidance. A
        network with one exit uses the last.
    crop: (height, width) of the network input. scale: range of the random resize. rows: range of the height to which
        images are resized at random instead, whatever their own; for sources of different sizes. (0, 0): by `scale`.
    class_uniform: share of the crops that are sampled by class, all classes equally often (class uniform
        sampling, Zhu et al., 2019); the others are sampled from shuffled epochs.
    schedule: "poly" decays the rate to 0 by (1 - step / iterations)^power. "trapezoid" keeps it constant and
        decays it linearly to 0 over the last `cooldown` of the iterations; before that decay begins, the
        training can be resumed with more iterations.
    class_balance: "log" weighs classes by 1 / ln(balance_offset + frequency) (Paszke et al., ENet, 2016),
        normalised to mean 1 over pixels. balance_offset: closer to 1 gives rare classes more weight.
    logit_adjustment: undoes so much of class_balance in the saved weights: this multiple of the logarithm of the class
        weights is subtracted from the logits (post-hoc logit adjustment, Menon et al., 2021). 0: nothing, 1: all.
    hardest: share of pixels, those with the largest loss, that are used (online hard example mining); 1: all.
    label_smoothing: share of each pixel's target that is spread over all classes.
    lovasz: weight of the Lovász-softmax loss (Berman et al., 2018), a surrogate of the IoU that is added to the
        cross entropy.
    brightness, contrast, colour: ranges of random relative changes. gamma: range of the random log exponent.
    texture: share of the crops in which all pixels of one class, that of a random pixel, get a drawn surface such as
        cobbles or rubble (`training.samples.texture`), so that the network learns shapes and places, not only surfaces.
    road_texture: share of the crops in which the class "road" gets one, in perspective; these are further crops.
    dark: share of the crops that are drawn as at dusk or night (`training.conditions.night`). weather: share of further
        crops in drawn fog, rain or snow (`conditions.weather`). camera: share of the crops with the artefacts of a
        cheap camera, demosaicing and JPEG (`conditions.camera_pipeline`). The labels stay true.
    covered: share of the crops in which a covered lens shows nothing of the classes (`conditions.drawn_outliers`).
    outlier_weight: of the loss that makes the network unsure there and in the images of sources with `outliers: true`.
    sharpness: range of the random blur (down to a Gaussian of 1.5 pixels) or unsharp mask. noise: maximum standard
        deviation of the added Gaussian noise, for pixels 0..255.
    ema: decay of the exponential moving average of the weights, which is saved; 0 saves the last weights.
    teacher_weight: of the distillation loss, if there is a teacher network or sources have predictions (`teacher:`).
    temperature: of the teacher network's softmax. teacher_scale: it sees the crops enlarged by this factor, and so
        teaches what it knows of larger inputs.
    validate_every: iterations between two validations. validate_images: number of images per validation, evenly
        spaced, of the validation split and of the training split; 0: all validation images and as many training
        images. The last validation always uses 0.
    patience: the training ends after so many validations in a row without a better mIoU; 0: never before its time.
    frozen: "backbone": the ResNet keeps its initial weights and batch norm statistics; only what comes after it and the
        branch of the full resolution are trained, in about half the time. It needs --init or --backbone.
    input_scale: of the checkpoint, see `ModelSpec`; if it is not 1, the height of the training images becomes
        its frame_height. For validation and use: the crops of the training have `scale`, which should lie around it.
    """

    dataset: str = ""
    architecture: Literal["icnet", "pspnet50"] = "icnet"
    width: float = 0.5
    fusion: Fusion = "cff"
    blocks: tuple[int, int, int, int] = BLOCKS
    stride_at: Literal["reduce", "conv3"] = "reduce"
    output_stride: Literal[8, 16, 32] = 8
    head: Literal["concat", "sum"] = "concat"
    iterations: int = 30_000
    batch: int = 16
    crop: tuple[int, int] = (720, 720)
    scale: tuple[float, float] = (0.5, 2.0)
    rows: tuple[int, int] = (0, 0)
    class_uniform: float = 0.0
    learning_rate: float = 0.01
    schedule: Literal["poly", "trapezoid"] = "poly"
    power: float = 0.9
    cooldown: float = 0.3
    warm_up: int = 0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    loss_weights: tuple[float, float, float] = (0.4, 0.4, 1.0)
    class_balance: Literal["none", "log"] = "none"
    balance_offset: float = 1.1
    logit_adjustment: float = 0.0
    hardest: float = 1.0
    label_smoothing: float = 0.0
    lovasz: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    gamma: float = 0.0
    texture: float = 0.0
    road_texture: float = 0.0
    dark: float = 0.0
    weather: float = 0.0
    camera: float = 0.0
    covered: float = 0.0
    outlier_weight: float = 0.5
    sharpness: float = 0.0
    noise: float = 0.0
    teacher_weight: float = 1.0
    temperature: float = 1.0
    teacher_scale: float = 1.0
    ema: float = 0.0
    frozen: Literal["none", "backbone"] = "none"
    input_scale: float = 1.0
    validate_every: int = 1000
    validate_images: int = 0
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for entry in fields(self):
            if wrong := _wrong_type(getattr(self, entry.name), entry.default):
                raise RecipeError(f"{entry.name} is {getattr(self, entry.name)!r:.60}, it takes {wrong}")
            if problem := _not_allowed(entry.name, getattr(self, entry.name)):
                raise RecipeError(problem)
        if self.scale[0] > self.scale[1]:
            raise RecipeError(f"scale is {self.scale}, it takes the smaller number first")
        most = BLOCKS if self.architecture == "icnet" else None
        if self.blocks != BLOCKS and (most is None or any(map(operator.gt, self.blocks, most))):
            raise RecipeError(f"blocks is {self.blocks}, an icnet takes up to {BLOCKS}, other architectures just these")
        if not any(self.loss_weights):
            raise RecipeError("loss_weights are all 0: nothing would be learnt")
        if (pixels := self.batch * self.crop[0] * self.crop[1]) > MAX_PIXELS:
            raise RecipeError(f"batch and crop are {pixels} pixels, at most {MAX_PIXELS} are trained on at once")
        if self.texture + self.road_texture > 1:
            raise RecipeError(f"texture and road_texture are {self.texture} and {self.road_texture}, together over 1")
        if self.rows != (0, 0) and not 0 < self.rows[0] <= self.rows[1]:
            raise RecipeError(f"rows is {self.rows}, it takes a range of positive numbers, or (0, 0)")
        if self.dark + self.weather > 1:
            raise RecipeError(f"dark and weather are {self.dark} and {self.weather}, together over 1")
        if self.nesterov and not self.momentum:
            raise RecipeError("nesterov needs a momentum above 0")

    def continues(self, earlier: "Recipe", step: int) -> bool:
        """Whether a training with recipe `earlier` can be resumed with this one after `step` iterations."""
        earlier = replace(earlier, patience=self.patience)
        if self == earlier:
            return True
        if self.schedule != "trapezoid" or self != replace(earlier, iterations=self.iterations, cooldown=self.cooldown):
            return False
        return step <= min(recipe.iterations - recipe.iterations * recipe.cooldown for recipe in (self, earlier))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """From plain values, of a YAML file or a checkpoint; missing entries have their defaults.

        Raises RecipeError or TypeError.
        """
        entries: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**entries)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the header of checkpoints."""
        return asdict(self)


@cache
def _choices() -> dict[str, tuple[Any, ...]]:
    """The entries that take one of few values."""
    hints = get_type_hints(Recipe)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


def _not_allowed(name: str, value: Any) -> str:
    """Why a value of the right type is none of the allowed ones, "" if it is."""
    if choices := _choices().get(name):
        return "" if value in choices else f"{name} is {value!r:.60}, it takes {' or '.join(map(repr, choices))}"
    return "" if isinstance(value, (str, bool)) else out_of_bounds(name, value)


def _wrong_type(value: Any, default: Any) -> str:
    """What an entry with this default takes, "" if the value has that type."""
    if isinstance(default, tuple):
        elements = value if isinstance(value, tuple) and len(value) == len(default) else (None,)
        wrong = any(_wrong_type(element, default[0]) for element in elements)
        return f"a list of {len(default)} numbers" if wrong else ""
    kinds: dict[type, tuple[tuple[type, ...], str]] = {
        bool: ((bool,), "true or false"),
        int: ((int,), "a whole number"),
        float: ((int, float), "a number"),
        str: ((str,), "a text"),
    }
    allowed, words = kinds[type(default)]
    return "" if type(value) in allowed else words  # isinstance takes True for a number


def load_recipe(name: str, **changes: Any) -> Recipe:
    """A shipped recipe by name ("camvid") or a YAML file by path; `changes` override its entries.

    An entry `base` names a shipped recipe whose entries the file changes. Raises RecipeError for an unknown recipe,
    entry or value.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = _shipped(name)
    values = _entries(path) | {key: value for key, value in changes.items() if value is not None}
    known = {entry.name for entry in fields(Recipe)}
    if unknown := sorted(map(str, values.keys() - known)):
        raise RecipeError(f"{path}: no entry {unknown[0]!r}; there are base, {', '.join(sorted(known))}")
    try:
        return Recipe.from_dict(values)
    except (RecipeError, TypeError) as err:
        raise RecipeError(f"{path}: {err}") from err


def _shipped(name: str) -> Path:
    return share("config", "train", f"{name}.yaml")


def _entries(path: Path) -> dict[str, Any]:
    """Entries of a recipe file and of its base."""
    if not path.exists():
        shipped = sorted(p.stem for p in _shipped("").parent.glob("*.yaml"))
        raise RecipeError(f"no recipe {path.stem!r}; there are {', '.join(shipped)}, or a .yaml file")
    try:
        values = read_yaml(path)
    except OSError as err:
        raise RecipeError(f"{path}: {err.strerror or err}") from err
    except DocumentError as err:
        raise RecipeError(str(err)) from err
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: not a recipe, see config/train/camvid.yaml for the form")
    if "base" not in values:
        return values
    base = str(values.pop("base"))
    if base == path.stem or not _shipped(base).is_file():
        raise RecipeError(f"{path}: its base {base!r} is no other shipped recipe")
    return _entries(_shipped(base)) | values
