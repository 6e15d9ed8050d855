"""What a parameter of a node is: default, description, allowed values, and when it may be changed."""

import re
from collections.abc import Callable
from dataclasses import Field, field
from typing import Any, Literal, TypeAlias, TypeVar, cast

# When a parameter may be changed: at any time, only while the node is not active, only before the start.
Change = Literal["running", "inactive", "start"]
NOTES = {"running": "", "inactive": "fixed while active", "start": "read only"}


Choices = tuple[str | int, ...] | Callable[[], tuple[str | int, ...]]  # a function where they come from a table
Entry: TypeAlias = "Field[Any]"  # of a dataclass of parameters
Value = str | int | float | bool | tuple[str, ...]
T = TypeVar("T", str, int, float, bool, tuple[str, ...])


class ParameterError(ValueError):
    """An invalid parameter name or value; the message gives the reason."""


def parameter(
    default: T,
    description: str,
    *,
    choices: Choices = (),
    low: float | None = None,
    high: float | None = None,
    change: Change = "running",
) -> T:
    """A field of a dataclass of parameters. low, high: its range, both or neither."""
    metadata = {
        "description": description,
        "choices": choices if callable(choices) else lambda: choices,
        "range": None if low is None or high is None else (low, high),
        "change": change,
    }
    found: T = field(default=default, metadata=metadata)
    return found


def default_of(entry: Entry) -> Value:
    """The default of a parameter."""
    return cast("Value", entry.default)


def value_of(entry: Entry, text: str) -> Value:
    """Value of a parameter from a text, such as that of a launch argument. Raises ParameterError."""
    default = default_of(entry)
    words = {bool: "true or false", int: "an integer", float: "a number"}
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, tuple):
            return tuple(part.strip() for part in text.split(",") if part.strip()) or default
        return type(default)(text)
    except (KeyError, ValueError):
        raise ParameterError(f"{entry.name} is {text!r}; it takes {words[type(default)]}") from None


def check(entry: Entry, value: object) -> None:
    """Raise ParameterError if `value` is not of the parameter's type, choices or range."""
    choices, limits = entry.metadata["choices"](), entry.metadata["range"]
    if type(value) is not type(entry.default):
        raise ParameterError(
            f"{entry.name} is {value!r}, a {type(value).__name__}; it takes a {type(entry.default).__name__}"
        )
    if choices and value not in choices:
        raise ParameterError(f"{entry.name} is {value!r}; it takes one of {', '.join(map(str, choices))}")
    if limits and not limits[0] <= value <= limits[1]:  # NaN is outside too
        raise ParameterError(f"{entry.name} is {value}; it takes {limits[0]:g} to {limits[1]:g}")


def allowed(entry: Entry) -> str:
    """Allowed values as text; empty if all values of the type are allowed."""
    if choices := entry.metadata["choices"]():
        return "one of: " + ", ".join(str(choice) or "empty" for choice in choices)
    limits = entry.metadata["range"]
    return f"{limits[0]:.10g} to {limits[1]:.10g}" if limits else ""


def ros_value(value: Value) -> str | int | float | bool | list[str]:
    """A value as rclpy and launch take it: tuples become lists."""
    return list(value) if isinstance(value, tuple) else value


def text_of(value: Value) -> str:
    """The value as YAML has it."""
    if isinstance(value, tuple):
        return f"[{', '.join(text_of(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if value == "" else str(value)


def check_cameras(names: tuple[str, ...]) -> None:
    """Raise ParameterError for names of cameras that topics cannot have. ("",): one camera without a name."""
    if names == ("",):
        return
    for name in names:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise ParameterError(f"cameras has {name!r}; a name is letters, digits and _, and begins with a letter")
    if not names or len(set(names)) < len(names):
        raise ParameterError(f"cameras is {list(names)}; it takes at least one name, each once")
