"""The terminal: one console for results, one for errors, one kind of progress bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console()
errors = Console(stderr=True)


class Speed(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """See ProgressColumn."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


@contextmanager
def progress_bar(what: str, *, hidden: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr; call the yielded function with (what, done, total), total 0 if unknown.

    hidden: for all but one of several processes.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Speed(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, disable=hidden) as progress:
        task = progress.add_task(what, total=None)

        def update(what: str, done: int, total: int) -> None:
            if what != progress.tasks[task].description:
                progress.reset(task, description=what)  # another thing, at another speed
            progress.update(task, completed=done, total=total or None)

        yield update
