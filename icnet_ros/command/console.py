"""Terminal output: consoles for results and for errors, and progress display."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

LINE_PERIOD_S = 30.0
# Control characters but newline: in a file name, a topic or a checkpoint's header they could steer the terminal.
CONTROL = dict.fromkeys((*range(10), *range(11, 32), *range(127, 160)), "�")


class SafeConsole(Console):
    """A console for texts of others: nothing in them is markup, and control characters become a replacement character.

    Styles are given beside the text: `print(text, style="red")`, or as a `Text`, see `labelled`.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """See Console. Segments with control codes are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(self._safe(segment.text), segment.style)

    def _safe(self, text: str) -> str:
        """The text without control characters, and in the characters that the terminal's encoding has."""
        encoding = self.encoding
        return text.translate(CONTROL).encode(encoding, "replace").decode(encoding, "replace")


console = SafeConsole()
errors = SafeConsole(stderr=True)


def labelled(label: str, text: str, style: str = "bold red") -> Text:
    """A text with a coloured word before it: "error: ..."."""
    return Text.assemble((label, style), " ", text)


def print_problem(label: str, text: str, style: str = "bold red") -> None:
    """Print a line to stderr: a coloured word, then what happened."""
    errors.print(labelled(label, text, style), soft_wrap=True)


def warn_untrained(what: str, model: str) -> None:
    """Say that a network is untrained. what: its "labels" or "figures". model: as it was named, "" if it was not."""
    advice = "" if model else " Name a checkpoint: --model"
    errors.print(f"The network is untrained: its {what} mean nothing.{advice}", style="yellow", soft_wrap=True)


def warn(sentences: Iterable[str]) -> None:
    """Print warnings, a line each."""
    for one in sentences:
        errors.print(f"warning: {one}", style="yellow", soft_wrap=True)


class Speed(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        """See ProgressColumn."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


@contextmanager
def progress_bar(what: str, *, hidden: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Progress on stderr: a bar on a terminal, else a line every LINE_PERIOD_S.

    Call the yielded function with (what, done, total), total 0 if unknown. hidden: show nothing; for all but one of
    several processes.
    """
    if not hidden and not errors.is_terminal:
        lines = ProgressLines()
        yield lines
        lines.close()
        return
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
                progress.reset(task, description=what)  # new activity: restart the speed estimate
            progress.update(task, completed=done, total=total or None)

        yield update


class ProgressLines:
    """Progress for log files: a line every LINE_PERIOD_S while an operation runs."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """clock: monotonic seconds."""
        self._clock = clock
        self._last = clock()
        self._begun = self._last
        self._line = ""  # not printed yet

    def __call__(self, what: str, done: int, total: int) -> None:
        """Print a line if the last one is LINE_PERIOD_S old."""
        share = f"{done}/{total} ({done / total:.0%})" if total else f"{done}"
        self._line = f"{what}: {share}"
        if self._clock() - self._last >= LINE_PERIOD_S:
            self._print()

    def close(self) -> None:
        """Print how far it came, unless that was the last line."""
        if self._line:
            self._print()

    def _print(self) -> None:
        self._last = self._clock()
        errors.print(f"{self._line}, {self._last - self._begun:.0f} s", soft_wrap=True)
        self._line = ""
