"""The lifecycle node `icnet`: camera images in, label maps out."""

import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.base import EngineError
from icnet_ros.node.build import BuiltEngine, build_in_background
from icnet_ros.node.camera import Camera
from icnet_ros.node.diagnostics import Snapshot, status
from icnet_ros.node.exit_codes import CONFIGURATION_ERROR, DEFECT
from icnet_ros.node.frame import ReceivedImage
from icnet_ros.node.inputs.transforms import Transforms
from icnet_ros.node.parameter import ParameterError
from icnet_ros.node.parameters import by_name
from icnet_ros.node.processing import FrameProcessor
from icnet_ros.node.ros.bond import ManagerBond
from icnet_ros.node.ros.diagnostic_array import diagnostic_array
from icnet_ros.node.ros.graph import duplicate_names
from icnet_ros.node.ros.parameters import declare
from icnet_ros.node.ros.qos import OVERRIDABLE
from icnet_ros.node.worker import Worker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
DIAGNOSTICS_PERIOD = 1.0  # s, promised in docs/topics.md
SUBSCRIBERS_PERIOD = 0.2  # s, how often a lazy node checks for subscribers
FIXED = {name for name, entry in by_name().items() if entry.metadata["change"] == "inactive"}


class _InterruptedError(Exception):
    """SIGINT or SIGTERM while an engine is being built."""


class SegmentationNode(LifecycleNode):
    """Topics and parameters: docs/topics.md, docs/parameters.md. Callbacks run on one thread, frames on another."""

    def __init__(self, **options: object) -> None:
        super().__init__("icnet", **options)
        self.interrupted = threading.Event()  # set on SIGINT and SIGTERM
        self.finish: Callable[[int], object] = lambda _: None  # called to end the process with an exit code
        self._settings = declare(self)
        self._built: BuiltEngine | None = None
        self._cameras: dict[str, Camera] = {}
        self._transforms: Transforms | None = None
        self._processor: FrameProcessor | None = None
        self._worker: Worker[ReceivedImage] | None = None
        self._bond = ManagerBond(self)
        self._failure = ""  # of the last transition
        self._exit_code = 0  # of the process, if that failure ends it
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False),
            post_callback=self._on_jump_back,
        )
        self._diagnostics = self.create_publisher(
            DiagnosticArray, "/diagnostics", 10, qos_overriding_options=OVERRIDABLE
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # also runs while simulated time is paused
        self.create_timer(DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=steady)
        self._subscriber_timer = self.create_timer(SUBSCRIBERS_PERIOD, self._update_subscriptions, clock=steady)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        if self._settings.autostart or self._settings.build_only:
            self._autostart = self.create_timer(0.0, self._on_autostart, clock=steady)

    # --- lifecycle: rclpy discards exceptions of these callbacks, so each transition logs its own --

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the checkpoint, build and warm up the engine, publish the class table."""
        result = self._transition("configure", lambda: self._configure(state), "")
        if result != SUCCESS:
            self._release()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to images."""
        result = self._transition("activate", lambda: self._activate(state), "")
        if result != SUCCESS:
            self._stop_work()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; the current frame is still published."""
        self._stop_work()
        return self._transition(
            "deactivate", lambda: super(SegmentationNode, self).on_deactivate(state), "inactive: images are ignored"
        )

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the device."""
        return self._transition("cleanup", self._release, "unconfigured: the engine is released")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop from any state."""
        return self._transition("shutdown", self._release, "finalized")

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after a failed transition."""
        return self._transition("error", self._release, "unconfigured after an error")

    def _transition(
        self, name: str, act: Callable[[], TransitionCallbackReturn], success: str
    ) -> TransitionCallbackReturn:
        """Run a transition. success: logged afterwards, unless empty."""
        self._failure, self._exit_code = "", 0
        try:
            result = act()
        except _InterruptedError:
            self.get_logger().info("stopped while the engine was being built")
        except (CheckpointError, EngineError) as err:
            self._failure, self._exit_code = str(err), CONFIGURATION_ERROR
            self.get_logger().error(f"{name} failed: {err}")
        except Exception as err:
            self._failure, self._exit_code = f"{name} failed: {type(err).__name__}: {err}", DEFECT
            self.get_logger().error(f"{name} failed:\n{traceback.format_exc()}")
        else:
            if success:
                self.get_logger().info(success)
            return result
        return FAILURE

    def _configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._install_engine()
        return super().on_configure(state)

    def _install_engine(self) -> BuiltEngine:
        """Build the engine for the current parameters, then release the previous one."""
        started = perf_counter()
        built = build_in_background(self._settings, self._while_building, DIAGNOSTICS_PERIOD)
        self._release()
        self._built, engine = built, built.engine
        self._transforms = Transforms(self, built.settings.cloud_transform)
        try:
            for name in built.settings.cameras:
                self._cameras[name] = Camera(self, name, engine, built.settings, self._transforms)
                self._cameras[name].outputs.announce()
        except Exception:  # the next activation is to start anew
            self._release()
            raise
        self.get_logger().info(
            f"{built.metadata['checkpoint']} on engine {engine.name} ({engine.device}, {engine.precision}, "
            f"{engine.exit}), ready after {perf_counter() - started:.1f} s"
        )
        if not engine.spec.trained:
            self.get_logger().warning("The network is UNTRAINED: its labels mean nothing. Set the parameter model.")
        return built

    def _while_building(self) -> None:
        self._publish_state("building engine")
        if self.interrupted.is_set():
            raise _InterruptedError

    def _activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._worker is not None and self._worker.running:
            raise EngineError("an abandoned frame is still in the engine: activate later, or start the node again")
        built = self._built
        if built is None or any(getattr(self._settings, name) != getattr(built.settings, name) for name in FIXED):
            built = self._install_engine()
        self._processor = FrameProcessor(self, built.engine, self._cameras, self._settings)
        self._worker = Worker(self._processor.process, list(self._cameras), self._processor.window_s)
        self._worker.start()
        for camera in self._cameras.values():
            camera.forget()
            camera.counters = self._worker.counters[camera.name]
            if not self._settings.lazy:
                self._subscribe(camera)
        result = super().on_activate(state)
        if not self._settings.autostart:  # else nobody manages the node, and other nodes' heartbeats only cost time
            self._bond.form()
        return result

    def _subscribe(self, camera: Camera) -> None:
        if self._worker is not None:
            camera.subscribe(self._worker.put)
            camera.update_inputs()

    def _stop_work(self, timeout: float = 30.0) -> None:
        self._bond.end()
        for camera in self._cameras.values():
            camera.unsubscribe()
        if self._worker is not None and not self._worker.stop(timeout):
            self.get_logger().error(f"the current frame is not finished after {timeout:g} s; it is abandoned")

    def _release(self, timeout: float = 30.0) -> TransitionCallbackReturn:
        self._stop_work(timeout)
        abandoned = self._worker is not None and self._worker.running
        self._processor = self._worker = None
        for camera in self._cameras.values():
            camera.close()
        self._cameras.clear()
        if self._transforms is not None:
            self._transforms.close()
            self._transforms = None
        if self._built is not None:
            if not abandoned:  # else it is freed when the frame ends
                self._built.engine.close()
            self._built = None
        return SUCCESS

    def _on_autostart(self) -> None:
        self._autostart.cancel()
        # Unless somebody was faster.
        started = self._state() == "unconfigured" and self.trigger_configure() == SUCCESS
        if started and not self._settings.build_only:
            started = self.trigger_activate() == SUCCESS
        if self._exit_code:
            self.get_logger().fatal(f"cannot start: {self._failure}")
        if self._settings.build_only or self._exit_code:
            self.finish(self._exit_code)

    # --- housekeeping -------------------------------------------------------------------------------

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        before, given = self._settings, {p.name: p.value for p in parameters if hasattr(self._settings, p.name)}
        try:
            settings = replace(before, **given)
        except ParameterError as err:
            return SetParametersResult(successful=False, reason=str(err))
        changed = {name for name in given if getattr(settings, name) != getattr(before, name)}
        # A node that was configured with exit auto has all exits built.
        fixed = FIXED - ({"exit"} if self._built and self._built.settings.exit == "auto" else set())
        if self._state() == "active" and (refused := sorted(fixed & changed)):
            reason = f"{refused[0]} is fixed while the node is active: deactivate it, set the parameter, activate it"
            return SetParametersResult(successful=False, reason=reason)
        if self._state() == "active" and self._built and "exit" in changed and settings.exit != "auto":
            exits = self._built.engine.spec.exits
            if settings.exit not in exits:
                reason = f"the network has no exit {settings.exit}: take auto or {', '.join(exits)}"
                return SetParametersResult(successful=False, reason=reason)
        self._settings = settings
        for camera in self._cameras.values():
            camera.use(self._settings)
        if self._processor is not None:
            self._processor.use(self._settings)
        self._subscriber_timer.reset()
        return SetParametersResult(successful=True)

    def _on_jump_back(self, _: object) -> None:
        self.get_logger().warning("The clock jumped back: statistics are reset.", throttle_duration_sec=5.0)
        if self._transforms is not None:
            self._transforms.clear()
        for camera in self._cameras.values():
            camera.clock_jumped()

    def _update_subscriptions(self) -> None:
        """Subscribe to the cameras whose outputs have subscribers; to all if not lazy."""
        if not self._settings.lazy:
            self._subscriber_timer.cancel()  # until a parameter is set: a timer callback costs as much as a frame
        if self._worker is None or self._state() != "active":
            return
        for camera in self._cameras.values():
            if not self._settings.lazy or camera.outputs.has_subscribers():
                self._subscribe(camera)
            else:
                camera.unsubscribe()

    def _state(self) -> str:
        state: str = self._state_machine.current_state[1]
        return state

    def _publish_diagnostics(self) -> None:  # no parameter: rclpy's EventsExecutor would give it a TimerInfo
        self._publish_state(self._state())

    def _publish_state(self, state: str) -> None:
        worker, built = self._worker, self._built
        for camera in self._cameras.values():
            camera.update_inputs()
            camera.outputs.check_subscribers()
        common = Snapshot(
            state=state,
            parameters=self._settings,
            busy_s=worker.busy_s() if worker else 0.0,
            failure=self._failure,
            duplicates=duplicate_names(self),
        )
        if built is not None:
            engine, last_error = built.engine, built.engine.last_error
            consequence = f"engine {engine.name} is used instead" if engine.has_fallback else "the engine fails"
            degraded = f"{consequence}: {last_error}" if last_error else ""
            common = replace(common, degraded=degraded, hardware=engine.device, metadata=built.metadata)
        snapshots = [camera.snapshot(common) for camera in self._cameras.values()] or [
            replace(common, camera=name) for name in self._settings.cameras
        ]
        node = self.get_fully_qualified_name()
        self._diagnostics.publish(diagnostic_array(self, [status(node, snapshot) for snapshot in snapshots]))

    def stop(self) -> None:
        """Clean shutdown: finish the current frame, free the device."""
        self._release(timeout=3.0)
