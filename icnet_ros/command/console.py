"""The terminal: one console for answers, one for errors, one kind of progress bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console()
errors = Console(stderr=True)


@contextmanager
def progress_bar(what: str, *, hidden: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr; call the yielded function with (what, done, total), total 0 if unknown.

    hidden: for all but one of several processes.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=hidden) as progress:
        task = progress.add_task(what, total=None)

        def update(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total or None)

        yield update
