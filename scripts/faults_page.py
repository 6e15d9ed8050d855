"""Writes docs/faults.md from the tables that the commands and the node act by: python scripts/faults_page.py."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from icnet_ros.command.main import EXIT_CODES, EXPECTED
from icnet_ros.node import exit_codes
from icnet_ros.node.diagnostics import CONDITIONS, OK, STALE, WARN
from icnet_ros.node.worker import Counters

PAGE = Path(__file__).parents[1] / "docs" / "faults.md"
LEVELS = {OK: "OK", WARN: "WARN", STALE: "STALE"}
FULL_DISK = "A file that cannot be opened, read or written, such as on a full disk; names the file."


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def codes(meanings: Mapping[int, str]) -> str:
    """A table of exit codes."""
    return table(("exit code", "when"), ((f"`{code}`", meaning) for code, meaning in meanings.items()))


def summary(kind: type[BaseException]) -> str:
    """The first sentence of an error class."""
    return FULL_DISK if kind is OSError else (kind.__doc__ or "").strip().splitlines()[0]


def page() -> str:
    """The content of docs/faults.md."""
    conditions = ((LEVELS.get(one.level, "ERROR"), one.what) for one in CONDITIONS)
    counters = ((f"`{one.name}`", str(one.metadata["meaning"])) for one in fields(Counters))
    errors = sorted((kind.__name__, summary(kind)) for kind in EXPECTED)
    return f"""# What can go wrong and what it does then

This page is made from the tables that the code acts by (`scripts/faults_page.py`); a test keeps them equal.

## Commands

Every error that has a known cause is one line that begins with `error:` and says what was given, what was expected and
what to do. There is no traceback.

{codes(EXIT_CODES)}

The kinds of errors behind exit code 1, as the Python API raises them:

{table(("error", "what it says"), ((f"`{name}`", text) for name, text in errors))}

## The node

A frame that fails costs that frame: it is counted, `/diagnostics` says why, the log too (at most every 5 s for the same
problem), and the next one is labelled. An optional output that fails costs only itself. The process ends with:

{codes(exit_codes.MEANINGS)}

The status of a camera in `/diagnostics` is the first of these that holds:

{table(("level", "when"), conditions)}

Its counters, since the activation:

{table(("counter", "counts"), counters)}

## Damaged images

libjpeg, and with it OpenCV, fills missing data of a JPEG with grey and only warns. Such a picture is not a frame: with
`damaged_images: fail` (the default; `--damaged fail` for `icnet replay` and `icnet segment`) it fails like an unusable
image, with `count` it is labelled and counted. Frames that were cut by USB or radio are found. A JPEG has no checksum:
changed bytes that are valid data again are not found. The check needs the package `simplejpeg`; without it only a
missing end is found.
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
