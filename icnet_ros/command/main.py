"""`icnet`: entry point and what all commands share."""

import errno
import os
import shlex
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from icnet_ros.checkpoint.classes import ClassTableError
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.command.benchmark.app import app as benchmark
from icnet_ros.command.compare import compare
from icnet_ros.command.console import errors, print_problem
from icnet_ros.command.dataset import app as dataset
from icnet_ros.command.demo import demo
from icnet_ros.command.doctor import doctor
from icnet_ros.command.evaluate import evaluate
from icnet_ros.command.ground.calibrate import calibrate_ground
from icnet_ros.command.models.cache import app as cache
from icnet_ros.command.models.export import export
from icnet_ros.command.models.import_weights import import_weights
from icnet_ros.command.models.info import info
from icnet_ros.command.models.model import app as model
from icnet_ros.command.replay import replay
from icnet_ros.command.segment import segment
from icnet_ros.command.training.ablate import ablate
from icnet_ros.command.training.average import average
from icnet_ros.command.training.prune import prune
from icnet_ros.command.training.quantize import quantize
from icnet_ros.command.training.train import train
from icnet_ros.dataset.base import DatasetError
from icnet_ros.engine.base import EngineError
from icnet_ros.ground.errors import GroundError
from icnet_ros.interrupt import INTERRUPTED
from icnet_ros.live.processes import DemoError
from icnet_ros.packages import needed_for
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.files import MediaError
from icnet_ros.report.errors import AnnotationError, CompareError, GateError
from icnet_ros.training.errors import DivergedError, QuantizeError, RecipeError, StateError
from icnet_ros.usage_events import disable_usage_events
from icnet_ros.version import __version__
from icnet_ros.wire.cdr import WireError

EXPECTED = (
    OSError,  # e.g. a full disk or missing permissions
    CheckpointError,
    ClassTableError,
    DatasetError,
    EngineError,
    WireError,
    MediaError,
    DemoError,
    RecipeError,
    StateError,
    DivergedError,
    QuantizeError,
    GroundError,
    GroundTruthError,
    GateError,
    CompareError,
    AnnotationError,
)

EXIT_CODES = {
    0: "done",
    1: "an error that the last line explains; or a gate (`--fail-if`) holds, or a result is not complete",
    2: "an option or argument that cannot be used",
    70: "a defect of icnet: one line, and the path of a file with the traceback to report",
    INTERRUPTED: "Ctrl-C; a replay or training stops in an orderly way instead, and is resumed by the same command",
}
app = typer.Typer(
    help="Real-time semantic segmentation with ICNet.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    segment,
    replay,
    compare,
    info,
    evaluate,
    train,
    prune,
    average,
    quantize,
    ablate,
    export,
    demo,
    doctor,
):
    app.command()(command)
app.command("import")(import_weights)
app.command("calibrate-ground")(calibrate_ground)
app.add_typer(dataset, name="dataset")
app.add_typer(model, name="model")
app.add_typer(cache, name="cache")
app.add_typer(benchmark, name="benchmark")


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Real-time semantic segmentation with ICNet."""
    if version:
        print(f"icnet_ros {__version__}")
        raise typer.Exit


def main() -> int:
    """Run the command line; returns the exit code.

    0, 1 after an error that was explained, 2 for wrong usage, 70 for a defect of icnet, 130 after Ctrl-C. A command
    that can stop in an orderly way on Ctrl-C, such as a replay, does that instead.
    """
    # libav in OpenCV would log into the progress bars; its errors are raised as exceptions anyway.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    disable_usage_events()
    interrupted: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.append(number)
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        with needed_for("this command", EngineError):
            code = app(standalone_mode=True)
    except EXPECTED as err:
        if interrupted:  # inside a library that made another exception of it
            return _interrupted()
        print_problem("error:", _full_disk(err) or str(err) or type(err).__name__)
        return 1
    except SystemExit as end:
        if end.code == INTERRUPTED:
            return _interrupted()
        raise
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as err:  # a defect: short words for the user, everything for whoever mends it
        if interrupted:
            return _interrupted()
        file = Path(tempfile.mkstemp(prefix="icnet-error-", suffix=".log")[1])
        file.write_text(f"{shlex.join(sys.argv)}\n{traceback.format_exc()}", encoding="utf-8")
        what = f"{type(err).__name__}: {err}".splitlines()[0][:300]
        print_problem("internal error:", what)
        errors.print(f"The traceback is in {file}; please report it.", soft_wrap=True)
        return 70
    return int(code or 0)


def _full_disk(err: BaseException) -> str:
    """What to do about a full disk where the error does not name the file, "" for other errors."""
    if not isinstance(err, OSError) or err.errno not in (errno.ENOSPC, errno.EDQUOT) or err.filename:
        return ""
    places = f"results are in --out, temporary files in {tempfile.gettempdir()} (TMPDIR), engines in ICNET_CACHE"
    return f"{err.strerror}: free some space or choose another place; {places}"


def _interrupted() -> int:
    errors.print("interrupted")
    return INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
