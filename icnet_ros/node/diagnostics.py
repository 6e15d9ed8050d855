"""Diagnostic status of the node as a pure function of a snapshot of its state (REP-107)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from icnet_ros.node.parameters import Parameters

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)
RECORDED_MS = 3_600_000.0  # older images are those of a recording that is played without /clock
REDUCED_WARNING = 0.5  # WARN if exit auto uses an earlier exit or a smaller input for a larger share of the frames


@dataclass(frozen=True)
class Snapshot:
    """State of the node at one moment.

    state: lifecycle state, or the operation in progress ("building engine"). camera: its name, "" if the
    node has only one. silence: seconds since the last image, or since activation. idle: not subscribed to
    images, as the outputs have no subscribers. busy_s: seconds spent on the current frame so far.
    failure: why frames fail at present, "" if they do not. last_failure: why the last one failed that did.
    last_damage: what was wrong with the last image that was damaged.
    output_error: which outputs that have subscribers cannot be published, or may be wrong, and why. degraded: which
    fallback engine is in use and why, "" if none. duplicates: number of other nodes with this name. stamp_error: why
    the stamps of the images are invalid, "" if they are valid. no_images: why no images come, "" if unknown.
    metadata: values that do not change while configured.
    statistics: see `Statistics.summary`.
    """

    state: str
    parameters: Parameters
    camera: str = ""
    silence: float = 0.0
    idle: bool = False
    busy_s: float = 0.0
    first_image_seen: bool = False
    failure: str = ""
    last_failure: str = ""
    last_damage: str = ""
    output_error: str = ""
    degraded: str = ""
    duplicates: int = 0
    stamp_error: str = ""
    no_images: str = ""
    hardware: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    statistics: Mapping[str, float] = field(default_factory=dict)
    age_ms: float = math.nan


def status_name(node: str, camera: str = "") -> str:
    """Name of the status of a camera; node: fully qualified name; camera: "" if the node has only one."""
    return f"{node.lstrip('/')}: {camera or 'segmentation'}"


def status(node: str, now: Snapshot) -> DiagnosticStatus:
    """Diagnostic status of one camera of node `node` (fully qualified name)."""
    level, message = level_and_message(now)
    values = {
        "state": now.state,
        "frame_rate_node": f"{now.statistics.get('frame_rate_node', 0.0):.2f}",
        "frame_rate_msg": f"{now.statistics.get('frame_rate_msg', 0.0):.2f}",
        "current_delay_from_realtime_ms": f"{now.age_ms:.1f}",
        "total_dropped_frames": str(now.counters.get("dropped", 0)),
        **{key: str(value) for key, value in now.counters.items()},
        **{key: f"{value:.2f}" for key, value in now.statistics.items() if "_p" in key or key.startswith("exit_share")},
        **now.metadata,
    }
    return DiagnosticStatus(
        level=level,
        name=status_name(node, now.camera),
        message=message,
        hardware_id=now.hardware,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


class Condition(NamedTuple):
    """What a status can say. what: for the documentation. says: the message if it holds now, else ""."""

    level: bytes
    what: str
    says: Callable[[Snapshot], str]


def _not_active(now: Snapshot) -> str:
    return now.state if now.state != "active" else ""


def _failed_transition(now: Snapshot) -> str:
    return now.failure if now.state != "active" else ""


def _hangs(now: Snapshot) -> str:
    hangs = now.busy_s > now.parameters.hang_timeout_s
    return f"the engine has not answered for {now.busy_s:.0f} s" if hangs else ""


def _idle(now: Snapshot) -> str:
    return "idle: nobody listens to the outputs (parameter lazy)" if now.idle else ""


def _no_image(now: Snapshot) -> str:
    timeout = now.parameters.input_timeout_s
    reason = now.no_images or f"input_timeout_s {timeout:g}"
    return f"no image for {now.silence:.1f} s ({reason})" if now.silence > timeout else ""


def _median_over_budget(now: Snapshot) -> str:
    budget, median = now.parameters.latency_budget_ms, now.statistics.get("total_ms_p50", 0.0)
    return f"median of total_ms is {median:.1f}, over the budget of {budget:g}" if 0 < budget < median else ""


def _untrained(now: Snapshot) -> str:
    untrained = now.metadata.get("trained") == "false"
    return "the network is untrained, its labels mean nothing: set model" if untrained else ""


def _same_name(now: Snapshot) -> str:
    more = f"{now.duplicates} more of this name on the graph: give each node a unique name or namespace"
    return more if now.duplicates else ""


def _waiting(now: Snapshot) -> str:
    return "" if now.first_image_seen else "waiting for the first image"


def _some_failed(now: Snapshot) -> str:
    failed = now.statistics.get("failed_ratio", 0.0)
    return f"{failed:.1%} of the recent frames failed: {now.last_failure}" if failed else ""


def _some_damaged(now: Snapshot) -> str:
    damaged = now.statistics.get("damaged_ratio", 0.0)
    return f"{damaged:.1%} of the recent images came damaged: {now.last_damage}" if damaged else ""


def _late(now: Snapshot) -> str:
    age = now.statistics.get("age_ms_p95", 0.0)
    late = 0 < now.parameters.age_warning_ms < age < RECORDED_MS
    return f"p95 of age_ms is {age:.0f}: images come late, or the clocks differ (age_warning_ms)" if late else ""


def _p95_over_budget(now: Snapshot) -> str:
    budget, total = now.parameters.latency_budget_ms, now.statistics.get("total_ms_p95", 0.0)
    return f"p95 of total_ms is {total:.1f}, over the budget of {budget:g}" if 0 < budget < total else ""


def _reduced(now: Snapshot) -> str:
    reduced = now.statistics.get("reduced_ratio", 0.0)
    purpose = "keep latency_budget_ms" if now.parameters.latency_budget_ms else "keep up with the images"
    words = f"{reduced:.0%} of the frames get an earlier exit or a smaller input, to {purpose}"
    return words if reduced > REDUCED_WARNING else ""


def _drops(now: Snapshot) -> str:
    drops = now.statistics.get("drop_ratio", 0.0)
    words = f"{drops:.0%} of the frames are dropped: images come faster than they can be segmented"
    words += "" if now.parameters.exit == "auto" else " (exit auto is faster and coarser then)"
    return words if drops > now.parameters.drop_warning else ""


# The first that holds is the status: the others are less severe, or follow from it.
CONDITIONS = (
    Condition(ERROR, "the last transition failed", _failed_transition),
    Condition(OK, "the node is not active, or is building an engine", _not_active),
    Condition(ERROR, "a frame takes longer than `hang_timeout_s`", _hangs),
    Condition(OK, "nobody listens to the outputs, and `lazy` is set", _idle),
    Condition(STALE, "no image came for `input_timeout_s`, counted from the activation", _no_image),
    Condition(ERROR, "the last frame failed", lambda now: now.failure),
    Condition(ERROR, "the median of `total_ms` is over `latency_budget_ms`", _median_over_budget),
    Condition(WARN, "`fallback_engine` is in use", lambda now: now.degraded),
    Condition(WARN, "the network is untrained", _untrained),
    Condition(WARN, "another node has the same name", _same_name),
    Condition(WARN, "stamps of the images are 0 or in the future", lambda now: now.stamp_error),
    Condition(OK, "no image has come yet", _waiting),
    Condition(WARN, "some of the recent frames failed", _some_failed),
    Condition(WARN, "some of the recent images came damaged, see `damaged_images`", _some_damaged),
    Condition(
        WARN,
        "an output that has subscribers cannot be published, or contradicts the camera's pose (`~/grid`, `~/scan`)",
        lambda now: now.output_error,
    ),
    Condition(WARN, "p95 of `age_ms` is over `age_warning_ms`", _late),
    Condition(WARN, "p95 of `total_ms` is over `latency_budget_ms`", _p95_over_budget),
    Condition(WARN, "more than half of the frames get an earlier exit or a smaller input", _reduced),
    Condition(WARN, "more images are dropped than `drop_warning`", _drops),
)


def level_and_message(now: Snapshot) -> tuple[bytes, str]:
    """Level and message of the first condition that holds; OK and the frame rate if none does."""
    for condition in CONDITIONS:
        if message := condition.says(now):
            return condition.level, message
    return OK, f"{now.statistics.get('frame_rate_node', 0.0):.1f} frames/s"
