"""OpenVINO engine of an ICNet whose coarsest branch runs apart from the others, one frame late.

That branch takes about half of the time, and what it sees changes little from one frame of a camera to the next. Its
features of an earlier frame are fused with the finer branches of the present one; it runs when the labels are done.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import openvino
from openvino import opset13 as operators

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.backends.batched import LruCache
from icnet_ros.engine.backends.openvino import OpenVinoEngine, engine_errors
from icnet_ros.engine.base import EngineError, EngineOptions, Float32, Frame, LabelMap, Request
from icnet_ros.engine.kernels.normalise import Batch

MAX_AGE_S = 0.5  # of features; older ones show another scene
# Outputs of operators in the exported graph: what the branch gets, at 1/32 of the input, and what it gives.
BRANCH_INPUT, BRANCH_OUTPUT = "res3.1.increase.add.relu.resize", "k1.relu"


def open_openvino(checkpoint: Checkpoint, options: EngineOptions) -> OpenVinoEngine:
    """The engine of the whole network, or of its parts if the options say so. Raises EngineError."""
    apart = options.coarse_branch_interval and options.exit != "sub4"  # sub4 is that branch
    return (SplitOpenVinoEngine if apart else OpenVinoEngine)(checkpoint, options)


class Features(NamedTuple):
    """Output of the coarsest branch, float32 (channels, h, w), for the frame of a camera at `time` (s).

    served: frames that were labelled with it.
    """

    values: Float32
    time: float
    served: int = 0


class Running(NamedTuple):
    """The branch at work for frames that have been labelled."""

    branch: openvino.InferRequest
    frames: Sequence[Frame]


class Pair(NamedTuple):
    """fine: image and features -> logits and the branch's input. coarse: the branch's input -> features."""

    fine: openvino.InferRequest
    coarse: openvino.InferRequest


class SplitOpenVinoEngine(OpenVinoEngine):
    """Labels frames with features of the frame before, if that is less than MAX_AGE_S old, else with their own.

    The branch runs on OpenVINO's threads after the labels of every `options.coarse_branch_interval`-th frame.
    """

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        if checkpoint.spec.architecture != "icnet":
            raise EngineError(f"{checkpoint.name} is no icnet: set coarse_branch_interval to 0")
        super().__init__(checkpoint, options)
        self._interval = options.coarse_branch_interval
        self._fine, self._coarse = split(self._model, self._core.read_model(str(self._path)))
        self._pairs: LruCache[Pair] = LruCache()
        self._features: dict[str, Features] = {}  # by camera
        self._frames: Sequence[Frame] = ()
        self._running: Running | None = None

    def close(self) -> None:
        """See Engine."""
        if self._running is not None:
            self._running.branch.wait()
        self._running = None
        self._pairs.clear()

    def _prepare(self, shape: tuple[int, ...]) -> None:
        self._pair(shape)

    def _segment_batch(self, frames: list[Frame], request: Request) -> list[LabelMap]:
        self._frames = frames
        try:
            label_maps = super()._segment_batch(frames, request)
        except EngineError:  # perhaps for what the features are
            for frame in frames:
                self._features.pop(frame.camera, None)
            raise
        if any(self._is_due(frame) for frame in frames):
            pair = self._pair((len(frames), 3, *self._input_size))
            pair.coarse.start_async({0: pair.fine.get_output_tensor(1)})
            self._running = Running(pair.coarse, frames)
        return label_maps

    def _infer(self, batch: Batch) -> Batch:
        pair, self._input_size = self._pair(batch.shape), batch.shape[2:]
        with engine_errors():
            self._collect()
            outputs = pair.fine.infer(
                {0: batch, 1: self._features_of_frames(pair, batch)}, share_inputs=True, share_outputs=True
            )
        logits: Batch = np.asarray(outputs[0])
        return logits

    def _features_of_frames(self, pair: Pair, batch: Batch) -> Batch:
        """What the coarsest branch gave for an earlier frame of each camera; if that is no longer usable, for these."""
        shape = tuple(pair.coarse.model_outputs[0].shape)[1:]
        if not all(self._usable(frame, shape) for frame in self._frames):
            pair.fine.infer({0: batch, 1: np.zeros((len(batch), *shape), np.float32)}, share_inputs=True)
            pair.coarse.infer({0: pair.fine.get_output_tensor(1)})
            self._store(pair.coarse, self._frames)
        found = [self._features[frame.camera] for frame in self._frames]
        for frame, features in zip(self._frames, found, strict=True):
            self._features[frame.camera] = features._replace(served=features.served + 1)
        return np.stack([features.values for features in found])

    def _is_due(self, frame: Frame) -> bool:
        """Whether the branch is to see this frame, for the next ones; it may have seen it already."""
        features = self._features[frame.camera]
        return features.served >= self._interval and features.time != frame.time

    def _usable(self, frame: Frame, shape: tuple[int, ...]) -> bool:
        """Whether the camera has features of this shape that are not too old; never of a frame without a time."""
        features = self._features.get(frame.camera)
        return features is not None and features.values.shape == shape and 0 <= frame.time - features.time <= MAX_AGE_S

    def _collect(self) -> None:
        """Wait for the features of the last frames, if the branch is at work."""
        if self._running is not None:
            running, self._running = self._running, None
            running.branch.wait()
            self._store(*running)

    def _store(self, branch: openvino.InferRequest, frames: Sequence[Frame]) -> None:
        """Keep the branch's output as the features of the cameras of these frames."""
        for frame, values in zip(frames, branch.get_output_tensor(0).data, strict=True):
            self._features[frame.camera] = Features(values.copy(), frame.time)

    def _pair(self, shape: tuple[int, ...]) -> Pair:
        def make() -> Pair:
            with_image = {self._fine.input(0): list(shape)}
            self._fine.reshape({**with_image, self._fine.input(1): [shape[0], -1, -1, -1]})
            self._coarse.reshape(self._fine.output(1).partial_shape)
            coarse = self._compiled(self._coarse, shape, "coarse")
            features = list(coarse.model_outputs[0].shape)
            self._fine.reshape({**with_image, self._fine.input(1): features})
            return Pair(self._compiled(self._fine, shape, "fine"), coarse)

        return self._pairs.get(shape, make)


def split(whole: openvino.Model, other: openvino.Model) -> tuple[openvino.Model, openvino.Model]:
    """The two models of `Pair`, made of two copies of a network. Raises EngineError if it has no such branch."""
    fine, branch_input = whole, _output(whole, BRANCH_INPUT)  # of which nothing leads to the logits after the cut
    fine.add_parameters([_cut(_output(fine, BRANCH_OUTPUT))])
    fine.add_outputs([branch_input])
    features = _output(other, BRANCH_OUTPUT)
    coarse_input = _cut(_output(other, BRANCH_INPUT))
    return fine, openvino.Model([operators.result(features)], [coarse_input])


def _cut(output: openvino.Output) -> openvino.op.Parameter:
    """A new input, from which everything reads that read `output`."""
    parameter = operators.parameter([-1, output.partial_shape[1], -1, -1], np.float32)
    for target in output.get_target_inputs():
        target.replace_source_output(parameter.output(0))
    return parameter


def _output(model: openvino.Model, name: str) -> openvino.Output:
    for operator in model.get_ops():
        if operator.get_friendly_name() == name:
            return operator.output(0)
    raise EngineError(f"the network has no operator {name!r}: set coarse_branch_interval to 0")
