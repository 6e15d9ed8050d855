"""Engines by name. Adding one is one new file and one line here."""

from importlib import import_module

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.base import Engine, EngineError, EngineOptions

# name -> (module, class); imported only when chosen, for each brings a large library.
ENGINES = {
    "torch": ("icnet_ros.engine.torch", "TorchEngine"),
}
NAMES = ("auto", *ENGINES)


def open_engine(name: str, checkpoint: Checkpoint, options: EngineOptions | None = None) -> Engine:
    """Build the engine `name` for a checkpoint; "auto" takes the fastest one present.

    Raises EngineError for an unknown or uninstalled engine and for options it refuses.
    """
    if name == "auto":
        name = "torch"
    if name not in ENGINES:
        raise EngineError(f"no engine {name!r}; there are {', '.join(NAMES)}")
    module, attribute = ENGINES[name]
    try:
        factory = getattr(import_module(module), attribute)
    except ModuleNotFoundError as err:
        if (err.name or "").startswith("icnet_ros"):
            raise
        raise EngineError(f"engine {name!r} needs the package {err.name!r}: pip install {err.name}") from err
    engine: Engine = factory(checkpoint, options or EngineOptions())
    return engine
