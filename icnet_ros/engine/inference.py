"""Which network labels frames, on which engine, and how: what the command line and the node's parameters both say."""

import logging
from dataclasses import dataclass, field, replace

from icnet_ros.checkpoint.default import load_model, load_model_spec
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.groups import LabelGroups
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import Engine, EngineOptions
from icnet_ros.engine.grouping import published_spec, read_groups
from icnet_ros.engine.table import open_engine

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InferenceSettings:
    """model: checkpoint, .onnx network or name of a model; "" for the default one. engine: by name."""

    model: str = ""
    engine: str = "auto"
    options: EngineOptions = field(default_factory=EngineOptions)

    def load(self) -> Checkpoint:
        """The checkpoint. Raises CheckpointError."""
        return load_model(self.model)

    def spec(self) -> ModelSpec:
        """`published_spec` of the network; needs no torch. Raises CheckpointError, EngineError."""
        return published_spec(load_model_spec(self.model), self.options)

    def groups(self, spec: ModelSpec) -> LabelGroups | None:
        """The groups that are published, None for the classes of the network. Raises EngineError."""
        return read_groups(spec, self.options.label_groups)

    def open(self, checkpoint: Checkpoint) -> Engine:
        """The engine for the checkpoint, of `load`; warns of groups that no pixel can have. Raises EngineError."""
        groups = self.groups(checkpoint.spec)
        if groups is not None and groups.empty:
            log.warning(
                "label_groups %s: no class of the checkpoint is in %s, so no pixel gets that label; its classes are %s",
                self.options.label_groups, ", ".join(groups.empty), ", ".join(checkpoint.spec.classes.names),
            )  # fmt: skip
        return open_engine(self.engine, checkpoint, self.options)

    def on(self, engine: str, options: EngineOptions | None = None) -> "InferenceSettings":
        """The same with another engine, and with other options if they are given."""
        return replace(self, engine=engine, options=options or self.options)
