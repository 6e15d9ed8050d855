"""`icnet benchmark`: the commands behind docs/benchmarks.md."""

from collections.abc import Callable

import typer

from icnet_ros.command.benchmark.engines import agreement, engines, replay, stages
from icnet_ros.command.benchmark.gpu import gpu
from icnet_ros.command.benchmark.networks import peers, scaling, sizes
from icnet_ros.command.benchmark.node import cameras, deadline, node, node_overhead, outputs, soak, transport
from icnet_ros.command.benchmark.paper import layers, paper

app = typer.Typer(help="Speed and memory as ratios within one run.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Speed and memory as ratios within one run."""


COMMANDS: tuple[Callable[..., None], ...] = (
    engines, stages, agreement, peers, sizes, scaling, gpu, replay, paper, layers,
    node, outputs, transport, node_overhead, deadline, cameras, soak,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
