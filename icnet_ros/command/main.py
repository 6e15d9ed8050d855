"""`icnet`: entry point and what all commands share."""

import os
import shlex
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from icnet_ros import __version__
from icnet_ros.checkpoint.classes import ClassTableError
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.command.benchmark.app import app as benchmark
from icnet_ros.command.compare import compare
from icnet_ros.command.console import errors
from icnet_ros.command.dataset import app as dataset
from icnet_ros.command.demo import demo
from icnet_ros.command.doctor import doctor
from icnet_ros.command.evaluate import evaluate
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
from icnet_ros.live.processes import DemoError
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.files import MediaError
from icnet_ros.report.errors import CompareError, GateError
from icnet_ros.training.errors import DivergedError, QuantizeError, RecipeError, StateError
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
    GroundTruthError,
    GateError,
    CompareError,
)

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
    """Run the command line; 0, 1 after an error that was explained, 2 for wrong usage, 70 for a defect of icnet."""
    # libav in OpenCV would log into the progress bars; its errors are raised as exceptions anyway.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    try:
        code = app(standalone_mode=True)
    except EXPECTED as err:
        errors.print(f"[bold red]error:[/] {escape(str(err))}", highlight=False, soft_wrap=True)
        return 1
    except Exception as err:  # a defect: short words for the user, everything for whoever mends it
        file = Path(tempfile.mkstemp(prefix="icnet-error-", suffix=".log")[1])
        file.write_text(f"{shlex.join(sys.argv)}\n{traceback.format_exc()}")
        what = escape(f"{type(err).__name__}: {err}".splitlines()[0][:300])
        errors.print(f"[bold red]internal error:[/] {what}", highlight=False, soft_wrap=True)
        errors.print(f"The traceback is in {file}; please report it.", highlight=False, soft_wrap=True)
        return 70
    return int(code or 0)


if __name__ == "__main__":
    raise SystemExit(main())
