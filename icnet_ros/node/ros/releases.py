"""What differs between the releases of rclpy that this package runs on: Humble to Rolling.

Checked against the sources of rclpy 3.3 (Humble), 7.1 (Jazzy), 9.1 (Kilted), 10.0 (Lyrical) and 11.0 (Rolling).
"""

import traceback
from copy import copy
from inspect import signature
from typing import Any

from rclpy.executors import Executor
from rclpy.logging import get_logger
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.task import Future

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

__all__ = (
    "CAN_REPORT_MATCHES",
    "PublisherEventCallbacks",
    "SubscriptionEventCallbacks",
    "overridable",
    "silence",
    "spin_until",
)

# Whether a publisher is told about each new subscriber: not in Humble.
CAN_REPORT_MATCHES = "matched" in signature(PublisherEventCallbacks.__init__).parameters


def overridable(profile: QoSProfile, options: QoSOverridingOptions) -> dict[str, Any]:
    """Arguments of create_publisher and create_subscription for a profile that parameters may override.

    rclpy writes the overrides of one topic into the profile it is given, in every release: each topic gets a copy.
    """
    return {"qos_profile": copy(profile), "qos_overriding_options": options}


def spin_until(executor: Executor, ended: Future) -> None:
    """Spin until the future is done. Exceptions of callbacks are logged, and the spinning goes on.

    `spin_until_future_complete` of Jazzy before 7.1.8 adds a callback to the future with every iteration and never
    removes it. Impossible lifecycle transitions raise through the executor up to Jazzy.
    """
    ended.add_done_callback(lambda _: executor.wake())
    while not ended.done():
        try:
            executor.spin_once()
        except Exception:
            get_logger("icnet").error(traceback.format_exc())


def silence(*loggers: str) -> None:
    """Show only warnings and errors of loggers whose level nobody has set. Humble cannot tell, there they stay."""
    try:
        from rclpy.logging import LoggingSeverity, get_logger_level, set_logger_level
    except ImportError:
        return
    for name in loggers:
        if get_logger_level(name) == LoggingSeverity.UNSET:
            set_logger_level(name, LoggingSeverity.WARN)
