"""Engines by name. Adding one is one new file and one line here."""

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import Engine, EngineError, EngineOptions
from icnet_ros.engine.cascade import Cascade

# name -> (module, class); imported only when chosen, for each brings a large library.
ENGINES = {
    "torch": ("icnet_ros.engine.torch", "open_torch"),
    "onnxruntime": ("icnet_ros.engine.onnxruntime", "OnnxRuntimeEngine"),
    "openvino": ("icnet_ros.engine.openvino", "OpenVinoEngine"),
    "tensorrt": ("icnet_ros.engine.tensorrt", "open_tensorrt"),
}
EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino", "tensorrt": "tensorrt"}
NAMES = ("auto", *ENGINES)


def fastest(options: EngineOptions) -> str:
    """What "auto" means: torch on a GPU; on the CPU the first of OpenVINO, ONNX Runtime and torch that is installed."""
    gpu = options.device.startswith("cuda") or (options.device == "auto" and Path("/dev/nvidiactl").exists())
    if gpu or not (find_spec("onnx") and find_spec("onnxruntime")):  # both make and check the ONNX file
        return "torch"
    return "openvino" if find_spec("openvino") else "onnxruntime"


def open_engine(name: str, checkpoint: Checkpoint, options: EngineOptions | None = None) -> Engine:
    """Build the engine `name` for a checkpoint; "auto" takes the fastest one present.

    Exit "auto" builds one for each exit and lets Cascade choose. Raises EngineError for an unknown or
    uninstalled engine and for options it refuses.
    """
    options = options or EngineOptions()
    if options.exit == "auto":
        return Cascade([open_engine(name, checkpoint, replace(options, exit=exit_)) for exit_ in checkpoint.spec.exits])
    if name == "auto":
        name = fastest(options)
    if name not in ENGINES:
        raise EngineError(f"no engine {name!r}; there are {', '.join(NAMES)}")
    module, attribute = ENGINES[name]
    try:
        factory = getattr(import_module(module), attribute)
    except ModuleNotFoundError as err:
        if (err.name or "").startswith("icnet_ros"):
            raise
        extra = f"'icnet_ros[{EXTRAS[name]}]'" if name in EXTRAS else err.name
        raise EngineError(f"engine {name!r} needs the package {err.name!r}: pip install {extra}") from err
    engine: Engine = factory(checkpoint, options)
    return engine
