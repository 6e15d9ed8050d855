"""What is done with the images that the worker takes: decode, label, publish; a failure costs only its frame."""

import math
import traceback
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from time import perf_counter

from rclpy.node import Node

from icnet_ros.engine.base import Engine, EngineError, LabelMap, Request
from icnet_ros.node.camera import Camera
from icnet_ros.node.frame import DecodedFrame, ReceivedImage, milliseconds
from icnet_ros.node.inputs.needs import Needs
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.cdr import WireError

FIRST_RATE = 30.0  # Hz, of a camera that has sent one image: too fine a step would cost the ones that follow


class FrameProcessor:
    """Labels images of one or more cameras with one engine. Called on the worker's thread."""

    def __init__(
        self,
        node: Node,
        engine: Engine,
        cameras: Mapping[str, Camera],
        settings: Parameters,
    ) -> None:
        self._node, self._engine, self._cameras, self._settings = node, engine, cameras, settings

    def use(self, settings: Parameters) -> None:
        """Apply the parameters that can be changed while the node is active, from the next image on."""
        self._settings = settings

    def window_s(self) -> float:
        """Seconds within which images of several cameras become one batch."""
        return self._settings.batch_window_ms / 1000

    def process(self, received: Mapping[str, ReceivedImage]) -> set[str]:
        """Decode, label and publish images by camera; returns the cameras that succeeded."""
        taken, settings = perf_counter(), self._settings
        frames: list[DecodedFrame] = []
        for name, image in received.items():
            try:
                frames.append(self._cameras[name].decode(image, taken, settings))
            except BaseException as err:
                self._report(err, name)
        return self._label(frames, settings) if frames else set()

    def _label(self, frames: list[DecodedFrame], settings: Parameters) -> set[str]:
        names = [frame.camera for frame in frames]
        label_maps: Sequence[LabelMap] | None = None
        try:
            wanted = {name: self._cameras[name].outputs.wanted(settings) for name in names}
            request = self._request(frames, settings, [one.needs for one in wanted.values()])
            label_maps = self._engine.segment([frame.frame for frame in frames], request)
        except BaseException as err:
            if len(frames) == 1:
                self._report(err, *names)
                return set()
        if label_maps is None:
            # One bad frame fails a whole batch: which one has failed shows when each is tried alone. Not in the
            # handler above: the error keeps the memory of the batch.
            return {name for frame in frames for name in self._label([frame], settings)}
        done: set[str] = set()
        for name, frame, label_map in zip(names, frames, label_maps, strict=False):
            try:
                self._cameras[name].publish(frame, label_map, wanted[name].outputs, request.scores, settings)
                done.add(name)
            except BaseException as err:
                self._report(err, name)
        return done

    def _request(self, frames: list[DecodedFrame], settings: Parameters, needs: list[Needs]) -> Request:
        """What the outputs of all these cameras need."""
        remaining = self._remaining_ms(frames, settings) if settings.exit == "auto" else math.inf
        total = reduce(or_, needs)
        return Request(total.confidence, total.scores, settings.exit, remaining)

    def _remaining_ms(self, frames: list[DecodedFrame], settings: Parameters) -> float:
        """Time left for the engine: to keep the budget or, without one, to be ready before an image must be dropped."""
        cameras = [self._cameras[frame.camera] for frame in frames]
        if budget := settings.latency_budget_ms:
            return min(camera.remaining_ms(frame, budget) for camera, frame in zip(cameras, frames, strict=True))
        now = perf_counter()
        images_per_s = sum(camera.statistics.image_rate(now) for camera in self._cameras.values())
        if not images_per_s:
            if any(camera.counters.received > 1 for camera in cameras):
                return math.inf
            images_per_s = FIRST_RATE
        spent_ms = milliseconds(now, frames[0].taken) + sum(camera.publish_ms for camera in cameras)
        return 1000 * len(frames) / images_per_s - spent_ms

    def _report(self, err: BaseException, *cameras: str) -> None:
        """Log why frames of these cameras failed and store it as their failure; whatever it was, the thread goes on."""
        if isinstance(err, WireError):
            failure = f"unusable image: {err}"
        elif isinstance(err, EngineError | ValueError):
            failure = f"frame not segmented: {err}"
        else:  # SystemExit would end the thread too
            failure = f"frame not segmented: {type(err).__name__}: {err}"
            self._node.get_logger().error("".join(traceback.format_exception(err)), throttle_duration_sec=10.0)
        for name in cameras:
            self._cameras[name].fail(failure)
            self._node.get_logger().error(f"{name}: {failure}".lstrip(": "), throttle_duration_sec=5.0)
