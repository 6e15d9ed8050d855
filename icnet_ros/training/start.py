"""Initial weights of a training: random, from an ImageNet backbone, or from a checkpoint."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.spec import ARCHITECTURES, CheckpointError, ModelSpec
from icnet_ros.dataset.base import Dataset
from icnet_ros.files import read_bytes
from icnet_ros.network.fold import for_inference
from icnet_ros.network.icnet import ICNet
from icnet_ros.network.pspnet import PSPNet50
from icnet_ros.training.loss import CLASSIFIERS, subtract_from_logits
from icnet_ros.training.pretrained.backbone import load_backbone
from icnet_ros.training.pretrained.stem import rewrite_stem
from icnet_ros.training.recipe import Recipe

log = logging.getLogger(__name__)

LOGIT_SHIFT = "logit_shift"  # in the header: what was subtracted from the logits of each class, see `adjust_logits`


@dataclass(frozen=True)
class Start:
    """Initial weights of a training; random where nothing is given.

    backbone: file of an ImageNet ResNet-50. weights: state dict of a network of the same architecture and width;
    its classifiers may differ, or be absent in imported ones. classes: names of the classes of `weights`. licence: of
    the data of `weights`. widths: of the parts of that network that differ from its width. fixed_height: the checkpoint
    has a frame_height even if the recipe's input_scale is 1. logit_shift: by class, what their training subtracted from
    the logits when it saved them. origin: provenance, for the header of the checkpoint.
    """

    backbone: Path | None = None
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    licence: str = ""
    widths: Mapping[str, float] = field(default_factory=dict)
    fixed_height: bool = False
    logit_shift: tuple[float, ...] = ()
    origin: dict[str, Any] = field(default_factory=dict)

    def apply(self, network: ICNet | PSPNet50, classes: Sequence[str], images: Callable[[], Tensor]) -> None:
        """Load the weights into a network.

        If its classes are others, each classifier keeps the rows of those with the same name; the rows of new classes
        are the mean of all rows. classes: names of its classes. images: gives a few normalised images. Raises
        CheckpointError.
        """
        if self.backbone is not None:
            load_backbone(network, self.backbone)
            rewrite_stem(network, self.backbone, images())
        if self.weights:
            own = network.state_dict()
            classifiers = {key: value for key, value in own.items() if key.split(".")[0] in CLASSIFIERS}
            weights = {**classifiers, **self.weights}
            if self.classes and self.classes != tuple(classes):
                for key in classifiers.keys() & self.weights.keys():
                    weights[key] = _rows(weights[key], self.classes, classes)
            invalid = sorted(key for key in own if key in weights and own[key].shape != weights[key].shape)
            invalid += sorted(own.keys() - weights.keys())
            if invalid:
                raise CheckpointError(
                    f"the initial weights do not fit at {invalid[0]!r}; they need the same architecture and width"
                )
            network.load_state_dict({key: weights[key] for key in own})

    def unadjusted(self) -> "Start":
        """As before the logits were shifted: a training that shifts them at its end would do so twice."""
        return replace(self, weights=_shifted_back(self.weights, self.logit_shift), logit_shift=())


def _shifted_back(weights: Mapping[str, Tensor], shift: Sequence[float]) -> Mapping[str, Tensor]:
    return subtract_from_logits(weights, -torch.tensor(shift)) if any(shift) else weights


def _rows(weight: Tensor, old: Sequence[str], new: Sequence[str]) -> Tensor:
    """Rows of a classifier (classes, ...) for other classes."""
    mean = weight.mean(0)
    return torch.stack([weight[old.index(name)] if name in old else mean for name in new])


FROM_SCRATCH = Start()


def from_backbone(path: Path) -> Start:
    """Start from an ImageNet ResNet-50, .safetensors. Raises CheckpointError if there is no such file."""
    try:
        digest = sha256(read_bytes(path)).hexdigest()
    except OSError as err:
        raise CheckpointError(f"{path}: {(err.strerror or str(err)).lower()}") from err
    return Start(backbone=path, origin={"backbone": {"name": path.name, "sha256": digest}})


def from_checkpoint(checkpoint: Checkpoint) -> Start:
    """Start from a trained network, of the same or of other classes. Raises CheckpointError if it cannot be trained."""
    check_trainable(checkpoint)
    return Start(
        weights=checkpoint.weights,
        classes=checkpoint.spec.classes.names,
        licence=checkpoint.spec.data_licence,
        widths=checkpoint.spec.widths,
        logit_shift=shift_of(checkpoint),
        origin={"init": {"name": checkpoint.name, "sha256": checkpoint.sha256}},
    )


def continued(recipe: Recipe, spec: ModelSpec) -> Recipe:
    """The recipe of a training from a network of `spec`, whose fusion and blocks hold where the recipe says none."""
    if spec.architecture != recipe.architecture:
        return recipe  # the tensors will not fit
    default = Recipe()
    same = {
        name: getattr(spec, name) for name in ("fusion", "blocks") if getattr(recipe, name) == getattr(default, name)
    }
    # What the shapes of the tensors do not show.
    return replace(recipe, stride_at=spec.stride_at, output_stride=spec.output_stride, **same)


def shift_of(checkpoint: Checkpoint) -> tuple[float, ...]:
    """What its training subtracted from the logits of each class; zeros if nothing. Raises CheckpointError."""
    classes = len(checkpoint.spec.classes)
    shift = checkpoint.spec.training.get(LOGIT_SHIFT, [0.0] * classes)
    if not isinstance(shift, list) or len(shift) != classes or not all(isinstance(one, int | float) for one in shift):
        raise CheckpointError(f"{checkpoint.name}: its header's {LOGIT_SHIFT} is no number for each class")
    return tuple(shift)


def check_trainable(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError if the network expects another input than trainings give: imported ones may."""
    given = ModelSpec(checkpoint.spec.classes, checkpoint.spec.width)
    for name in ("channel_order", "mean", "std", "windows"):
        if getattr(checkpoint.spec, name) != getattr(given, name):
            raise CheckpointError(
                f"{checkpoint.name}: was trained with {name} {getattr(checkpoint.spec, name)}, trainings here use "
                f"{getattr(given, name)}: it can be run, not trained"
            )


def network_spec(recipe: Recipe, data: Dataset, start: Start, teacher: Checkpoint | None = None) -> ModelSpec:
    """The ModelSpec of the checkpoints of a training; it keeps the licences of the initial weights and the teacher."""
    taught = teacher.spec.data_licence if teacher else ""
    height = data[0][0].shape[0] if recipe.input_scale != 1 or start.fixed_height else 0
    others = {data.select_sources([name])[0][0].shape[0] for name in data.sources if name}
    if height and others - {height}:
        log.warning(
            "images of %s rows: validation and use are at %d rows, input_scale %g times those of the first source",
            ", ".join(map(str, sorted(others | {height}))),
            round(height * recipe.input_scale),
            recipe.input_scale,
        )
    return ModelSpec(
        data.classes,
        recipe.width,
        exits=ARCHITECTURES[recipe.architecture],
        architecture=recipe.architecture,
        fusion=recipe.fusion,
        blocks=recipe.blocks,
        widths=dict(start.widths),
        stride_at=recipe.stride_at,
        output_stride=recipe.output_stride,
        head=recipe.head,
        trained=True,
        input_scale=recipe.input_scale,
        frame_height=height,
        data_licence=join_licences([data.licence, start.licence, taught]),
    )


def join_licences(licences: Sequence[str]) -> str:
    """The different licences, one after another."""
    return "; ".join(dict.fromkeys(one for licence in licences for one in licence.split("; ") if one))


def teacher_network(teacher: Checkpoint, student: ModelSpec, recipe: Recipe) -> nn.Module:
    """Its last exit, folded; with the logits that its own loss saw if those of the student are shifted at the end only.

    It enlarges its input by the recipe's teacher_scale. Raises CheckpointError.
    """
    check_teacher(teacher, student)
    if recipe.logit_adjustment:
        teacher = replace(teacher, weights=_shifted_back(teacher.weights, shift_of(teacher)))
    folded: nn.Module = for_inference(teacher.network(teacher.spec.exits[-1:]))
    if recipe.teacher_scale != 1:
        folded = nn.Sequential(nn.Upsample(scale_factor=recipe.teacher_scale, mode="bilinear"), folded)
    return folded.to(memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]


def check_teacher(teacher: Checkpoint, student: ModelSpec) -> None:
    """Raise CheckpointError unless teacher and student have the same normalisation and classes."""
    for name in ("channel_order", "mean", "std"):
        if getattr(teacher.spec, name) != getattr(student, name):
            raise CheckpointError(f"teacher {teacher.name} has another {name} than the student")
    if teacher.spec.windows != student.windows:
        raise CheckpointError(
            f"teacher {teacher.name} takes one input size only: import it again with --windows {student.windows}"
        )
    if teacher.spec.classes.names != student.classes.names:
        raise CheckpointError(f"teacher {teacher.name} knows other classes ({teacher.spec.classes.name})")
