"""Work for other processes; they import it by name."""

import os
import signal
import time

from icnet_ros.wire.cdr import WireError


def dies_once(path, _):
    if not path.exists():
        path.write_text("was here")
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def dies_if_odd(number, _):
    if number % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuses(*_):
    raise WireError("no such thing")


def interrupts_itself(*_):
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


def until_stopped(path, should_stop):
    """Says that it began, and with which process, and goes on until it is told to end."""
    path.with_suffix(".partial").write_text(str(os.getpid()))
    path.with_suffix(".partial").rename(path)
    while not should_stop():
        time.sleep(0.01)
    return "ended early"


def hangs(path, _):
    path.write_text("began")
    time.sleep(1000)
