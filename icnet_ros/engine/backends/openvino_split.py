"""OpenVINO engine of an ICNet whose coarsest branch runs apart from the others, one frame late.

That branch takes about half of the time, and what it sees changes little from one frame of a camera to the next. Its
features of an earlier frame are fused with the finer branches of the present one; it runs when the labels are done.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import openvino
from openvino import opset13 as operators

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.backends.batched import LruCache
from icnet_ros.engine.backends.openvino import OpenVinoEngine, engine_errors
from icnet_ros.engine.base import EngineError, EngineOptions, Float32, Frame, LabelMap, Request, one_line
from icnet_ros.engine.kernels.normalise import Batch

log = logging.getLogger(__name__)
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
    """The branch at work for frames that have been labelled. places: camera and time of each."""

    branch: openvino.InferRequest
    places: Sequence[tuple[str, float]]


class Pair(NamedTuple):
    """fine: image and features -> logits and the branch's input. coarse: the branch's input -> features."""

    fine: openvino.InferRequest
    coarse: openvino.InferRequest


class SplitOpenVinoEngine(OpenVinoEngine):
    """Labels frames with features of an earlier frame that is less than MAX_AGE_S old, else with their own.

    The branch runs on OpenVINO's threads after the labels of every `options.coarse_branch_interval`-th frame, or when
    its features would become too old.
    """

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions) -> None:
        super().__init__(checkpoint, options)
        self._interval = options.coarse_branch_interval
        self._fine, self._coarse = split(self._model, self._model.clone())
        self._pairs: LruCache[Pair] = LruCache()
        self._features: dict[str, Features] = {}  # by camera
        self._places: Sequence[tuple[str, float]] = ()  # camera and time of the frames at work
        self._running: Running | None = None
        self._pair_used: Pair  # by the last `_infer`

    def close(self) -> None:
        """See Engine."""
        if self._running is not None:
            with suppress(RuntimeError):  # nobody waits for its result
                self._running.branch.wait()
        self._running = None
        self._pairs.clear()

    def _prepare(self, shape: tuple[int, ...]) -> None:
        self._pair(shape)

    def _segment_batch(self, frames: list[Frame], request: Request) -> list[LabelMap]:
        self._places = [(frame.camera, frame.time) for frame in frames]
        try:
            label_maps = super()._segment_batch(frames, request)
        except EngineError:  # perhaps for what the features are
            self._forget()
            raise
        self._start()
        return label_maps

    def _infer(self, batch: npt.NDArray[Any]) -> Batch:
        pair = self._pair(batch.shape)
        with engine_errors():
            self._collect()
            features = self._features_of_frames(pair, batch)
            outputs = pair.fine.infer({0: batch, 1: features}, share_inputs=True, share_outputs=True)
        self._pair_used = pair
        logits: Batch = np.asarray(outputs[0])
        return logits

    def _features_of_frames(self, pair: Pair, batch: npt.NDArray[Any]) -> Batch:
        """What the coarsest branch gave for an earlier frame of each camera; if that is not usable, for these."""
        shape = tuple(pair.coarse.model_outputs[0].shape)[1:]
        if not all(self._usable(camera, time, shape) for camera, time in self._places):
            pair.fine.infer({0: batch, 1: np.zeros((len(batch), *shape), np.float32)}, share_inputs=True)
            pair.coarse.infer({0: pair.fine.get_output_tensor(1)})
            self._store(pair.coarse, self._places)
        found = [self._features[camera] for camera, _ in self._places]
        for (camera, _), features in zip(self._places, found, strict=True):
            self._features[camera] = features._replace(served=features.served + 1)
        return np.stack([features.values for features in found])

    def _usable(self, camera: str, time: float, shape: tuple[int, ...]) -> bool:
        """Whether the camera has features of this shape, of an earlier frame that is not too old."""
        features = self._features.get(camera)
        return features is not None and features.values.shape == shape and 0 < time - features.time <= MAX_AGE_S

    def _start(self) -> None:
        """Start the branch for the frames that have been labelled, if it is time."""
        if not any(self._is_due(camera, time) for camera, time in self._places):
            return
        try:
            self._pair_used.coarse.start_async({0: self._pair_used.fine.get_output_tensor(1)})
            self._running = Running(self._pair_used.coarse, self._places)
        except RuntimeError as err:  # the labels are good
            log.warning("the coarsest branch does not start: %s", one_line(err))
            self._forget()

    def _is_due(self, camera: str, time: float) -> bool:
        """Whether the branch is to see the frame for the next ones. It has seen those that had no usable features."""
        features = self._features.get(camera)
        age = 0.0 if features is None else time - features.time
        return features is not None and age > 0 and (features.served >= self._interval or age > MAX_AGE_S / 2)

    def _collect(self) -> None:
        """Wait for the features of the last frames, if the branch is at work."""
        if self._running is not None:
            running, self._running = self._running, None
            running.branch.wait()
            self._store(*running)

    def _store(self, branch: openvino.InferRequest, places: Sequence[tuple[str, float]]) -> None:
        """Keep the branch's output as the features of the cameras."""
        for (camera, time), values in zip(places, branch.get_output_tensor(0).data, strict=True):
            self._features[camera] = Features(values.copy(), time)

    def _forget(self) -> None:
        for camera, _ in self._places:
            self._features.pop(camera, None)

    def _pair(self, shape: tuple[int, ...]) -> Pair:
        def make() -> Pair:
            with engine_errors():
                with_image = {self._fine.input(0): list(shape)}
                self._fine.reshape({**with_image, self._fine.input(1): [shape[0], -1, -1, -1]})
            coarse = self._compiled(self._coarse, self._fine.output(1).partial_shape, shape, "coarse")
            with_features = {**with_image, self._fine.input(1): list(coarse.model_outputs[0].shape)}
            return Pair(self._compiled(self._fine, with_features, shape, "fine"), coarse)

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
