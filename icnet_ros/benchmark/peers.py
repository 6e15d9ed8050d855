"""Comparison with other networks (ONNX files): inference only, same engine, same number of threads."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from icnet_ros.benchmark.timing import Progress, interleaved
from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.export import onnx_file
from icnet_ros.engine.base import EngineError

TYPES = {"f32": np.float32, "f16": np.float16, "u8": np.uint8}


def compare_peers(
    checkpoint: Checkpoint,
    exits: Sequence[str],
    files: Sequence[Path],
    engine: str,
    size: tuple[int, int],
    threads: int,
    rounds: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Rows {name, ms, ratio}; ratio: to the time of our deepest exit. A file that cannot run has an `error` instead.

    engine: openvino or onnxruntime. size: height, width of the input. Raises EngineError for another
    engine.
    """
    if engine not in OPENERS:
        raise EngineError(f"peers run under {' or '.join(OPENERS)}, not {engine!r}")
    height, width = size
    candidates: dict[str, Callable[[], object]] = {}
    failed: list[dict[str, Any]] = []
    ours = {f"icnet {checkpoint.spec.width:g} {exit_}": onnx_file(checkpoint, exit_) for exit_ in exits}
    for name, path in {**ours, **{path.name: path for path in files}}.items():
        try:
            candidates[name] = OPENERS[engine](path, (1, 3, height, width), threads)
            candidates[name]()
        except Exception as err:  # runtimes raise all kinds of errors for a file they cannot run
            if name in ours:
                raise
            failed.append({"name": name, "error": str(err).strip().splitlines()[0]})
            candidates.pop(name, None)
    seconds = interleaved(candidates, rounds, progress)
    reference = seconds[list(ours)[-1]]
    return [{"name": name, "ms": 1000 * value, "ratio": value / reference} for name, value in seconds.items()] + failed


def _openvino(path: Path, shape: tuple[int, ...], threads: int) -> Callable[[], object]:
    import openvino

    core = openvino.Core()
    model = core.read_model(str(path))
    model.reshape(list(shape))
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    image = np.zeros(shape, TYPES[model.input().get_element_type().to_string()])
    return lambda: request.infer({0: image}, share_inputs=True, share_outputs=True)


def _onnxruntime(path: Path, shape: tuple[int, ...], threads: int) -> Callable[[], object]:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]
    kind = {"tensor(float)": "f32", "tensor(float16)": "f16", "tensor(uint8)": "u8"}[wanted.type]
    image = np.zeros(shape, TYPES[kind])
    return lambda: session.run(None, {wanted.name: image})


OPENERS = {"openvino": _openvino, "onnxruntime": _onnxruntime}
