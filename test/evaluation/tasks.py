"""Work for other processes; they import it by name."""

import os
import signal

from icnet_ros.wire.cdr import WireError


def dies_once(path):
    if not path.exists():
        path.write_text("was here")
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def always_dies(_):
    os.kill(os.getpid(), signal.SIGKILL)


def refuses(_):
    raise WireError("no such thing")
