"""Progress of long operations without a terminal."""

from icnet_ros.command.console import LINE_PERIOD_S, ProgressLines, progress_bar


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
