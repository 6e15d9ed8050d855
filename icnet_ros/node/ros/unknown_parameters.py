"""Parameters that were given but that a node does not have: typing errors, and those of other nodes."""

from collections.abc import Sequence
from difflib import get_close_matches

from rclpy.node import Node

from icnet_ros.node.parameter import ParameterError

OF_RCLPY = ("qos_overrides.", "start_type_description")
NEAR = 0.75  # similarity (difflib) of a name that is proposed


def check_overrides(node: Node, names: Sequence[str]) -> None:
    """Raise ParameterError if a parameter that was given is none of `names`, but one of them mistyped.

    Other unknown names are logged and ignored: a file with the key /** has those of other nodes, too.
    """
    foreign = []
    for name in node._parameter_overrides:  # noqa: SLF001  no public API
        if name in names or name == "use_sim_time" or name.startswith(OF_RCLPY):
            continue
        if mistyped := [known for known in names if is_typing_error(name, known)]:
            raise ParameterError(f"there is no parameter {name!r}; did you mean {mistyped[0]!r}?")
        if "." not in name and (near := get_close_matches(name, names, 1, cutoff=NEAR)):
            node.get_logger().warning(f"There is no parameter {name!r}: it is ignored. Did you mean {near[0]!r}?")
        else:
            foreign.append(name)
    if foreign:
        node.get_logger().info(f"These are no parameters of this node and are ignored: {', '.join(foreign)}")


def is_typing_error(name: str, known: str) -> bool:
    """Whether `name` is `known` but for one edit, or two in a long name.

    In short names that makes another word (mode, model), and so does a plural (camera, cameras).
    """
    if name.rstrip("s") == known.rstrip("s"):
        return False
    return edits(name, known) <= (2 if len(name) >= 10 else 1 if len(name) >= 6 else 0)


def edits(one: str, other: str) -> int:
    """Letters to add, remove, replace, or exchange with their neighbour (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, second in enumerate(other, 1):
            best = min(last[column] + 1, now[-1] + 1, last[column - 1] + (letter != second))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == second:
                best = min(best, before[column - 2] + 1)
            now.append(best)
        before, last = last, now
    return last[-1]
