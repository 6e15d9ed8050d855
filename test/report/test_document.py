"""The form of report.json, its shipped schema, and what is said about a report that has another form."""

import json
from typing import TypedDict

import pytest

from icnet_ros.report.document import SCHEMA, Report
from icnet_ros.report.schema import check, schema_of


class Inner(TypedDict):
    number: float


class Optional(TypedDict, total=False):
    note: str | None


class Form(Optional):
    count: int
    flags: dict[str, bool]
    rows: list[list[int]]
    inner: Inner | None


GOOD = {"count": 1, "flags": {"a": True}, "rows": [[1], []], "inner": {"number": 1}, "note": None, "more": object()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, ""),
        ({"inner": None}, ""),
        ({"count": True}, "count is True, not an integer"),
        ({"count": 1.0}, "count is 1.0, not an integer"),
        ({"flags": {"a": 1}}, "flags.a is 1, not true or false"),
        ({"rows": [[1], ["x"]]}, "rows.1.0 is 'x', not an integer"),
        ({"rows": {}}, "rows is {}, not a list"),
        ({"inner": {}}, "it has no entry 'inner.number'"),
        ({"inner": {"number": float("inf")}}, "inner.number is inf, not a number"),
        ({"inner": 3}, "inner is 3, not an object or null"),
        ({"note": 3}, "note is 3, not a text or null"),
    ],
)
def test_the_first_wrong_entry_is_named(change, message):
    if not message:
        check(GOOD | change, Form)
    else:
        with pytest.raises(ValueError, match=f"^{message}$".replace(".", r"\.").replace("{}", r"\{\}")):
            check(GOOD | change, Form)
    missing = {name: value for name, value in GOOD.items() if name != "rows"}
    with pytest.raises(ValueError, match="it has no entry 'rows'"):
        check(missing, Form)


def test_the_schema_says_the_same_as_the_check():
    """Compared with an independent validator."""
    validator = pytest.importorskip("jsonschema").Draft202012Validator(schema_of(Form))
    changes = [{"count": value} for value in (1, "x", True, None, 1.5)]
    changes += [{"rows": value} for value in ([], [[]], [1], [["x"]], {})]
    changes += [{"inner": value} for value in (None, {}, {"number": 2}, {"number": None}, [])]
    changes += [{"note": value} for value in ("x", 1, None)]
    for change in changes:
        value = {**GOOD, "more": 1, **change}
        try:
            check(value, Form)
        except ValueError:
            assert not validator.is_valid(value), change
        else:
            assert validator.is_valid(value), change


def test_the_shipped_schema_is_that_of_the_code():
    """Regenerate with: python -m icnet_ros.report.document > icnet_ros/report/report.schema.json."""
    assert json.loads(SCHEMA.read_text()) == schema_of(Report)
