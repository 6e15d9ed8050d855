"""Engines by name. Adding one is one new file and one line here."""

import logging
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.checkpoint.ladder import Step, networks_of, read_ladder
from icnet_ros.engine.adapted import adapted
from icnet_ros.engine.base import Engine, EngineError, EngineOptions
from icnet_ros.engine.cascade import Cascade
from icnet_ros.engine.precision import choose_precision
from icnet_ros.packages import installed, needed_for
from icnet_ros.usage_events import disable_usage_events

log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """Where an engine is, and what it needs.

    module, attribute: a class or function that makes the engine of a checkpoint and EngineOptions; the module is
    imported only when the engine is chosen, as each imports a large library. extra: of the package icnet_ros, to
    install what it needs. requires: third-party modules; of alternatives, one is enough, and its last is the library.
    Those that only make files, such as onnx for the network of a checkpoint, are asked for when there is none in the
    cache.
    """

    module: str
    attribute: str
    extra: str = ""
    requires: tuple[tuple[str, ...], ...] = (("numpy",),)


BACKENDS = "icnet_ros.engine.backends"
TENSORRT = tuple(("torch", "onnx", "onnxruntime", library) for library in ("tensorrt", "tensorrt_rtx"))
ENGINES: dict[str, Entry] = {
    "torch": Entry(f"{BACKENDS}.torch", "open_torch", "torch", (("torch",),)),
    "onnxruntime": Entry(f"{BACKENDS}.onnxruntime", "OnnxRuntimeEngine", "onnx", (("onnxruntime",),)),
    "openvino": Entry(f"{BACKENDS}.openvino_split", "open_openvino", "openvino", (("openvino",),)),
    "tensorrt": Entry(f"{BACKENDS}.tensorrt", "open_tensorrt", "tensorrt", TENSORRT),
}


def engine_names() -> tuple[str, ...]:
    """Names that `open_engine` takes."""
    return ("auto", *ENGINES)


def installed_library(name: str) -> str:
    """The library that an engine uses, "" if it is not installed."""
    found = (modules[-1] for modules in ENGINES[name].requires if installed(*modules))
    return next(found, "")


def extra_of(name: str) -> str:
    """The extra of the package icnet_ros that installs what an engine needs; "" if there is none."""
    return ENGINES[name].extra if name in ENGINES else ""


def auto_candidates(options: EngineOptions, architecture: str = "icnet") -> list[str]:
    """Engines that "auto" tries, in order: TensorRT and torch on a GPU; on a CPU only the fastest installed one.

    Where a machine has a GPU but neither of those is installed, device "auto" is the CPU. An ONNX network has
    onnxruntime in place of torch.
    """
    gpu = options.device.startswith("cuda") or (options.device == "auto" and Path("/dev/nvidiactl").exists())
    names = ["tensorrt", "torch"] if gpu else ["openvino", "onnxruntime", "torch"]
    if architecture == "onnx":
        names = ["tensorrt", "onnxruntime"] if options.device.startswith("cuda") else ["openvino", "onnxruntime"]
        names = ["tensorrt", *names] if gpu and options.device == "auto" else names
    available = [name for name in names if installed_library(name)]
    if not available and gpu and options.device == "auto":
        return auto_candidates(replace(options, device="cpu"), architecture)
    available = available or names[-1:]
    return available if gpu else available[:1]


def open_engine(name: str, checkpoint: Checkpoint, options: EngineOptions | None = None) -> Engine:
    """Build the engine `name` for a checkpoint; "auto" takes the fastest one that works.

    Exit "auto" builds one for each step of the checkpoint's ladder and lets Cascade choose. Raises EngineError for an
    unknown or uninstalled engine and for options it refuses, CheckpointError for a damaged ladder.
    """
    options = options or EngineOptions()
    disable_usage_events()
    if options.exit == "auto":
        return _open_cascade(name, checkpoint, options)
    if options.rows:
        checkpoint, options = _with_rows(checkpoint, options)
    if name == "auto":
        *candidates, name = auto_candidates(options, checkpoint.spec.architecture)
        for candidate in candidates:
            try:
                return open_engine(candidate, checkpoint, options)
            except EngineError as err:
                log.warning("engine %s is not usable here, the next one is tried: %s", candidate, err)
    if name not in ENGINES:
        raise EngineError(f"unknown engine {name!r}; choose one of {', '.join(engine_names())}")
    spec = checkpoint.spec
    if options.coarse_branch_interval and (name, spec.architecture) != ("openvino", "icnet"):
        raise EngineError(
            f"coarse_branch_interval is for an icnet on engine openvino, this is {spec.architecture} on {name}: "
            "set it to 0"
        )
    if spec.architecture == "onnx" and name == "torch":
        raise EngineError(f"{checkpoint.path}: engine 'torch' runs .safetensors checkpoints only; set engine to auto")
    if spec.input_size is not None and options.scale:
        height, width = spec.input_size
        raise EngineError(f"{checkpoint.name} takes {width}x{height} only: the input scale must be 0")
    with needed_for(f"engine {name!r}", EngineError, ENGINES[name].extra):
        if name == "openvino" and spec.architecture == "onnx":
            name, options = _agreeing(checkpoint, options)
        entry = ENGINES[name]
        factory = getattr(import_module(entry.module), entry.attribute)
        if options.precision == "auto":
            precision, reason = choose_precision(name, checkpoint, options)
            log.info("precision %s for %s %s: %s", precision, checkpoint.name, options.exit, reason)
            options = replace(options, precision=precision)
        return adapted(factory(checkpoint, options), options)


def _agreeing(checkpoint: Checkpoint, options: EngineOptions) -> tuple[str, EngineOptions]:
    """Engine openvino, or onnxruntime with options that it takes if the labels of openvino are others."""
    import_module("openvino")  # the error for a missing package comes first
    from icnet_ros.engine.agreement import why_not_openvino

    reason = why_not_openvino(checkpoint, options.exit)
    if not reason:
        return "openvino", options
    log.warning("%s: engine onnxruntime in place of openvino: %s", checkpoint.path, reason)
    precision = options.precision if options.precision in ("auto", "int8") else "fp32"
    return "onnxruntime", replace(options, device="cpu", precision=precision)


def replaced_engine(asked: str, engine: str, checkpoint: Checkpoint, exit_: str) -> str:
    """Why `engine` is not the one that was asked for, by name; empty if there is no more to say."""
    if checkpoint.spec.architecture != "onnx" or engine != "onnxruntime" or asked not in ("auto", "openvino"):
        return ""
    from icnet_ros.engine.agreement import why_not_openvino

    return why_not_openvino(checkpoint, exit_) if installed_library("openvino") else ""


def _open_cascade(name: str, checkpoint: Checkpoint, options: EngineOptions) -> Cascade:
    """An engine for each step of the ladder, and for each exit at the default size, which may be asked for by name.

    If the size is given, only exits are left to choose from.
    """
    spec = checkpoint.spec
    default = round(spec.scale_for(1)) if spec.frame_height else 0  # rows
    exits = [Step(exit_) for exit_ in spec.exits]
    ladder = [
        Step(step.exit, 0 if step.rows == default and not step.model else step.rows, model=step.model)
        for step in (exits if options.scale or options.rows else read_ladder(spec))
    ]
    networks = networks_of(checkpoint, ladder)
    ladder = [step for step in ladder if step.model in networks] or exits
    engines = {
        step: open_engine(
            name,
            networks.get(step.model, checkpoint),
            replace(options, exit=step.exit, rows=step.rows or options.rows),
        )
        for step in dict.fromkeys([*ladder, *exits])
    }
    return Cascade({step: engines[step] for step in ladder}, {step.exit: engines[step] for step in exits})


def _with_rows(checkpoint: Checkpoint, options: EngineOptions) -> tuple[Checkpoint, EngineOptions]:
    """The checkpoint for an input of `options.rows`, and the options without them. Raises EngineError."""
    if options.scale:
        raise EngineError("the input's rows and its scale exclude each other: set one of them to 0")
    if checkpoint.spec.input_size is not None:
        height, width = checkpoint.spec.input_size
        raise EngineError(f"{checkpoint.name} takes {width}x{height} only: the input rows must be 0")
    spec = replace(checkpoint.spec, input_scale=1.0, frame_height=options.rows)
    return replace(checkpoint, spec=spec), replace(options, rows=0)
