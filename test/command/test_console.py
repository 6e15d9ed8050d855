"""Progress of long operations without a terminal."""

import dataclasses
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from drives import make_bag
from rich.table import Table

from icnet_ros.checkpoint.file import save
from icnet_ros.command import main
from icnet_ros.command.console import (
    CONTROL,
    LINE_PERIOD_S,
    ProgressLines,
    console,
    errors,
    labelled,
    print_problem,
    progress_bar,
)


def icnet(*words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["icnet", *map(str, words)])
        try:
            return main.main()
        except SystemExit as end:
            return end.code


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


NASTY = ("[red]", "[/x]", "[bold]x[/]", "a[link=file:///etc]b[/link]", ":smile:", r"\[x]", "1.5 'x' True")


@pytest.mark.parametrize("text", NASTY)
def test_texts_are_printed_as_they_are(text):
    """Markup in a class name or a path is not markup."""
    table = Table(text, title=text)
    table.add_row(text)
    with console.capture() as captured:
        console.print(text)
        console.print(table)
        console.print(labelled("error:", text))
    assert captured.get().count(text) == 5 - (console.width < 20)
    with errors.capture() as captured:
        print_problem("failed:", text)
        ProgressLines()(text, 1, 2)
    assert captured.get() == f"failed: {text}\n"


def test_names_that_the_terminal_cannot_show():
    with console.capture() as captured:
        console.print("file \udcff")  # as Python reads a name that is no UTF-8
    assert captured.get() == "file ?\n"


def test_nothing_else_is_markup():
    """Strings of commands hold no markup, as it would be printed."""
    for file in Path(main.__file__).parent.glob("**/*.py"):
        assert not re.findall(r"\[/\]|\[/?(?:bold|red|yellow|green|dim)[^\]]*\]|rich\.markup", file.read_text()), file


def test_markup_in_the_names_of_results_and_classes(tmp_path, tiny, capfd):
    """All the way through `icnet segment`: it printed them after the work was done."""
    table = dataclasses.replace(tiny.spec.classes, names=("[red]", "[/x]", "sky"))
    save(tmp_path / "[b].safetensors", dataclasses.replace(tiny.spec, classes=table), tiny.weights)
    out = tmp_path / "[x]"
    cv2.imwrite(str(tmp_path / "[bold].png"), np.zeros((64, 96, 3), np.uint8))
    words = (
        "segment",
        tmp_path / "[bold].png",
        "-o",
        out,
        "--model",
        tmp_path / "[b].safetensors",
        "--engine",
        "torch",
    )
    assert icnet(*words) == 0
    shown = capfd.readouterr().out
    assert "[red]" in shown
    assert "[/x]" in shown
    assert f"results in {out}" in shown.replace("\n", "")


def test_markup_in_the_names_of_replays(tmp_path, engine, model):
    bag = make_bag(tmp_path / "bag", engine, frames=2)
    words = ("--model", model, "--engine", "torch", "--no-video")
    assert icnet("replay", bag, "--out", tmp_path / "[x]", *words) == 0
    assert icnet("compare", tmp_path / "[x]", tmp_path / "[x]", "--out", tmp_path / "[red]" / "[y]") == 0
    assert (tmp_path / "[x]" / "report.json").is_file()
