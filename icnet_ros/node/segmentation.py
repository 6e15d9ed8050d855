"""The lifecycle node `icnet`: camera images in, label maps out."""

import math
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from icnet_ros.checkpoint.default import load_model
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.base import EngineError, EngineOptions, Frame
from icnet_ros.engine.guard import Guard
from icnet_ros.engine.table import open_engine
from icnet_ros.node.diagnostics import Snapshot, status
from icnet_ros.node.outputs import Outputs, facts, milliseconds, since_stamp
from icnet_ros.node.parameters import ParameterError, by_name
from icnet_ros.node.ros import IMAGE_QOS, OVERRIDABLE, declare, subscription_events
from icnet_ros.node.statistics import Statistics
from icnet_ros.node.worker import Worker
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.image import decode_compressed, decode_image, stamp_ns

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
DIAGNOSTICS_PERIOD = 1.0  # s, contract
# What an engine is built from; a change of the transport needs no other engine.
ENGINE_PARAMETERS = {name for name, entry in by_name().items() if entry.metadata["change"] == "inactive"} - {
    "input_transport"
}


class Arrival(NamedTuple):
    """Bytes of an image message, when the callback got them (monotonic s, node clock ns)."""

    data: bytes
    monotonic: float
    clock_ns: int


class SegmentationNode(LifecycleNode):
    """Its topics and parameters are in the README. Callbacks run on one thread, frames on another."""

    def __init__(self, **options: Any) -> None:
        super().__init__("icnet", **options)
        self.interrupted = threading.Event()  # set when the process is asked to end
        self.finish: Callable[[int], object] = lambda _: None  # called to end the process with an exit code
        self._settings = declare(self)
        self._built_for = self._settings
        self._engine: Guard | None = None
        self._outputs: Outputs | None = None
        self._worker: Worker[Arrival] | None = None
        self._subscription: Subscription | None = None
        self._facts: dict[str, str] = {}
        self._failure = ""
        self._input_size = "none"
        self._age_ms = math.nan
        self._publish_ms = 0.0  # running mean
        self._last_image = 0.0
        self._image_seen = False
        self._statistics = Statistics(self._settings.statistics_window_s)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False),
            post_callback=self._on_jump_back,
        )
        self._diagnostics = self.create_publisher(
            DiagnosticArray, "/diagnostics", 10, qos_overriding_options=OVERRIDABLE
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # goes on when simulated time stands still
        self.create_timer(DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=steady)
        if self._settings.autostart or self._settings.build_only:
            self._autostart = self.create_timer(0.0, self._on_autostart, clock=steady)

    # --- lifecycle: exceptions here vanish in rclpy, so each transition reports its own -----------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the checkpoint, build and warm up the engine, announce the classes."""
        result = self._transition("configure", lambda: self._configure(state))
        if result != SUCCESS:
            self._release()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to images."""
        result = self._transition("activate", lambda: self._activate(state))
        if result != SUCCESS:
            self._stop_work()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; the frame in hand is still published."""
        self._stop_work()
        self._failure = ""
        return self._transition("deactivate", lambda: super(SegmentationNode, self).on_deactivate(state))

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the device."""
        self._failure = ""
        return self._transition("cleanup", self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop from any state."""
        return self._transition("shutdown", self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured after a transition that broke."""
        return self._transition("error", self._release)

    def _transition(self, name: str, act: Callable[[], TransitionCallbackReturn]) -> TransitionCallbackReturn:
        try:
            return act()
        except (CheckpointError, EngineError) as err:
            self._failure = str(err)
            self.get_logger().error(f"{name} failed: {err}")
        except Exception as err:
            self._failure = f"{name} failed: {type(err).__name__}: {err}"
            self.get_logger().error(f"{name} failed:\n{traceback.format_exc()}")
        return FAILURE

    def _configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._failure = ""
        self._install_engine()
        return super().on_configure(state)

    def _install_engine(self) -> None:
        """Build what the parameters ask for; only then let go of what was there."""
        started = perf_counter()
        engine, described = self._build_engine()
        self._release()
        self._engine, self._facts, self._built_for = engine, described, self._settings
        self._outputs = Outputs(self, engine)
        self._outputs.announce()
        self.get_logger().info(
            f"{self._facts['checkpoint']} on engine {engine.name} ({engine.device}, {engine.precision}, "
            f"{engine.exit}), ready after {perf_counter() - started:.1f} s"
        )
        if not engine.spec.trained:
            self.get_logger().warning("The network is UNTRAINED: its labels mean nothing. Set the parameter model.")

    def _build_engine(self) -> tuple[Guard, dict[str, str]]:
        """The engine and what /diagnostics says of it; built on another thread, while that is said there."""
        built: list[tuple[Guard, dict[str, str]]] = []
        failed: list[BaseException] = []
        settings = self._settings

        def build() -> None:
            try:
                checkpoint = load_model(settings.model)
                options = EngineOptions(
                    settings.device, settings.precision, settings.exit, settings.threads, settings.input_scale
                )
                fallback = None
                if settings.fallback_engine:
                    spare = replace(options, device="cpu", precision="fp32")
                    fallback = open_engine(settings.fallback_engine, checkpoint, spare)
                engine = Guard(open_engine(settings.engine, checkpoint, options), fallback)
                engine.warm_up(settings.warm_up_height, settings.warm_up_width)
                built.append((engine, facts(engine, checkpoint.name, checkpoint.sha256, settings)))
            except BaseException as err:
                failed.append(err)

        thread = threading.Thread(target=build, name="build", daemon=True)
        thread.start()
        while thread.is_alive():
            self._publish_diagnostics("building engine")
            thread.join(DIAGNOSTICS_PERIOD)
            if self.interrupted.is_set():
                raise EngineError("interrupted while the engine was being built")
        if failed:
            raise failed[0]
        return built[0]

    def _activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._failure = ""
        if any(getattr(self._settings, name) != getattr(self._built_for, name) for name in ENGINE_PARAMETERS):
            self._install_engine()
        self._image_seen = False
        self._last_image = perf_counter()
        self._statistics.reset()
        self._worker = Worker(self._process)
        self._worker.start()
        topic, kind = self.resolve_topic_name("image"), Image
        if self._settings.input_transport == "compressed":
            topic, kind = f"{topic}/compressed", CompressedImage
        self._subscription = self.create_subscription(
            kind,
            topic,
            self._on_image,
            IMAGE_QOS,
            raw=True,
            event_callbacks=subscription_events(self, topic),
            qos_overriding_options=OVERRIDABLE,
        )
        self.get_logger().info(f"active, images from {self._subscription.topic_name}")
        return super().on_activate(state)

    def _stop_work(self, timeout: float = 30.0) -> None:
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None
        if self._worker is not None and not self._worker.stop(timeout):
            self.get_logger().error(f"the frame in hand is not done after {timeout:g} s; it is abandoned")
        # The worker stays, stopped, for its counters.

    def _release(self) -> TransitionCallbackReturn:
        self._stop_work()
        self._worker = None
        if self._outputs is not None:
            self._outputs.close()
            self._outputs = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        self._facts = {}
        return SUCCESS

    def _on_autostart(self) -> None:
        self._autostart.cancel()
        configured = self.trigger_configure() == SUCCESS
        if self._settings.build_only:
            self.finish(0 if configured else 1)
        elif configured:
            self.trigger_activate()

    # --- frames -----------------------------------------------------------------------------------

    def _on_image(self, data: bytes) -> None:
        worker = self._worker
        if worker is None:
            return
        now = perf_counter()
        self._last_image = now
        self._image_seen = True
        dropped = worker.put(Arrival(data, now, self.get_clock().now().nanoseconds))
        self._statistics.arrived(now, dropped=dropped)

    def _process(self, arrival: Arrival) -> bool:
        """Worker thread: one image message to all its outputs; false if it could not be used."""
        try:
            self._segment(arrival)
        except WireError as err:
            self._failure = f"unusable image: {err}"
        except (EngineError, ValueError) as err:
            self._failure = f"frame not segmented: {err}"
        except Exception as err:
            self._failure = f"frame not segmented: {type(err).__name__}: {err}"
            self.get_logger().error(traceback.format_exc(), throttle_duration_sec=10.0)
        else:
            self._failure = ""
            return True
        self.get_logger().error(self._failure, throttle_duration_sec=5.0)
        return False

    def _segment(self, arrival: Arrival) -> None:
        settings, engine, outputs, worker = self._settings, self._engine, self._outputs, self._worker
        if engine is None or outputs is None or worker is None:
            raise EngineError("the node is not configured")
        taken = perf_counter()
        decode = decode_compressed if settings.input_transport == "compressed" else decode_image
        picture = decode(arrival.data, settings.max_pixels)
        decoded = perf_counter()
        frame = Frame(picture.pixels, picture.order)
        engine.remaining_ms = self._remaining_ms(arrival, decoded)
        answer = engine.segment([frame], confidence=outputs.wants_confidence(settings))[0]
        segmented = perf_counter()
        outputs.publish_labels(picture, answer)
        stamp = stamp_ns(picture.header)
        self._age_ms = since_stamp(self.get_clock().now().nanoseconds, stamp)
        outputs.publish_overlay(picture, answer, settings)
        done = perf_counter()
        self._input_size = f"{frame.pixels.shape[1]}x{frame.pixels.shape[0]}"
        stages = {
            "transport_ms": since_stamp(arrival.clock_ns, stamp),
            "wait_ms": milliseconds(taken, arrival.monotonic),
            "decode_ms": milliseconds(decoded, taken),
            **{f"{stage}_ms": value for stage, value in answer.stages.items()},
            "publish_ms": milliseconds(done, segmented),
            "total_ms": milliseconds(done, arrival.monotonic),
            "age_ms": self._age_ms,
        }
        outputs.publish_latency(picture.header, stages, worker.counters)
        self._publish_ms += 0.1 * (stages["publish_ms"] - self._publish_ms)
        self._statistics.finished(done, stages, engine.exit)

    def _remaining_ms(self, arrival: Arrival, now: float) -> float:
        """What the engine may take of the budget: not what is gone already, nor what publishing will need."""
        budget = self._settings.latency_budget_ms
        return budget - milliseconds(now, arrival.monotonic) - self._publish_ms if budget else math.inf

    # --- housekeeping -------------------------------------------------------------------------------

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        changes = {p.name: p.value for p in parameters if hasattr(self._settings, p.name)}
        active = self._state_machine.current_state[1] == "active"
        if fixed := [name for name in changes if active and by_name()[name].metadata["change"] == "inactive"]:
            reason = f"{fixed[0]} is fixed while the node is active: deactivate it, set, activate it again"
            return SetParametersResult(successful=False, reason=reason)
        try:
            self._settings = replace(self._settings, **changes)
        except ParameterError as err:
            return SetParametersResult(successful=False, reason=str(err))
        self._statistics.window = self._settings.statistics_window_s
        return SetParametersResult(successful=True)

    def _on_jump_back(self, _: Any) -> None:
        self.get_logger().warning("The clock jumped back: statistics start anew.", throttle_duration_sec=5.0)
        self._statistics.reset()
        self._age_ms = math.nan

    def _publish_diagnostics(self, state: str = "") -> None:
        now = perf_counter()
        worker, engine = self._worker, self._engine
        snapshot = Snapshot(
            state=state or self._state_machine.current_state[1],
            parameters=self._settings,
            silence=now - self._last_image,
            in_hand=worker.in_hand() if worker is not None else 0.0,
            first_image_seen=self._image_seen,
            failure=self._failure,
            degraded=f"engine {engine.name} answers instead: {engine.trouble}" if engine and engine.trouble else "",
            hardware=engine.device if engine is not None else "",
            facts={**self._facts, "input_size": self._input_size},
            counters=vars(worker.counters).copy() if worker is not None else {},
            statistics=self._statistics.summary(now),
            age_ms=self._age_ms,
        )
        array = DiagnosticArray(status=[status(self.get_name(), snapshot)])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def stop(self) -> None:
        """Leave in order when the process is asked to end: finish the frame in hand, free the device."""
        self._stop_work(timeout=3.0)
        self._release()
