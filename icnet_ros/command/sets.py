"""What can be installed apart: sets of packages, what each is for, and what of it is missing."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class PackageSet:
    """Packages that serve one purpose.

    modules: whose import shows that the set is installed. purpose: what one can do with it. extra: of the wheel.
    make: of the checkout's `make build SETS=...`, "" if that has it always.
    """

    name: str
    modules: tuple[str, ...]
    purpose: str
    extra: str
    make: str = ""

    def missing(self, found: Callable[[str], object] = find_spec) -> list[str]:
        """Modules that cannot be imported."""
        return [module for module in self.modules if found(module) is None]

    @property
    def command(self) -> str:
        """What installs it."""
        checkout = f", in a checkout: make build SETS={self.make}" if self.make else ", in a checkout: make build"
        return f"pip install 'icnet-ros[{self.extra}]'{checkout}"


SETS = (
    PackageSet(
        "run",
        ("cv2", "numba", "rosbags", "plotly", "onnx", "openvino"),
        "node, demo, segment, replay",
        "openvino",
    ),
    PackageSet(
        "train",
        ("torch", "lightning_fabric", "matplotlib", "scipy", "onnxruntime"),
        "training, evaluation of every exit, import and export of networks, other .onnx networks, engine torch",
        "train",
        "train",
    ),
    PackageSet(
        "test",
        ("pytest", "hypothesis", "mypy", "ruff", "nncf", "torchmetrics"),
        "make test, icnet quantize",
        "dev,quantize",
        "'train test'",
    ),
)
