"""One run at a time in a folder of results."""

import os
import signal
import subprocess
import sys
import time

import pytest

from icnet_ros.replay import folder_lock
from icnet_ros.replay.folder_lock import LOCK, locked
from icnet_ros.wire.cdr import WireError

HOLD = """
import sys, time
from pathlib import Path
from icnet_ros.replay.folder_lock import locked
with locked(Path(sys.argv[1])):
    print('held', flush=True)
    time.sleep(100)
"""


def test_a_second_run_names_the_first_and_a_killed_one_leaves_no_lock(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "held\n"
    with pytest.raises(WireError, match=f"process {first.pid} writes its results there"), locked(tmp_path):
        pass
    first.send_signal(signal.SIGKILL)
    first.wait()
    deadline = time.monotonic() + 10
    while True:
        try:
            with locked(tmp_path):
                assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
            break
        except WireError:
            assert time.monotonic() < deadline
    assert not (tmp_path / LOCK).exists()


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """The first holder ends between opening and locking; a third process has locked a new file by then."""
    real = folder_lock.fcntl.flock
    third = []

    def flock(file, how):
        if not third:
            (tmp_path / LOCK).unlink()
            third.append((tmp_path / LOCK).open("w"))
            real(third[0], how)
        real(file, how)

    monkeypatch.setattr(folder_lock.fcntl, "flock", flock)
    with pytest.raises(WireError, match="writes its results there"), locked(tmp_path):
        pass
    third[0].close()
