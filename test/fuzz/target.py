"""What is fuzzed: one parser of what others give this package."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Target:
    """seeds: valid inputs. run: parses one and uses what it got. errors: what it may raise instead.

    memory: whether that is bounded.
    """

    seeds: Callable[[], list[bytes]]
    run: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    memory: bool = True


def scratch(name: str) -> Path:
    """A file of this process, on a disk in memory if there is one."""
    global _folder  # noqa: PLW0603
    if _folder is None:
        shared = "/dev/shm"
        _folder = tempfile.TemporaryDirectory(prefix="icnet-fuzz-", dir=shared if Path(shared).is_dir() else None)
    return Path(_folder.name) / name


_folder: tempfile.TemporaryDirectory[str] | None = None


def in_file(name: str, use: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A parser of bytes from one of files."""

    def run(data: bytes) -> object:
        path = scratch(name)
        path.write_bytes(data)
        return use(path)

    return run


def text(parse_text: Callable[[str], object]) -> Callable[[bytes], object]:
    """A parser of bytes from one of texts."""
    return lambda data: parse_text(data.decode(errors="replace"))
