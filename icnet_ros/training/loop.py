"""The training loop."""

import csv
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from icnet_ros.checkpoint.file import Checkpoint, save
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.dataset.base import Dataset
from icnet_ros.network.icnet import EXITS, ICNet
from icnet_ros.training.augment import augment
from icnet_ros.training.backbone import load_backbone
from icnet_ros.training.curve import draw_curve
from icnet_ros.training.loss import cascade_loss
from icnet_ros.training.pool import Pool, class_frequencies, order
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.state import State, StateError, load_state, save_state

LOG = ("step", "loss", "learning_rate", "images_per_second", "miou")
Progress = Callable[[str, int, int], None]
Validate = Callable[[Checkpoint], dict[str, float]]


def learning_rate(recipe: Recipe, step: int) -> float:
    """Poly decay to 0 at the last iteration, after a linear warm-up."""
    warm = min(1.0, (step + 1) / recipe.warm_up) if recipe.warm_up else 1.0
    decay: float = (1 - step / recipe.iterations) ** recipe.power
    return recipe.learning_rate * warm * decay


class Trainer:
    """Trains an ICNet with all exits; resumes from OUT/state.safetensors if that is there.

    Writes OUT/log.csv, OUT/curve.png, OUT/state.safetensors and, whenever validation mIoU is higher than before,
    OUT/best.safetensors. What a step sees depends on seed and step only, not on how many processes
    share it or how often the training was interrupted.
    """

    def __init__(
        self, recipe: Recipe, data: Dataset, out: Path, fabric: Fabric, validate: Validate, backbone: Path | None = None
    ) -> None:
        if recipe.batch % fabric.world_size:
            raise StateError(f"batch {recipe.batch} cannot be shared by {fabric.world_size} processes")
        self.recipe, self.out, self._data, self._fabric, self._validate = recipe, out, data, fabric, validate
        self._spec = ModelSpec(
            data.classes, recipe.width, trained=True, input_scale=recipe.input_scale, data_licence=data.licence
        )
        network = ICNet(len(data.classes), recipe.width, EXITS)
        self._state = out / "state.safetensors"
        saved = load_state(self._state) if self._state.exists() else None
        if saved is not None and saved.recipe != json.loads(json.dumps(recipe.to_dict())):
            raise StateError(f"{self._state}: was made with another recipe; choose another folder or the same recipe")
        if saved is not None:
            network.load_state_dict(saved.network)
        elif backbone is not None:
            load_backbone(network, backbone)
        self._plain = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = _optimiser(self._plain, recipe)
        self._model, self._optimiser = fabric.setup(self._plain, optimiser)
        self._ema = {key: value.clone() for key, value in self._plain.state_dict().items()}
        self.step, self._best = 0, 0.0
        if saved is not None:
            self.step, self._best = saved.step, saved.best
            self._ema = {key: value.to(fabric.device) for key, value in saved.ema.items()}
            for name, parameter in self._plain.named_parameters():
                self._optimiser.state[parameter]["momentum_buffer"] = saved.momentum[name].to(fabric.device)

    def run(self, progress: Progress, stop_after: int = 0) -> float:
        """Train to the last iteration (or that many steps); the best validation mIoU."""
        recipe, fabric = self.recipe, self._fabric
        pool = Pool(self._data, fabric.device)
        mean = torch.tensor(self._spec.mean, device=fabric.device)
        balance = self._class_weights()
        self._truncate_log()
        started, losses, first = time.monotonic(), torch.zeros((), device=fabric.device), self.step
        while self.step < recipe.iterations and (not stop_after or self.step - first < stop_after):
            rate = learning_rate(recipe, self.step)
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            images, labels = self._batch(pool, mean)
            self._model.train()
            loss = cascade_loss(self._model(images), labels, recipe.loss_weights, balance, recipe.hardest)
            self._optimiser.zero_grad()
            fabric.backward(loss)
            self._optimiser.step()
            self._average()
            losses += loss.detach()
            self.step += 1
            if self.step % 10 == 0:
                progress(f"loss {loss.item():.3f}, lr {rate:.4f}", self.step, recipe.iterations)
            if self.step % recipe.validate_every == 0 or self.step == recipe.iterations:
                since = (self.step - 1) % recipe.validate_every + 1
                speed = (self.step - first) * recipe.batch / (time.monotonic() - started)
                self._report(float(losses) / min(since, self.step - first), rate, speed)
                losses.zero_()
        return self._best

    def _batch(self, pool: Pool, mean: Tensor) -> tuple[Tensor, Tensor]:
        share = self.recipe.batch // self._fabric.world_size
        start = self.step * self.recipe.batch + self._fabric.global_rank * share
        indices, generators = [], []
        for position in range(start, start + share):
            epoch, place = divmod(position, len(self._data))
            indices.append(int(order(self.recipe.seed, epoch, len(self._data))[place]))
            generators.append(torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + position))
        crops = [
            augment([pair], mean, self.recipe, generator)
            for pair, generator in zip(pool.take(indices), generators, strict=True)
        ]
        images = torch.cat([image for image, _ in crops]).to(memory_format=torch.channels_last)
        return images, torch.cat([labels for _, labels in crops])

    def _class_weights(self) -> Tensor | None:
        if self.recipe.class_balance == "none":
            return None
        frequency = class_frequencies(self._data)
        weights = 1 / torch.log(1.1 + frequency)
        return (weights / (weights * frequency).sum()).float().to(self._fabric.device)

    @torch.no_grad()
    def _average(self) -> None:
        # Early on the average follows fast, so that it does not remember the random start.
        decay = min(self.recipe.ema, (self.step + 1) / (self.step + 10)) if self.recipe.ema else 0.0
        for key, value in self._plain.state_dict().items():
            if value.is_floating_point():
                self._ema[key].lerp_(value, 1 - decay)
            else:
                self._ema[key].copy_(value)

    def _report(self, loss: float, rate: float, speed: float) -> None:
        if self._fabric.global_rank == 0:
            figures = self._validate(Checkpoint(self._spec, self._ema, "training"))
            miou = figures["miou"]
            row = (self.step, f"{loss:.5f}", f"{rate:.6f}", f"{speed:.2f}", f"{miou:.5f}")
            new = not self._log.exists()
            with self._log.open("a", newline="") as file:
                csv.writer(file).writerows([LOG, row] if new else [row])
            draw_curve(self._log, self.out / "curve.png")
            if miou >= self._best:
                self._best = miou
                provenance = {"recipe": self.recipe.to_dict(), "step": self.step}
                spec = replace(self._spec, training=provenance, metrics=figures)
                save(self.out / "best.safetensors", spec, self._ema, half=True)
            momentum = {name: self._optimiser.state[p]["momentum_buffer"] for name, p in self._plain.named_parameters()}
            network = self._plain.state_dict()
            save_state(self._state, State(self.step, self.recipe.to_dict(), network, self._ema, momentum, self._best))
        self._fabric.barrier()

    @property
    def _log(self) -> Path:
        return self.out / "log.csv"

    def _truncate_log(self) -> None:
        """Forget rows of steps that will be done again."""
        if self._fabric.global_rank == 0 and self._log.exists():
            rows = list(csv.reader(self._log.open(newline="")))
            kept = [row for row in rows[1:] if int(row[0]) <= self.step]
            with self._log.open("w", newline="") as file:
                csv.writer(file).writerows([LOG, *kept])


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD; weight decay on convolution weights only."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum, nesterov=recipe.nesterov)
