"""Diagnostic status of the node as a pure function of a snapshot of its state (REP-107)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

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
    output_error: which outputs that have subscribers cannot be published, and why. degraded: which fallback engine is
    in use and why, "" if none. duplicates: number of other nodes with this name. stamp_error: why the stamps of the
    images are invalid, "" if they are valid. no_images: why no images come, "" if unknown.
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


def level_and_message(now: Snapshot) -> tuple[bytes, str]:
    """Level and message of the most severe condition."""
    settings, figures = now.parameters, now.statistics
    if now.state != "active":
        return (ERROR, now.failure) if now.failure else (OK, now.state)
    if now.busy_s > settings.hang_timeout_s:
        return ERROR, f"the engine has not answered for {now.busy_s:.0f} s"
    if now.idle:
        return OK, "idle: nobody listens to the outputs (parameter lazy)"
    if now.silence > settings.input_timeout_s:
        reason = now.no_images or f"input_timeout_s {settings.input_timeout_s:g}"
        return STALE, f"no image for {now.silence:.1f} s ({reason})"
    if now.failure:
        return ERROR, now.failure
    median = figures.get("total_ms_p50", 0.0)
    if 0 < settings.latency_budget_ms < median:
        return ERROR, f"median of total_ms is {median:.1f}, over the budget of {settings.latency_budget_ms:g}"
    if now.degraded:
        return WARN, now.degraded
    if now.metadata.get("trained") == "false":
        return WARN, "the network is untrained, its labels mean nothing: set model"
    if now.duplicates:
        return WARN, f"{now.duplicates} more of this name on the graph: give each node a unique name or namespace"
    if now.stamp_error:
        return WARN, now.stamp_error
    if not now.first_image_seen:
        return OK, "waiting for the first image"
    if failed := figures.get("failed_ratio", 0.0):
        return WARN, f"{failed:.1%} of the recent frames failed: {now.last_failure}"
    if damaged := figures.get("damaged_ratio", 0.0):
        return WARN, f"{damaged:.1%} of the recent images came damaged: {now.last_damage}"
    if now.output_error:
        return WARN, now.output_error
    age = figures.get("age_ms_p95", 0.0)
    if 0 < settings.age_warning_ms < age < RECORDED_MS:
        return WARN, f"p95 of age_ms is {age:.0f}: images come late, or the clocks differ (age_warning_ms)"
    total = figures.get("total_ms_p95", 0.0)
    if 0 < settings.latency_budget_ms < total:
        return WARN, f"p95 of total_ms is {total:.1f}, over the budget of {settings.latency_budget_ms:g}"
    reduced = figures.get("reduced_ratio", 0.0)
    if reduced > REDUCED_WARNING:
        return WARN, f"{reduced:.0%} of the frames get an earlier exit or a smaller input, to keep latency_budget_ms"
    drops = figures.get("drop_ratio", 0.0)
    if drops > settings.drop_warning:
        return WARN, f"{drops:.0%} of the frames are dropped: images come faster than they can be segmented"
    return OK, f"{figures.get('frame_rate_node', 0.0):.1f} frames/s"
