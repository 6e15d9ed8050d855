"""Engines by name. Adding one is one new file and one line here."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import Engine, EngineError, EngineOptions

# name -> (module, class); imported only when chosen, for each brings a large library.
ENGINES = {
    "torch": ("icnet_ros.engine.torch", "open_torch"),
    "onnxruntime": ("icnet_ros.engine.onnxruntime", "OnnxRuntimeEngine"),
    "openvino": ("icnet_ros.engine.openvino", "OpenVinoEngine"),
}
EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino"}
NAMES = ("auto", *ENGINES)


def fastest(options: EngineOptions) -> str:
    """What "auto" means: torch on a GPU, else ONNX Runtime where it is installed, else torch."""
    gpu = options.device.startswith("cuda") or (options.device == "auto" and Path("/dev/nvidiactl").exists())
    if gpu or options.precision != "fp32" or find_spec("onnxruntime") is None or find_spec("onnx") is None:
        return "torch"
    return "onnxruntime"


def open_engine(name: str, checkpoint: Checkpoint, options: EngineOptions | None = None) -> Engine:
    """Build the engine `name` for a checkpoint; "auto" takes the fastest one present.

    Raises EngineError for an unknown or uninstalled engine and for options it refuses.
    """
    options = options or EngineOptions()
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
