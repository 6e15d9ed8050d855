"""Every parameter of the node, once: ROS descriptors, config/segmentation.yaml and the README
table are made from this dataclass. Knows no rclpy.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from icnet_ros.checkpoint.spec import EXITS
from icnet_ros.engine.table import NAMES


class ParameterError(ValueError):
    """A value that a parameter cannot take, with the reason."""


def _parameter(
    default: Any,
    description: str,
    *,
    choices: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    read_only: bool = False,
) -> Any:
    metadata = {
        "description": description,
        "choices": choices,
        "range": None if low is None or high is None else (low, high),
        "read_only": read_only,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Parameters:
    """Parameters of the segmentation node. The read-only ones are fixed when the process starts."""

    engine: str = _parameter("auto", "What runs the network.", choices=NAMES, read_only=True)
    device: str = _parameter("auto", "auto, cpu, cuda or cuda:N; auto takes a GPU if there is one.", read_only=True)
    precision: str = _parameter(
        "fp32", "Arithmetic of the network; fp16 needs a GPU.", choices=("fp32", "fp16"), read_only=True
    )
    exit: str = _parameter(
        "sub124", "Which branch answers: sub4 is fastest, sub124 most accurate.", choices=EXITS, read_only=True
    )
    model: str = _parameter(
        "", "Checkpoint (.safetensors); empty: the shipped one, or random weights if none is shipped.", read_only=True
    )
    input_scale: float = _parameter(
        0.0,
        "Resize images by this before the network (labels keep their size); 0: what the checkpoint wants.",
        low=0.0,
        high=8.0,
        read_only=True,
    )
    threads: int = _parameter(0, "CPU threads of the engine; 0: all cores.", low=0, high=1024, read_only=True)
    input_transport: str = _parameter(
        "raw",
        "Subscribe to `image` or, compressed, to `image/compressed`.",
        choices=("raw", "compressed"),
        read_only=True,
    )
    warm_up_width: int = _parameter(
        640, "Width in pixels of the frames the engine is warmed up with.", low=32, high=16384, read_only=True
    )
    warm_up_height: int = _parameter(
        480, "Height in pixels of the frames the engine is warmed up with.", low=32, high=16384, read_only=True
    )
    autostart: bool = _parameter(True, "Configure and activate without being asked.", read_only=True)
    max_pixels: int = _parameter(
        64_000_000, "Images that declare more pixels are refused before they are unpacked.", low=1024, high=2**31
    )
    overlay_alpha: float = _parameter(
        0.5, "Share of the class colours in the overlay; 0 is the bare image.", low=0.0, high=1.0
    )
    jpeg_quality: int = _parameter(90, "Of overlay/compressed.", low=1, high=100)
    publish_overlay: bool = _parameter(True, "Offer the overlay topics; computed only if someone subscribes.")
    publish_confidence: bool = _parameter(True, "Offer the confidence topic; computed only if someone subscribes.")
    latency_budget_ms: float = _parameter(
        0.0, "WARN in /diagnostics if p95 of total_ms is above; 0: no budget.", low=0.0, high=60_000.0
    )
    drop_warning: float = _parameter(
        0.5, "WARN in /diagnostics if a larger share of the recent frames was dropped.", low=0.0, high=1.0
    )
    input_timeout_s: float = _parameter(
        2.0, "STALE in /diagnostics if no image came for this long.", low=0.1, high=3600.0
    )
    statistics_window_s: float = _parameter(
        10.0, "Rates and percentiles in /diagnostics look back this far.", low=1.0, high=600.0
    )

    def __post_init__(self) -> None:
        for entry in fields(self):
            check(entry, getattr(self, entry.name))


def check(entry: "Field[Any]", value: Any) -> None:
    """Raise ParameterError if `value` is not of the parameter's type, choices or range."""
    choices, limits = entry.metadata["choices"], entry.metadata["range"]
    if type(value) is not type(entry.default):
        raise ParameterError(
            f"{entry.name} is {value!r}, a {type(value).__name__}; it takes a {type(entry.default).__name__}"
        )
    if choices and value not in choices:
        raise ParameterError(f"{entry.name} is {value!r}; it takes one of {', '.join(choices)}")
    if limits and not limits[0] <= value <= limits[1]:  # NaN is outside too
        raise ParameterError(f"{entry.name} is {value}; it takes {limits[0]:g} to {limits[1]:g}")


def by_name() -> "Mapping[str, Field[Any]]":
    """All parameters by name, in order; metadata: description, choices, range, read_only."""
    return {entry.name: entry for entry in fields(Parameters)}


def allowed(entry: "Field[Any]") -> str:
    """The values a parameter takes, in words; empty if any of its type."""
    if entry.metadata["choices"]:
        return "one of: " + ", ".join(entry.metadata["choices"])
    limits = entry.metadata["range"]
    return f"{limits[0]:g} to {limits[1]:g}" if limits else ""


def to_yaml() -> str:
    """Contents of config/segmentation.yaml: every parameter, its default and description."""
    lines = [
        "# Every parameter of the node, with its default. Made from icnet_ros/node/parameters.py:",
        "#   python -m icnet_ros.node.parameters > config/segmentation.yaml",
        "/**/icnet:",
        "  ros__parameters:",
    ]
    for name, entry in by_name().items():
        notes = [note for note in (allowed(entry), "read only" if entry.metadata["read_only"] else "") if note]
        lines.append(f"    # {entry.metadata['description']}" + (f" ({'; '.join(notes)})" if notes else ""))
        lines.append(f"    {name}: {_plain(entry.default)}")
    return "\n".join(lines) + "\n"


def to_markdown() -> str:
    """The parameter table of the README."""
    rows = ["| parameter | default | takes | what it does |", "|---|---|---|---|"]
    for name, entry in by_name().items():
        mark = "" if entry.metadata["read_only"] else " \\*"
        takes = allowed(entry) or type(entry.default).__name__
        rows.append(f"| `{name}`{mark} | `{_plain(entry.default)}` | {takes} | {entry.metadata['description']} |")
    return "\n".join(rows) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if value == "" else str(value)


if __name__ == "__main__":
    print(to_yaml(), end="")
