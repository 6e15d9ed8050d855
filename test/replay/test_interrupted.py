"""The command ended in mid-drive, a real process: what it leaves, and that it goes on to the same report."""

import os
import signal
import subprocess
import sys
import time

import pytest
from drives import icnet, make_bag, read_json, without_timings

FRAMES = 60
SCRIPT = "from icnet_ros.command.main import main; raise SystemExit(main())"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, engine, model):
    """Words of the command, and the report of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    bag = make_bag(folder / "bag", engine, frames=FRAMES)
    words = ["replay", str(bag), "--engine", "torch", "--model", str(model), "--no-video"]
    assert icnet(*words, "--out", folder / "out") == 0
    return words, without_timings(read_json(folder / "out" / "report.json"))


@pytest.mark.parametrize(
    ("number", "workers", "code"),
    [(signal.SIGKILL, "0", -signal.SIGKILL), (signal.SIGINT, "0", 1), (signal.SIGINT, "2", 1)],
)
def test_a_replay_that_was_ended_goes_on(tmp_path, whole, number, workers, code):
    words, report = whole
    out = tmp_path / "out"
    command = [sys.executable, "-c", SCRIPT, *words, "--out", str(out), "--workers", workers]
    ended = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while sum(log.read_text().count("\n") for log in out.glob("labels/*.jsonl")) < 15:
        assert ended.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.005)
    os.killpg(ended.pid, number)  # as a terminal does
    _, said = ended.communicate()
    assert ended.returncode == code, said
    if number == signal.SIGKILL:
        assert not (out / "report.json").exists()
    else:
        partial = read_json(out / "report.json")
        assert not partial["complete"]
        assert "interrupted; the same command resumes here" in said
        assert 15 <= partial["frames"]["labelled"] == partial["frames"]["scored"] < FRAMES
        assert (out / "report.html").exists()
    assert icnet(*words, "--out", out) == 0
    assert without_timings(read_json(out / "report.json")) == report
    assert report["frames"]["labelled"] == FRAMES
