"""Checks that a report.json, which may have been edited by hand, has what other code reads from it."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

TEXT, COUNT, NUMBER, OBJECT, LIST = "a text", "a count", "a number", "an object", "a list"
# What `icnet compare` and the gates read, as (path, kind, whether null is allowed).
FORM: tuple[tuple[tuple[str, ...], str, bool], ...] = (
    (("bag",), TEXT, False),
    (("bag_sha256",), TEXT, False),
    (("image_topic",), TEXT, False),
    (("class_table",), OBJECT, False),
    (("class_table", "classes"), LIST, False),
    (("frames",), OBJECT, False),
    (("frames", "read"), COUNT, False),
    (("frames", "labelled"), COUNT, False),
    (("frames", "failed"), COUNT, False),
    (("miou",), NUMBER, True),
    (("pixel_accuracy",), NUMBER, True),
    (("per_class",), OBJECT, True),
    (("confidence",), OBJECT, True),
    (("changed_pixels",), OBJECT, True),
    (("latency_ms",), OBJECT, False),
    (("latency_ms", "engine"), OBJECT, True),
    (("throughput_fps",), NUMBER, True),
)  # fmt: skip
FIGURES = (
    ("confidence", "mean"),
    ("changed_pixels", "mean"),
    *(("latency_ms", "engine", f"p{p}") for p in (50, 95, 99)),
)


def check_report(report: Mapping[str, Any]) -> None:
    """Raise ValueError that names the first entry of a report that is missing or of the wrong type."""
    if isinstance(report.get("bag"), list):
        raise ValueError("it is of several drives: name the folder of one of them")  # noqa: TRY004  caught by callers
    if report.get("bag_sha256", "") is None:
        raise ValueError("it names no bag: start the evaluation node with bag:=")
    for path, kind, nullable in FORM:
        value: Any = report
        for key in path:
            if key not in value:
                raise ValueError(f"it has no entry {'.'.join(path)!r}")
            value = value[key]
        if not (nullable and value is None):
            _check(path, value, kind)
    for path in FIGURES:
        value = report
        for key in path:
            value = (value or {}).get(key)
        if value is not None:
            _check(path, value, NUMBER)
    if report["per_class"] is not None:
        for entry in report["class_table"]["classes"]:
            name = str(entry["name"])
            if name not in report["per_class"]:
                raise ValueError(f"it has no entry {f'per_class.{name}'!r}")
            if report["per_class"][name] is not None:
                _check(("per_class", name), report["per_class"][name], NUMBER)


def _check(path: tuple[str, ...], value: Any, kind: str) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    good = {
        TEXT: isinstance(value, str),
        COUNT: number and isinstance(value, int) and value >= 0,
        NUMBER: number,
        OBJECT: isinstance(value, dict),
        LIST: isinstance(value, list),
    }[kind]
    if not good:
        raise ValueError(f"{'.'.join(path)} is {value!r:.60}, not {kind}")
