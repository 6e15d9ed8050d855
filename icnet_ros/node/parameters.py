"""All parameters of the node; does not import rclpy.

ROS descriptors, config/segmentation.yaml and the table in docs/parameters.md are generated from this dataclass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from icnet_ros.checkpoint.spec import EXITS, MAX_ROWS
from icnet_ros.engine.base import MAX_INTERVAL, PRECISIONS
from icnet_ros.engine.table import engine_names
from icnet_ros.node.ground.parameters import GroundParameters
from icnet_ros.node.parameter import (
    NOTES,
    Entry,
    ParameterError,
    Value,
    allowed,
    check,
    check_cameras,
    default_of,
    parameter,
    text_of,
    value_of,
)
from icnet_ros.wire.decoders.table import transports
from icnet_ros.wire.lidar import parse_transform


@dataclass(frozen=True)
class Parameters(GroundParameters):
    """Parameters of the segmentation node."""

    engine: str = parameter(
        "auto", "Inference engine; auto: the fastest available.", choices=engine_names, change="inactive"
    )
    fallback_engine: str = parameter(
        "",
        "Engine to use while `engine` fails, with the same exit on the CPU in fp32; empty: frames fail meanwhile.",
        choices=lambda: ("", *engine_names()),
        change="inactive",
    )
    device: str = parameter(
        "auto",
        "auto, cpu, cuda, cuda:N, or gpu (integrated, openvino); auto: a CUDA GPU if there is one, for torch and "
        "tensorrt.",
        change="inactive",
    )
    precision: str = parameter(
        "auto",
        "Arithmetic of the network; auto: fp16 on CUDA (torch, tensorrt), on a CPU int8 if the model has a file for "
        "it, else bf16 or fp32; bf16, fp16: openvino on a CPU that has it; int8: after `icnet quantize`.",
        choices=PRECISIONS,
        change="inactive",
    )
    exit: str = parameter(
        "sub124",
        "Branch of the network: sub4 is fastest, sub124 most accurate; auto: the best branch and input size that keep "
        "latency_budget_ms, or else keep up with the images. A node configured with auto may change it while active.",
        choices=(*EXITS, "auto"),
        change="inactive",
    )
    coarse_branch_interval: int = parameter(
        0,
        "n: the coarsest branch runs after the labels of every n-th frame, and its features serve the next frames "
        "(openvino); 0: it is part of each.",
        low=0,
        high=MAX_INTERVAL,
        change="inactive",
    )
    model: str = parameter(
        "",
        "Checkpoint (.safetensors), network (.onnx) or model name (icnet model list); empty: the default model, or "
        "random weights if that is not installed.",
        change="inactive",
    )
    input_scale: float = parameter(
        0.0,
        "Resize images by this factor before the network (labels keep the image size); 0: as the checkpoint specifies.",
        low=0.0,
        high=8.0,
        change="inactive",
    )
    input_rows: int = parameter(
        0,
        "Resize images to this height before the network, in place of input_scale; 0: as the checkpoint specifies.",
        low=0,
        high=MAX_ROWS,
        change="inactive",
    )
    label_groups: str = parameter(
        "",
        "Publish few groups instead of the checkpoint's classes: drivable, nav2, outdoor, or a .yaml file; empty: the "
        "classes.",
        change="inactive",
    )
    output_width: int = parameter(
        0, "Width of the label images, with output_height; 0: that of the image.", low=0, high=16384, change="inactive"
    )
    output_height: int = parameter(
        0, "Height of the label images, with output_width; 0: that of the image.", low=0, high=16384, change="inactive"
    )
    output_like: str = parameter(
        "",
        "Topic (Image or CameraInfo) whose size the label images get, such as the depth image; {camera} stands for the "
        "camera's name. Empty: output_width and output_height.",
        change="inactive",
    )
    rotate: int = parameter(
        0,
        "Degrees by which images are turned clockwise before the network; outputs stay as the camera sees them.",
        choices=(0, 90, 180, 270),
        change="inactive",
    )
    mask: str = parameter(
        "",
        "PNG of the image's size; where it is not black (the robot itself), pixels are unlabelled; {camera} stands for "
        "the camera's name. Empty: none.",
        change="inactive",
    )
    score_classes: tuple[str, ...] = parameter(
        ("",),
        "Classes (or groups) whose probabilities ~/scores holds, one channel each; '' alone, or none: all.",
        change="inactive",
    )
    publish_unlabelled: bool = parameter(True, "List the id of unlabelled pixels in ~/label_info.", change="inactive")
    confidence_threshold: float = parameter(
        0.0,
        "Pixels with a lower probability become unlabelled; also `threshold` of ~/label_info. 0: none.",
        low=0.0,
        high=1.0,
        change="inactive",
    )
    threads: int = parameter(0, "CPU threads of the engine; 0: all cores.", low=0, high=1024, change="inactive")
    input_transport: str = parameter(
        "raw",
        "Subscribe to `image` or, compressed, to `image/compressed`, and so on: what image_transport calls the topic.",
        choices=lambda: tuple(transports()),
        change="inactive",
    )
    buffer_backends: str = parameter(
        "",
        "Memory in which raw images may come (ROS 2 Lyrical on): cuda, or any; engines torch and tensorrt take them "
        "from there. Never run on a GPU. Empty: the CPU's.",
        change="inactive",
    )
    warm_up_width: int = parameter(
        640, "Width in pixels of the frames the engine is warmed up with.", low=32, high=16384, change="inactive"
    )
    warm_up_height: int = parameter(
        480, "Height in pixels of the frames the engine is warmed up with.", low=32, high=16384, change="inactive"
    )
    cameras: tuple[str, ...] = parameter(
        ("",),
        "Cameras served in turn: `left` has the topics left/image and ~/left/labels; '' alone: image and ~/labels.",
        change="inactive",
    )
    batch_window_ms: float = parameter(
        0.0,
        "Wait this long for the other cameras and segment all that came as one batch (worth it on a GPU).",
        low=0.0,
        high=1000.0,
        change="inactive",
    )
    autostart: bool = parameter(
        True,
        "Configure and activate the node at the start; if a setting cannot be used, exit with code 2.",
        change="start",
    )
    build_only: bool = parameter(
        False,
        "Build and cache the engine's files, then exit: exit code 0, or 2 if a setting cannot be used.",
        change="start",
    )
    max_pixels: int = parameter(
        64_000_000, "Images that declare more pixels are refused before they are unpacked.", low=1024, high=2**31
    )
    damaged_images: str = parameter(
        "fail",
        "What happens to a JPEG of which a part is missing or damaged: fail is as for any unusable image, count labels "
        "it all the same, grey where it is missing. Both count it in /diagnostics (damaged).",
        choices=("fail", "count"),
    )
    overlay_alpha: float = parameter(
        0.5, "Opacity of the class colours in the overlay; 0: only the image.", low=0.0, high=1.0
    )
    jpeg_quality: int = parameter(90, "JPEG quality of overlay/compressed.", low=1, high=100)
    max_rate: float = parameter(
        0.0, "Label at most this many images per second and camera; 0: all that can be labelled.", low=0.0, high=1000.0
    )
    points_tolerance_s: float = parameter(
        0.05,
        "Seconds by which the stamps of image and depth image or cloud may differ, and by which /tf may be late.",
        low=0.0,
        high=10.0,
    )
    cloud_transform: str = parameter(
        "",
        "Transform from the LiDAR's frame to the camera's optical frame for ~/cloud, 'x y z qx qy qz qw'; empty: tf2.",
        change="inactive",
    )
    lazy: bool = parameter(False, "Subscribe to a camera only while its outputs have subscribers.")
    publish_overlay: bool = parameter(True, "Publish the overlays, if someone subscribes.")
    publish_confidence: bool = parameter(True, "Publish the confidence, if someone subscribes.")
    latency_budget_ms: float = parameter(
        0.0,
        "Upper limit of total_ms: WARN in /diagnostics if p95 is above it, ERROR if the median is; exit auto keeps to "
        "it. 0: no limit.",
        low=0.0,
        high=60_000.0,
    )
    age_warning_ms: float = parameter(
        1000.0,
        "WARN in /diagnostics if p95 of age_ms, from the image's stamp to its labels, is above it. 0: no limit.",
        low=0.0,
        high=600_000.0,
    )
    drop_warning: float = parameter(
        0.5, "WARN in /diagnostics if a larger share of the recent frames was dropped.", low=0.0, high=1.0
    )
    input_timeout_s: float = parameter(
        2.0, "STALE in /diagnostics if no image came for this long.", low=0.1, high=3600.0
    )
    hang_timeout_s: float = parameter(
        5.0, "ERROR in /diagnostics if a frame has been worked on for longer.", low=0.1, high=3600.0
    )
    statistics_window_s: float = parameter(
        10.0, "Length of the window for rates and percentiles in /diagnostics.", low=1.0, high=600.0
    )

    def __post_init__(self) -> None:
        for entry in fields(self):
            if isinstance(value := getattr(self, entry.name), list):  # as rclpy and yaml have them
                object.__setattr__(self, entry.name, tuple(value))
            check(entry, getattr(self, entry.name))
        if not self.score_classes:
            object.__setattr__(self, "score_classes", ("",))
        check_cameras(self.cameras)
        if self.cloud_transform:
            try:
                parse_transform(self.cloud_transform)
            except ValueError as err:
                raise ParameterError(f"cloud_transform: {err}") from None
        if self.cloud_transform and len(self.cameras) > 1:
            raise ParameterError("cloud_transform is that of one camera: with several, publish the transforms on /tf")
        if self.buffer_backends and self.input_transport != "raw":
            raise ParameterError("buffer_backends is for raw images: set input_transport to raw")
        if self.input_scale and self.input_rows:
            raise ParameterError("input_scale and input_rows exclude each other: set one of them to 0")
        if bool(self.output_width) != bool(self.output_height):
            raise ParameterError("output_width and output_height belong together: set both, or leave both at 0")
        self.check_ground(len(self.cameras))


def by_name() -> Mapping[str, Entry]:
    """All parameters by name, in order; metadata: description, choices, range, change."""
    return {entry.name: entry for entry in sorted(fields(Parameters), key=lambda e: hasattr(GroundParameters, e.name))}


def parse(name: str, text: str) -> Value:
    """Value of the parameter `name` from its text in a launch argument. Raises ParameterError."""
    entry = by_name()[name]
    value = value_of(entry, text)
    check(entry, value)
    if name == "cameras" and isinstance(value, tuple):
        check_cameras(value)
    return value


def to_yaml() -> str:
    """Contents of config/segmentation.yaml: every parameter, its default and description."""
    lines = [
        "# Every parameter of the node, with its default. Made from icnet_ros/node/parameters.py:",
        "#   python -m icnet_ros.node.parameters > config/segmentation.yaml",
        "/**/icnet:",
        "  ros__parameters:",
    ]
    for name, entry in by_name().items():
        notes = [note for note in (allowed(entry), NOTES[entry.metadata["change"]]) if note]
        lines.append(f"    # {entry.metadata['description']}" + (f" ({'; '.join(notes)})" if notes else ""))
        lines.append(f"    {name}: {text_of(default_of(entry))}")
    return "\n".join(lines) + "\n"


def to_markdown() -> str:
    """The parameter table of docs/parameters.md."""
    rows = ["| parameter | default | takes | what it does |", "|---|---|---|---|"]
    for name, entry in by_name().items():
        mark = {"running": " \\*", "inactive": "", "start": " †"}[entry.metadata["change"]]
        takes = allowed(entry) or {bool: "true, false", str: "text", tuple: "list of texts"}[type(entry.default)]
        rows.append(f"| `{name}`{mark} | `{text_of(default_of(entry))}` | {takes} | {entry.metadata['description']} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(to_yaml(), end="")
