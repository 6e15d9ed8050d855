"""Parameters, arguments and logging of the nodes."""

import argparse
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from icnet_ros.node.exit_codes import CONFIGURATION_ERROR
from icnet_ros.node.parameter import Entry, allowed, default_of, ros_value
from icnet_ros.node.parameters import Parameters, by_name
from icnet_ros.node.ros.unknown_parameters import check_overrides


def declare(node: Node) -> Parameters:
    """Declare all parameters on the node and return their initial values. Raises ParameterError.

    Unknown names: see `check_overrides`.
    """
    check_overrides(node, list(by_name()))
    empty = _take_empty_lists(node)
    values = {
        name: node.declare_parameter(name, ros_value(default_of(entry)), _descriptor(entry)).value
        for name, entry in by_name().items()
    }
    return Parameters(**(values | empty))


def _take_empty_lists(node: Node) -> dict[str, list[str]]:
    """Remove empty lists from what was given and return them: in a parameter file they have no type, nor a value."""
    overrides = node._parameter_overrides  # noqa: SLF001  no public API
    lists = {name for name, entry in by_name().items() if isinstance(default_of(entry), tuple)}
    empty = [name for name in lists & overrides.keys() if overrides[name].value is None]
    for name in empty:
        del overrides[name]
    return {name: [] for name in empty}


def check_arguments(program: str, description: str, usage: str, parameters: Mapping[str, str]) -> None:
    """Handle --help; exit with code 2 for other arguments than those between --ros-args and --.

    usage: example of ROS arguments. parameters: descriptions by name.
    """
    listing = "\n".join(f"  {name}: {text}" for name, text in parameters.items())
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"ros2 run icnet_ros {program} --ros-args {usage}",
        description=description,
        epilog=f"parameters:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(remove_ros_args(sys.argv)[1:])


@contextmanager
def checking_ros_arguments(name: str) -> Iterator[None]:
    """End the process with CONFIGURATION_ERROR and a message if rclpy cannot use an argument or a parameter file.

    name: of the node, for the message; there is no logger yet.
    """
    try:
        yield
    except RuntimeError as err:
        reason = str(err).partition(", at /")[0].strip()  # then come places in rcl's source
        print(f"[FATAL] [{name}]: ROS arguments or a parameter file cannot be used: {reason}", file=sys.stderr)
        raise SystemExit(CONFIGURATION_ERROR) from None


def log_fatal(name: str, reason: str) -> None:
    """Log why the node `name` could not be made, with the name and namespace that it has by the ROS arguments."""
    try:
        node = rclpy.create_node(name, enable_rosout=False, start_parameter_services=False)
    except ParameterException:  # of rclpy's own parameters
        get_logger(name).fatal(reason)
        return
    node.get_logger().fatal(reason)
    node.destroy_node()


def _descriptor(entry: Entry) -> ParameterDescriptor:
    limits = entry.metadata["range"]
    descriptor = ParameterDescriptor(
        description=entry.metadata["description"],
        additional_constraints=allowed(entry),
        read_only=entry.metadata["change"] == "start",
    )
    if limits and isinstance(entry.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
    elif limits:
        descriptor.integer_range = [IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)]
    return descriptor


class RosLog(logging.Handler):
    """Forwards log records of the packages without ROS to the node's logger and /rosout."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        if record.levelno >= logging.WARNING:
            self._logger.warning(record.getMessage())
        elif record.levelno >= logging.INFO:
            self._logger.info(record.getMessage())
        else:
            self._logger.debug(record.getMessage())
