"""`evaluation_node`: scores a segmentation node's labels against ground truth while both are published."""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, cast

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Float32
from vision_msgs.msg import LabelInfo

from icnet_ros.checkpoint.default import load_model_spec
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.engine.base import EngineError
from icnet_ros.engine.grouping import read_groups
from icnet_ros.live.online import OnlineEvaluation
from icnet_ros.msg import FrameLatency
from icnet_ros.node.diagnostics import status_name
from icnet_ros.node.exit_codes import CONFIGURATION_ERROR
from icnet_ros.node.inputs.bytes_subscription import BytesSubscription
from icnet_ros.node.inputs.ground_truth_input import GroundTruthInput
from icnet_ros.node.parameter import ParameterError
from icnet_ros.node.ros.diagnostic_array import diagnostic_array
from icnet_ros.node.ros.parameters import check_arguments, checking_ros_arguments, log_fatal
from icnet_ros.node.ros.qos import OVERRIDABLE, subscription_events
from icnet_ros.node.ros.releases import overridable
from icnet_ros.node.ros.unknown_parameters import check_overrides
from icnet_ros.render.painter import UInt8
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.ground_truth import palette_check, read_mapping
from icnet_ros.replay.metadata import RunMetadata
from icnet_ros.report.document import Report
from icnet_ros.wire.bag import bag_hash
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.decoders.base import Decoder
from icnet_ros.wire.decoders.image import ImageDecoder
from icnet_ros.wire.image import stamp_ns

P = ParamSpec("P")
METADATA = ("engine", "device", "precision", "exit", "checkpoint", "checkpoint_sha256")  # from the node's diagnostics
COUNTERS = ("received", "processed", "dropped", "failed", "skipped")
DEEP = QoSProfile(depth=100)  # no message is lost if this process stalls
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


# Default and description.
PARAMETERS = {
    "out": ("icnet_evaluation", "Folder of the report, which is like that of `icnet replay`."),
    "model": ("", "Checkpoint of the node; the shipped one if empty."),
    "label_groups": ("", "As of the node; ground truth has the classes of the checkpoint and is merged into them."),
    "mapping": ("", "File with the class of each id of the ground truth, as --mapping of `icnet replay`."),
    "bag": ("", "The bag that is played; its hash is written to the report."),
    "node": ("icnet", "Name of the segmentation node, whose status in /diagnostics says engine and checkpoint."),
}


class EvaluationNode(Node):
    """Topics (remap them): labels, latency and label_info of the node, and `ground_truth`, images of class ids.

    Publishes ~/miou (std_msgs/Float32) after each scored frame, and a status in /diagnostics. Parameters: PARAMETERS.
    """

    def __init__(self) -> None:
        super().__init__("icnet_evaluation")
        check_overrides(self, list(PARAMETERS))
        given: dict[str, str] = {}
        for name, (default, _) in PARAMETERS.items():
            given[name] = value = self.declare_parameter(name, default).value
            if not isinstance(value, str):  # None for an empty list
                raise ParameterError(f"{name} has no text as its value")
        self._out, self._bag = Path(given["out"]), given["bag"]
        self._status = status_name(f"{self.get_namespace()}/{given['node']}")
        self._spec = load_model_spec(given["model"])
        groups = read_groups(self._spec, given["label_groups"])
        if groups is not None:
            self._spec = replace(self._spec, classes=groups.classes)
        self._metadata: RunMetadata = {"bag": self._bag, "live": {}}
        if self._bag and not Path(self._bag).exists():
            raise ParameterError(f"bag: {self._bag} does not exist")
        # Hashing a long bag takes minutes; labels are received meanwhile.
        self._hasher = ThreadPoolExecutor(1)
        self._hash = self._hasher.submit(bag_hash, Path(self._bag)) if self._bag else None
        source = self._spec.classes if groups is None else groups.source
        mapping = read_mapping(Path(given["mapping"]), source) if given["mapping"] else None
        self._check_palette = palette_check(source, mapping)
        labels, ground_truth = self.resolve_topic_name("labels"), self.resolve_topic_name("ground_truth")
        self._evaluation = OnlineEvaluation(self._spec.classes, self._out, labels, ground_truth, groups, mapping)
        self._refused = ""  # what was logged of it
        self._labels = BytesSubscription(
            self, Image, "labels", self._on_labels, **overridable(DEEP, OVERRIDABLE),
            event_callbacks=subscription_events(self, labels),
        )  # fmt: skip
        self._truth = GroundTruthInput(self, "ground_truth", DEEP, self._on_ground_truth, self._evaluation.names)
        self.create_subscription(FrameLatency, "latency", self._on_latency, DEEP)
        self.create_subscription(LabelInfo, "label_info", self._on_label_info, LATCHED)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._miou = self.create_publisher(Float32, "~/miou", 10)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Also runs while simulated time is paused.
        self.create_timer(1.0, self._publish_diagnostics, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"labels from {self._evaluation.result.image_topic}, ground truth from {ground_truth}")

    def _on_labels(self, data: bytes | memoryview) -> None:
        if (decoded := self._decode("labels", data, ImageDecoder())) is not None:
            stamp, labels = decoded
            self._score(self._evaluation.labels, stamp, self.get_clock().now().nanoseconds, labels)

    def _on_ground_truth(self, data: bytes | memoryview, decoder: Decoder) -> None:
        if (decoded := self._decode("ground truth", data, decoder)) is not None:
            self._score(self._evaluation.ground_truth, *decoded)

    def _decode(self, what: str, data: bytes | memoryview, decoder: Decoder) -> tuple[int, UInt8] | None:
        """Stamp (ns) and label map; None, with a warning in report and log, if the image is invalid."""
        try:
            header, picture = decoder.labels(data)
            self._check_palette(picture, what)
        except (WireError, GroundTruthError) as err:
            self._evaluation.result.warn(f"{what}: {err}", self.get_clock().now().nanoseconds)
            self.get_logger().error(f"{what} cannot be used: {err}", throttle_duration_sec=5.0)
            return None
        return stamp_ns(header), picture.values

    def _score(self, add: Callable[P, None], *arguments: P.args, **more: P.kwargs) -> None:
        """Add labels or ground truth to the evaluation; publish mIoU if a frame was scored."""
        scored = self._evaluation.scored
        add(*arguments, **more)
        if self._evaluation.scored > scored:
            self._miou.publish(Float32(data=float(self._evaluation.miou or 0.0)))

    def _on_latency(self, message: FrameLatency) -> None:
        stages = {name: getattr(message, name) for name in message.get_fields_and_field_types() if name.endswith("_ms")}
        self._evaluation.latency(stamp_ns(message.header), stages)
        self._metadata["live"] = {"frames": {name: getattr(message, name) for name in COUNTERS}}

    def _on_label_info(self, message: LabelInfo) -> None:
        names = tuple(entry.class_name for entry in message.class_map if entry.class_name != "unlabelled")
        if names != self._spec.classes.names:
            self._evaluation.refuse(
                f"the node's classes are {names}: set the parameter `model` to its checkpoint, and `label_groups`"
            )

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name == self._status:
                values = {pair.key: pair.value for pair in status.values}
                self._metadata.update(cast("RunMetadata", {name: values[name] for name in METADATA if name in values}))
                if "trained" in values:  # not while an engine is built
                    self._metadata["trained"] = values["trained"] == "true"

    def _publish_diagnostics(self) -> None:
        self._labels.check()
        self._truth.check()
        if self._evaluation.refused != self._refused:
            self._refused = self._evaluation.refused
            self.get_logger().error(f"nothing is scored: {self._refused}")
        result, miou = self._evaluation.result, self._evaluation.miou
        level, message = DiagnosticStatus.OK, "waiting for ground truth" if miou is None else f"mIoU {miou:.4f}"
        if self._refused:
            level, message = DiagnosticStatus.ERROR, self._refused
        elif result.warnings:
            level, message = DiagnosticStatus.WARN, next(iter(result.warnings)).text
        values = {"miou": f"{miou:.4f}" if miou is not None else "none", "frames": len(result.frames)}
        values["scored"] = self._evaluation.scored
        name, hardware = self.get_fully_qualified_name().lstrip("/"), self._metadata.get("device", "")
        status = DiagnosticStatus(
            level=level, name=f"{name}: score", message=message, hardware_id=hardware,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )  # fmt: skip
        self._diagnostics.publish(diagnostic_array(self, [status]))

    def write(self) -> Report:
        """Write the report and return its content. Waits for the hash of the bag."""
        try:
            self._metadata["bag_sha256"] = self._hash.result() if self._hash else None
        except OSError as err:
            self.get_logger().error(f"{self._bag} cannot be hashed, the report has no bag_sha256: {err}")
            self._metadata["bag_sha256"] = None
        defaults: RunMetadata = {"checkpoint": "unknown", "engine": "unknown", "trained": self._spec.trained}
        title = Path(self._bag).name or self._evaluation.result.image_topic
        return self._evaluation.write({**defaults, **self._metadata}, title)


def main() -> int:
    """Score until SIGINT or SIGTERM, then write OUT/report.json, report.html and frames.csv.

    Returns 0, or CONFIGURATION_ERROR if a parameter cannot be used.
    """
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    # rclpy's own handlers would end the process before the report is written; a second signal is ignored.
    with checking_ros_arguments("icnet_evaluation"):
        parameters = {name: description for name, (_, description) in PARAMETERS.items()}
        usage = "-p out:=DIR -r labels:=/icnet/labels ..."
        check_arguments("evaluation_node", "Scores labels of a segmentation node with ground truth.", usage, parameters)
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        node = EvaluationNode()
    except (ParameterError, CheckpointError, EngineError, GroundTruthError, rclpy.exceptions.ParameterException) as err:
        log_fatal("icnet_evaluation", str(err))
        rclpy.shutdown()
        return CONFIGURATION_ERROR
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not ended:
        try:
            executor.spin_once(timeout_sec=0.2)
        except Exception as err:  # such as a full disk: what was scored so far is still reported
            node.get_logger().error(f"{type(err).__name__}: {err}", throttle_duration_sec=5.0)
    report = node.write()
    miou = "not scored" if report["miou"] is None else f"mIoU {report['miou']:.4f}"
    print(f"EVALUATED {report['frames']['labelled']} frames, {miou}", flush=True)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
