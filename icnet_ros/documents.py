"""YAML and JSON that others wrote, with limits: what is accepted has one meaning and a size that can be handled."""

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from icnet_ros.files import read_text

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_ALIASES = 100
MAX_NODES = 100_000  # with the nodes behind every alias
MAX_DIGITS = 40
KINDS = ("null", "bool", "int", "float", "str", "seq", "map", "timestamp", "merge")
TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in KINDS)


class DocumentError(ValueError):
    """Text that is no valid YAML or JSON, or exceeds a limit; names the file, the line and the entry."""


def read_yaml(path: str | Path) -> Any:
    """Plain values of a YAML file; None for an empty one. Raises OSError and DocumentError."""
    try:
        return parse_yaml(read_text(path, MAX_BYTES), str(path))
    except UnicodeDecodeError as err:
        raise DocumentError(f"{path}: byte {err.start} is not UTF-8: save the file in that encoding") from err


def yaml_or_none(path: str | Path) -> Any:
    """`read_yaml`, None for a file that cannot be read: to see whether it is of some kind."""
    try:
        return read_yaml(path)
    except (OSError, DocumentError):
        return None


def parse_yaml(text: str, where: str) -> Any:
    """Plain values of a YAML text. where: names it in errors. Raises DocumentError."""
    if len(text) > MAX_BYTES:
        raise DocumentError(f"{where}: {len(text)} characters, at most {MAX_BYTES} are read")
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as err:
        number = text.count("\n", 0, err.position) + 1 if isinstance(err.position, int) else 1
        raise DocumentError(f"{where}, line {number}: the character {err.character!r} is not allowed") from err
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        problem = ", ".join(text for text in (err.context, err.problem) if text)
        raise DocumentError(f"{where}{line}: {problem}") from err
    except yaml.YAMLError as err:
        raise DocumentError(f"{where}: {err}") from err


def parse_json(text: str, where: str, *, finite: bool = True) -> Any:
    """Plain values of a JSON text. where: names it in errors. finite: NaN and Infinity are refused.

    Raises DocumentError.
    """
    constant = _no_constant if finite else float
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_int=_integer, parse_constant=constant)
    except json.JSONDecodeError as err:
        raise DocumentError(f"{where}, line {err.lineno}: no valid JSON: {err.msg}") from err
    except RecursionError as err:
        raise DocumentError(f"{where}: nested too deep") from err
    except ValueError as err:
        raise DocumentError(f"{where}: {err}") from err


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the entry {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return values


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits, at most {MAX_DIGITS} are read")
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


class _Loader(yaml.SafeLoader):
    """SafeLoader with the limits above. Its errors say the line and the entry."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._path: list[str] = []  # keys on the way to the current node
        self._keys: dict[int, str] = {}  # the same of each scalar
        self._aliases = 0
        self._sizes: dict[int, int] = {}  # nodes below a node, with those behind aliases

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """See yaml.composer.Composer."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > MAX_ALIASES:
                self._refuse(f"more than {MAX_ALIASES} aliases", event)
            if event.anchor in self.anchors and id(self.anchors[event.anchor]) not in self._sizes:
                self._refuse(f"the alias *{event.anchor} contains itself", event)
        if len(self._path) >= MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH} levels", event)
        self._path.append(_name(index))
        node = super().compose_node(parent, index)  # type: ignore[arg-type]
        if isinstance(node, yaml.ScalarNode):
            self._keys.setdefault(id(node), self._entry())
        self._path.pop()
        if node is not None:
            self._sizes[id(node)] = size = self._sizes.get(id(node)) or self._size(node)
            if size > MAX_NODES:
                self._refuse(f"more than {MAX_NODES} values, aliases counted", event)
        return node

    def _size(self, node: yaml.Node) -> int:
        if isinstance(node, yaml.MappingNode):
            return 1 + sum(self._sizes.get(id(one), 1) for pair in node.value for one in pair)
        if isinstance(node, yaml.SequenceNode):
            return 1 + sum(self._sizes.get(id(one), 1) for one in node.value)
        return 1

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """See yaml.constructor.BaseConstructor; what has no value of its type, or another than it seems, is refused."""
        if node.tag not in TAGS:
            self._refuse(f"a value with the tag {node.tag!r:.60}: only plain values are read", node)
        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node)
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, OverflowError, TypeError, AttributeError, LookupError) as err:  # such as 2026-13-45, a date
            kind = node.tag.rpartition(":")[2]
            self._refuse(f"{str(node.value)[:40]!r} is no {kind} ({err}); put it in quotes if it is a text", node)

    def _check_scalar(self, node: yaml.ScalarNode) -> None:
        value = str(node.value)
        if "\0" in value:
            self._refuse("a text with the character NUL", node)
        if not node.tag.endswith((":int", ":float")):
            return
        if len(value) > MAX_DIGITS:
            self._refuse(f"a number of {len(value)} digits, at most {MAX_DIGITS} are read", node)
        # YAML 1.1 reads 1:30 as 90 and 010 as 8.
        if ":" in value or (node.tag.endswith(":int") and re.match(r"[-+]?0[0-9_]", value)):
            self._refuse(f"{value!r} is a number to base 60 or 8: write it in decimal, or in quotes as a text", node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """See yaml.constructor.SafeConstructor; duplicate keys, and keys that are true or false, are refused."""
        if isinstance(node, yaml.MappingNode):
            seen: set[Hashable] = set()
            for key, _ in node.value:
                if key.tag.endswith(":merge"):
                    continue
                value = self.construct_object(key, deep=True)
                if isinstance(value, bool):
                    self._refuse(f"the key {key.value!r} means {value}: put it in quotes", key)
                if not isinstance(value, Hashable):
                    self._refuse("a key is a list or a mapping", key)
                if value in seen:
                    self._refuse(f"the entry {value!r} is there twice", key)
                seen.add(value)
        return super().construct_mapping(node, deep=deep)

    def _entry(self) -> str:
        return "".join(self._path).removeprefix(".")[:80]

    def _refuse(self, problem: str, at: Any) -> Any:
        entry = self._entry() or self._keys.get(id(at), "")
        raise yaml.MarkedYAMLError(problem=f"{entry}: {problem}" if entry else problem, problem_mark=at.start_mark)


def _name(index: Any) -> str:
    if isinstance(index, yaml.ScalarNode):
        return f".{index.value}"
    return f"[{index}]" if isinstance(index, int) else ""
