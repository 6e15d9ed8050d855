"""Progress of long operations without a terminal."""

import pytest
from rich.table import Table

from icnet_ros.command.console import CONTROL, LINE_PERIOD_S, ProgressLines, console, errors, progress_bar


def test_a_line_every_half_minute(capsys):
    now = [0.0]
    progress = ProgressLines(lambda: now[0])
    for second in range(100):
        now[0] = float(second)
        progress("training", second, 200)
    lines = capsys.readouterr().err.splitlines()
    assert LINE_PERIOD_S == 30
    assert lines == ["training: 30/200 (15%), 30 s", "training: 60/200 (30%), 60 s", "training: 90/200 (45%), 90 s"]


def test_what_is_quick_gets_one_line(capsys):
    with progress_bar("reading") as update:
        for done in range(1000):
            update("reading", done, 999)
    assert capsys.readouterr().err == "reading: 999/999 (100%), 0 s\n"
    with progress_bar("reading"):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("where", [console, errors])
def test_control_characters_of_texts_do_not_reach_the_terminal(where):
    table = Table("a", title="title \x1b[2J")
    table.add_row("evil \x1b[31m\x1b]0;owned\x07\x9b31m")
    with where.capture() as captured:
        where.print(table)
        where.print("line\none \x1b[0m \r\x08", markup=False)
    shown = captured.get()
    assert not set(shown) & {chr(code) for code in CONTROL}
    assert "line\none" in shown
    assert "evil" in shown


def test_control_characters_of_progress_lines(capsys):
    lines = ProgressLines()
    lines("replaying \x1b[2J", 1, 2)
    lines.close()
    assert "\x1b" not in capsys.readouterr().err
