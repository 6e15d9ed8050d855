"""The training loop."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from icnet_ros.checkpoint.file import Checkpoint, build_network, save
from icnet_ros.checkpoint.model_index import STATE
from icnet_ros.dataset.base import Dataset
from icnet_ros.dataset.statistics import absent_classes
from icnet_ros.engine.base import FrameError
from icnet_ros.training.curve import append_row, draw_curve, read_rows, write_rows
from icnet_ros.training.errors import DivergedError, RecipeError, StateError
from icnet_ros.training.loss import adjust_logits, cascade_loss, distillation_loss
from icnet_ros.training.pretrained.frozen import averaged, freeze, set_training, trained_parameters
from icnet_ros.training.provenance import LABELS, data_origin, image_names, made_from
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.samples.crops import Crops
from icnet_ros.training.samples.sampling import Sampler, label_counts
from icnet_ros.training.start import FROM_SCRATCH, LOGIT_SHIFT, Start, network_spec, teacher_network
from icnet_ros.training.state import State, load_state, save_state
from icnet_ros.training.targets import OUTLIER, outlier_loss, soft_label_loss
from icnet_ros.training.validation import validate

log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]


def learning_rate(recipe: Recipe, step: int) -> float:
    """Learning rate at `step`: linear warm-up, then the schedule of the recipe; 0 after the last iteration."""
    warm = min(1.0, (step + 1) / recipe.warm_up) if recipe.warm_up else 1.0
    remaining = 1 - step / recipe.iterations
    decay: float = remaining**recipe.power
    if recipe.schedule == "trapezoid":
        decay = min(1.0, remaining / recipe.cooldown) if recipe.cooldown else float(remaining > 0)
    return recipe.learning_rate * warm * decay


class Trainer:
    """Trains the network of a recipe with all exits; resumes from OUT/state.safetensors if that is there.

    Writes OUT/log.csv, OUT/curve.png, OUT/state.safetensors and, whenever validation mIoU is higher than before,
    OUT/best.safetensors; the last checkpoint where the validations before used a part of the images. The batch of a
    step depends on seed and step only, not on the number of processes or on interruptions.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Dataset,
        validation: Dataset,
        out: Path,
        fabric: Fabric,
        start: Start = FROM_SCRATCH,
        teacher: Checkpoint | None = None,
    ) -> None:
        if recipe.batch % fabric.world_size:
            raise StateError(f"batch {recipe.batch} is not divisible by {fabric.world_size} processes")
        self.recipe, self.out, self._data, self._validation, self._fabric = recipe, out, data, validation, fabric
        self._spec = network_spec(recipe, data, start, teacher)
        names = self._spec.classes.names
        if recipe.road_texture and "road" not in names:
            raise RecipeError(f"road_texture needs a class named road; there are {', '.join(names)}")
        self._taught = any(pair.teacher is not None for pair in data.pairs)
        self._outliers = recipe.covered > 0 or any(pair.outlier for pair in data.pairs)
        try:
            network = build_network(self._spec)
        except ValueError as err:
            raise RecipeError(str(err)) from err
        self._state = out / STATE
        saved = load_state(self._state) if self._state.exists() else None
        if saved is not None and not _continues(recipe, saved):
            raise StateError(f"{self._state}: was made with another recipe; choose another folder or the same recipe")
        self._network = network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._counts = self._counted(data)
        checked = self._counted(validation)  # a wrong label file is an error now, not after hours
        sampler = Sampler(self._counts, recipe.seed, recipe.class_uniform)
        self._crops = Crops(data, sampler, recipe, self._spec.mean, fabric.device, fabric.world_size)
        self.step, self._best, self.without_gain = 0, 0.0, 0
        if saved is None:
            initial = start.unadjusted() if recipe.logit_adjustment else start
            initial.apply(self._network, self._spec.classes.names, lambda: self._crops(range(8))[0])
        self._origin = {**start.origin, "data": data_origin(data)}
        self._teacher: nn.Module | None = None
        if teacher is not None:
            self._teacher = teacher_network(teacher, self._spec, recipe).to(fabric.device)
            self._origin["teacher"] = {"name": teacher.name, "sha256": teacher.sha256}
        self._made_from = made_from(data, self._counts, self._origin)
        self._validated_on = sha256(checked.tobytes() + image_names(validation)).hexdigest()
        if saved is not None:
            self._check_same(saved)
            self._network.load_state_dict(saved.network)
        freeze(self._network, recipe, start)
        optimiser = _optimiser(self._network, recipe)
        self._model, self._optimiser = fabric.setup(self._network, optimiser)
        self._ema = {key: value.clone() for key, value in self._network.state_dict().items()}
        if saved is not None:
            self.step, self._best = saved.step, saved.best
            if saved.validated_on not in ("", self._validated_on):
                if self.step >= recipe.iterations:
                    raise StateError(f"{out}: this training has ended, on another validation split than this one")
                log.warning("the validation split is another one than before: its first score is the best so far")
                self._best = 0.0
            self._ema = {key: value.to(fabric.device) for key, value in saved.ema.items()}
            for name, parameter in trained_parameters(self._network):
                self._optimiser.state[parameter]["momentum_buffer"] = saved.momentum[name].to(fabric.device)

    def _counted(self, split: Dataset) -> npt.NDArray[np.int64]:
        """Pixels by image and class of a split; warns of what was left out, and of classes without pixels."""
        counts = label_counts(split)
        if self._fabric.global_rank == 0:
            for warning in (*split.notes, *absent_classes(split.classes, counts.sum(0), split.split)):
                log.warning("%s", warning)
        return np.ascontiguousarray(counts[:, : len(split.classes)])

    def run(self, progress: Progress, stop_after: int = 0) -> float:
        """Train to the last iteration, or for `stop_after` steps; returns the best validation mIoU."""
        recipe, fabric = self.recipe, self._fabric
        balance = self._class_weights()
        torch.backends.cudnn.benchmark = True  # all crops have one size
        self._truncate_log()
        self._count_without_gain()
        started, losses, first = time.monotonic(), torch.zeros((), device=fabric.device), self.step
        while not self.ended and (not stop_after or self.step - first < stop_after):
            rate = learning_rate(recipe, self.step)
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            images, targets = self._crops(self._positions())
            labels = targets.labels
            # Of dropout, the only layer that draws.
            torch.manual_seed(recipe.seed * 1_000_003 + self.step * fabric.world_size + fabric.global_rank)
            set_training(self._model, self._network, recipe)
            logits = self._model(images)
            weights = recipe.loss_weights[-len(logits) :]
            loss = cascade_loss(logits, labels, weights, balance, recipe.hardest, recipe.label_smoothing, recipe.lovasz)
            if self._teacher is not None:
                with torch.no_grad(), fabric.autocast():
                    teacher_logits = self._teacher(images)[-1]
                known = labels.masked_fill(targets.outliers, OUTLIER)  # of which the teacher network may be sure
                loss = loss + recipe.teacher_weight * distillation_loss(
                    logits, teacher_logits, known, weights, recipe.temperature
                )
            if self._taught:
                loss = loss + recipe.teacher_weight * soft_label_loss(logits, targets, weights, balance)
            if self._outliers:
                loss = loss + recipe.outlier_weight * outlier_loss(logits, targets.outliers, weights)
            self._optimiser.zero_grad()
            fabric.backward(loss)
            self._optimiser.step()
            self._average()
            losses += loss.detach()
            self.step += 1
            speed = (self.step - first) * recipe.batch / (time.monotonic() - started)
            if self.step % 10 == 0:
                self._check_finite(loss.item())
                progress(f"loss {loss.item():.3f}, lr {rate:.4f}, {speed:.1f} images/s", self.step, recipe.iterations)
            if self.step % recipe.validate_every == 0 or self.step == recipe.iterations:
                since = (self.step - 1) % recipe.validate_every + 1
                self._report(float(losses) / min(since, self.step - first), rate, speed)
                losses.zero_()
                self._count_without_gain()
        return self._best

    @property
    def ended(self) -> bool:
        """Whether all iterations are done, or as many validations as the recipe's `patience` brought nothing better."""
        return self.step >= self.recipe.iterations or 0 < self.recipe.patience <= self.without_gain

    def _count_without_gain(self) -> None:
        """Count the validations since the best one in the log, so that a resumed training knows them."""
        if self.recipe.patience:
            rows = read_rows(self._log) if self._log.exists() and self._fabric.global_rank == 0 else []
            scores = [float(row["miou"]) for row in rows if row.get("miou")]
            found = len(scores) - 1 - int(np.argmax(scores)) if scores else 0
            self.without_gain = int(self._fabric.broadcast(found))

    def _positions(self) -> range:
        """This process's part of the batch of this step."""
        share = self.recipe.batch // self._fabric.world_size
        start = self.step * self.recipe.batch + self._fabric.global_rank * share
        return range(start, start + share)

    def _class_weights(self) -> Tensor | None:
        if self.recipe.class_balance == "none":
            return None
        counts = torch.from_numpy(self._counts).double().sum(0)
        frequency = counts / counts.sum()
        weights = 1 / torch.log(self.recipe.balance_offset + frequency)
        return (weights / (weights * frequency).sum()).float().to(self._fabric.device)

    @torch.no_grad()
    def _average(self) -> None:
        # A smaller decay in the first steps, so that the average forgets the initial weights.
        decay = min(self.recipe.ema, (self.step + 1) / (self.step + 10)) if self.recipe.ema else 0.0
        values = self._network.state_dict()
        floats = averaged(self._network, self.recipe)
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average([self._ema[key] for key in floats], [values[key] for key in floats], None)

    def _report(self, loss: float, rate: float, speed: float) -> None:
        self._check_finite(loss)
        if self._fabric.global_rank == 0:
            counts = {key: value for key, value in self._network.state_dict().items() if not value.is_floating_point()}
            weights = self._ema = self._ema | {key: value.clone() for key, value in counts.items()}
            provenance = {**self._origin, "recipe": self.recipe.to_dict(), "step": self.step}
            if self.recipe.logit_adjustment and (balance := self._class_weights()) is not None:
                weights, provenance[LOGIT_SHIFT] = adjust_logits(weights, balance, self.recipe.logit_adjustment)
            checkpoint = Checkpoint(self._spec, weights, "training")
            ended = self.step == self.recipe.iterations
            device, images = str(self._fabric.device), 0 if ended else self.recipe.validate_images
            try:
                score = validate(checkpoint, self._validation, self._data, device, images, every_exit=ended)
            except FrameError as err:  # the loss is finite, the network is not
                raise self._diverged("the network gives NaN") from err
            row = {"step": self.step, "loss": f"{loss:.5f}", "learning_rate": f"{rate:.6f}"}
            row |= {"images_per_second": f"{speed:.2f}", "miou": f"{score.miou:.5f}"}
            row |= {name: "" if value is None else f"{value:.5f}" for name, value in score.columns.items()}
            append_row(self._log, row)
            draw_curve(self._log, self.out / "curve.png")
            # Scores over a subset and over all images are not comparable: the last checkpoint is saved then.
            subset = 0 < self.recipe.validate_images < len(self._validation.subsample(0))
            if score.miou >= self._best or (ended and subset):
                self._best = score.miou
                spec = replace(self._spec, training=provenance, metrics=score.metrics)
                save(self.out / "best.safetensors", spec, weights, half=True)
            momentum = {
                name: self._optimiser.state[p].get("momentum_buffer", torch.zeros_like(p))
                for name, p in trained_parameters(self._network)
            }
            network = self._network.state_dict()
            recipe = self.recipe.to_dict()
            save_state(
                self._state,
                State(self.step, recipe, network, self._ema, momentum, self._best, self._made_from, self._validated_on),
            )
        self._fabric.barrier()

    def _check_same(self, saved: State) -> None:
        """Raise StateError if a state was made from other things; states of earlier versions do not say from what."""
        before = saved.made_from or self._made_from
        for name in sorted(before.keys() | self._made_from.keys()):
            if name == LABELS and name not in before:
                continue
            if before.get(name) != self._made_from.get(name):
                raise StateError(
                    f"{self._state}: was made with another {name}; choose another folder or the same {name}"
                )

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss}")

    def _diverged(self, what: str) -> DivergedError:
        return DivergedError(
            f"{what} at iteration {self.step}: the training has diverged and was stopped. Take a lower learning_rate "
            f"than {self.recipe.learning_rate:g}; {self.out} holds what was saved before"
        )

    @property
    def _log(self) -> Path:
        return self.out / "log.csv"

    def _truncate_log(self) -> None:
        """Remove rows of steps that are repeated after a resume, and incomplete ones."""
        if self._fabric.global_rank == 0 and self._log.exists():
            rows = [row for row in read_rows(self._log) if row["step"].isdecimal() and row["loss"]]
            write_rows(self._log, [row for row in rows if int(row["step"]) <= self.step])


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD; weight decay on convolution weights only."""
    kernels = [p for _, p in trained_parameters(network) if p.ndim > 1]
    others = [p for _, p in trained_parameters(network) if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum, nesterov=recipe.nesterov)


def _continues(recipe: Recipe, saved: State) -> bool:
    try:
        return recipe.continues(Recipe.from_dict(saved.recipe), saved.step)
    except (RecipeError, TypeError):  # of a version with other entries
        return False
