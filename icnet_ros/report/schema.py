"""JSON schema of a TypedDict, and validation of JSON values against it."""

from math import isfinite
from types import NoneType, UnionType
from typing import Union, get_args, get_origin, get_type_hints, is_typeddict

Json = dict[str, object]
KINDS: dict[type, tuple[str, str]] = {  # type -> (of JSON schema, as messages call it)
    str: ("string", "a text"),
    bool: ("boolean", "true or false"),
    int: ("integer", "an integer"),
    float: ("number", "a number"),
    NoneType: ("null", "null"),
}


def schema_of(form: type) -> Json:
    """JSON schema (2020-12) of a TypedDict of str, bool, int, float, None, lists, dicts, unions and TypedDicts."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": form.__name__, **_schema(form)}


def _schema(form: object) -> Json:
    if isinstance(form, type) and form in KINDS:
        return {"type": KINDS[form][0]}
    if _is_union(form):
        return {"anyOf": [_schema(one) for one in get_args(form)]}
    if get_origin(form) is list:
        return {"type": "array", "items": _schema(get_args(form)[0])}
    if get_origin(form) is dict:
        return {"type": "object", "additionalProperties": _schema(get_args(form)[1])}
    hints, required = _entries(form)
    properties = {name: _schema(hint) for name, hint in hints.items()}
    return {"type": "object", "properties": properties, "required": [name for name in hints if name in required]}


def check(value: object, form: object, path: tuple[str, ...] = ()) -> None:
    """Raise ValueError that names the first entry of `value` that is missing or not of its type.

    As in the schema, entries that the form does not have are allowed. Numbers are finite.
    """
    if _is_union(form):
        kinds = [one for one in get_args(form) if _has_kind(value, one)]
        if not kinds:
            raise _wrong(value, form, path)
        check(value, kinds[0], path)
    elif not _has_kind(value, form):
        raise _wrong(value, form, path)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            check(item, get_args(form)[0], (*path, str(number)))
    elif isinstance(value, dict) and is_typeddict(form):
        hints, required = _entries(form)
        for name, hint in hints.items():
            if name in value:
                check(value[name], hint, (*path, name))
            elif name in required:
                raise ValueError(f"it has no entry {'.'.join((*path, name))!r}")
    elif isinstance(value, dict):
        for name, item in value.items():
            check(item, get_args(form)[1], (*path, str(name)))


def _has_kind(value: object, form: object) -> bool:
    """Whether a value is of a type that is no union; the content of lists and objects is not looked at."""
    if get_origin(form) is list:
        return isinstance(value, list)
    if get_origin(form) is dict or is_typeddict(form):
        return isinstance(value, dict)
    if form is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return type(value) is form


def _wrong(value: object, form: object, path: tuple[str, ...]) -> ValueError:
    allowed = get_args(form) if _is_union(form) else (form,)
    text = " or ".join(dict.fromkeys(_name(one) for one in allowed))
    return ValueError(f"{'.'.join(path) or 'it'} is {value!r:.60}, not {text}")


def _name(form: object) -> str:
    if isinstance(form, type) and form in KINDS:
        return KINDS[form][1]
    return "a list" if get_origin(form) is list else "an object"


def _is_union(form: object) -> bool:
    return get_origin(form) in (Union, UnionType)


def _entries(form: object) -> tuple[dict[str, object], frozenset[str]]:
    """Types of the entries of a TypedDict, and the names of those that it must have."""
    hints: dict[str, object] = get_type_hints(form)
    required: frozenset[str] = getattr(form, "__required_keys__", frozenset())
    return hints, required
