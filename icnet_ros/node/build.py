"""Builds and warms up an engine from the parameters of the node."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from icnet_ros.engine.base import Engine, EngineOptions
from icnet_ros.engine.inference import InferenceSettings
from icnet_ros.engine.precision import choose_precision
from icnet_ros.engine.retrying import RetryingEngine
from icnet_ros.engine.table import replaced_engine
from icnet_ros.node.parameters import Parameters
from icnet_ros.wire.cdr import typestore


class BuiltEngine(NamedTuple):
    """An engine, the parameters it was built from, and its constant values for /diagnostics."""

    engine: Engine
    settings: Parameters
    metadata: dict[str, str]


def inference_settings(settings: Parameters) -> InferenceSettings:
    """What the parameters say about the engine."""
    options = EngineOptions(
        settings.device,
        settings.precision,
        settings.exit,
        settings.threads,
        settings.input_scale,
        settings.input_rows,
        label_groups=settings.label_groups,
        rotate=settings.rotate,
        mask=settings.mask,
        cameras=settings.cameras,
        coarse_branch_interval=settings.coarse_branch_interval,
    )
    return InferenceSettings(settings.model, settings.engine, options)


def build(settings: Parameters) -> BuiltEngine:
    """Build and warm up the engine for these parameters. Raises CheckpointError or EngineError."""
    inference = inference_settings(settings)
    checkpoint = inference.load()
    options, fallback = inference.options, None
    if settings.fallback_engine:
        on_cpu = replace(options, device="cpu", precision="fp32", coarse_branch_interval=0)
        fallback = inference.on(settings.fallback_engine, on_cpu).open(checkpoint)
    engine = RetryingEngine(inference.open(checkpoint), fallback)
    largest = len(settings.cameras) if settings.batch_window_ms else 1
    for batch in range(1, largest + 1):  # not all cameras have a frame each time
        engine.warm_up(settings.warm_up_height, settings.warm_up_width, batch)
    typestore()  # takes longer than a frame, and the first message would wait for it
    metadata = _metadata(engine, checkpoint.name, checkpoint.sha256, settings)
    if settings.precision == "auto":
        deepest = checkpoint.spec.exits[-1] if settings.exit == "auto" else settings.exit
        metadata["precision_reason"] = choose_precision(engine.name, checkpoint, replace(options, exit=deepest))[1]
    if reason := replaced_engine(settings.engine, engine.name, checkpoint, checkpoint.spec.exits[-1]):
        metadata["engine_reason"] = reason
    return BuiltEngine(engine, settings, metadata)


def build_in_background(settings: Parameters, meanwhile: Callable[[], None], period: float) -> BuiltEngine:
    """Run `build` on another thread and call `meanwhile` every `period` s. Raises what either raises."""
    built: list[BuiltEngine] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            built.append(build(settings))
        except BaseException as err:
            failed.append(err)

    thread = threading.Thread(target=work, name="build", daemon=True)
    thread.start()
    while thread.is_alive():
        meanwhile()
        thread.join(period)
    if failed:
        raise failed[0]
    return built[0]


def _metadata(engine: Engine, name: str, digest: str, settings: Parameters) -> dict[str, str]:
    memory = engine.memory()
    return {
        "engine": engine.name,
        "precision": engine.precision,
        "exit": settings.exit,
        "input": _input_size(engine, settings),
        "device": engine.device,
        "checkpoint": name,
        "checkpoint_sha256": digest or "none",
        "trained": str(engine.spec.trained).lower(),
        "input_transport": settings.input_transport,
        "device_memory_mb": f"{memory / 2**20:.1f}" if memory is not None else "unknown",
    }


def _input_size(engine: Engine, settings: Parameters) -> str:
    """What images are resized to before the network, as text."""
    if settings.input_scale:
        return f"scaled by {settings.input_scale:g}"
    if engine.spec.input_size is not None:
        return "{}x{}".format(*engine.spec.input_size[::-1])
    if engine.spec.frame_height:
        return f"{engine.spec.scale_for(1):.0f} rows"
    return f"scaled by {engine.spec.input_scale:g}"
