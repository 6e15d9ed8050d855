"""Third-party packages that only some functions need, and the commands that install them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

# Extra of this package -> modules it brings. A module of several: the first extra is the one to name.
EXTRAS: dict[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxruntime", "google"),  # onnx brings google.protobuf
    "openvino": ("openvino", "onnx"),
    "torch": ("torch",),
    "train": ("torch", "onnx", "onnxruntime", "openvino", "lightning", "lightning_fabric", "matplotlib", "scipy"),
    "quantize": ("nncf", "onnx", "onnxruntime", "openvino"),
    "tensorrt": ("tensorrt", "torch", "onnx", "onnxruntime"),
    "fleet": ("ray",),
    "rerun": ("rerun",),
}


def installed(*modules: str) -> bool:
    """Whether all these modules can be imported."""
    return all(find_spec(module) is not None for module in modules)


def advice(what: str, module: str, extra: str = "") -> str:
    """One line: `what` needs the package of `module`, and the command. extra: to name if it brings the module."""
    top = module.partition(".")[0]
    names = [extra] if top in EXTRAS.get(extra, ()) else [name for name, modules in EXTRAS.items() if top in modules]
    return f"{what} needs the package {top}: pip install " + (f"'icnet-ros[{names[0]}]'" if names else top)


@contextmanager
def needed_for(what: str, error: Callable[[str], Exception], extra: str = "") -> Iterator[None]:
    """Turn a failed import of an optional package inside into `error` with `advice`; others stay as they are."""
    try:
        yield
    except ModuleNotFoundError as err:
        module = err.name or ""
        if not any(module.partition(".")[0] in modules for modules in EXTRAS.values()):
            raise
        raise error(advice(what, module, extra)) from err
