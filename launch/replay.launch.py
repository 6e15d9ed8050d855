"""Play a bag through the node and score its labels online: `ros2 launch icnet_ros replay.launch.py bag:=DRIVE`.

`ros2 bag play --clock` starts once the node is active; `evaluation_node` compares its labels with the ground truth of
the bag, publishes the running mIoU on /icnet_evaluation/miou, and at the end writes report.json, report.html and
frames.csv into `out`. Takes the other arguments of segmentation.launch.py, too.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from launch.actions import EmitEvent, ExecuteProcess, RegisterEventHandler, TimerAction
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch_ros.actions import Node, SetRemap

from icnet_ros.node.launching.arguments import (
    argument_values,
    full_namespace,
    include_segmentation,
    launch_description,
    typed,
)
from icnet_ros.node.parameter import ParameterError
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.decoders.table import topic_of, transport_of
from launch import LaunchContext, LaunchDescription

DISCOVERY_S = "5"  # for discovery between player and nodes; else the first frames are lost
REPORT_S = "120"  # from SIGINT to SIGTERM of the evaluation node, and from SIGTERM to SIGKILL, for writing the report
LAST_FRAMES_S = 3.0  # from the end of the bag to the shutdown, for the last frames
ARGUMENTS = {
    "bag": (None, "ROS 2 bag: folder or file"),
    "out": ("replay_evaluation", "folder for the report"),
    "rate": ("1.0", "playback rate; a low rate avoids dropped frames"),
    "loop": ("false", "true: play in a loop until Ctrl-C"),
    "image": ("", "image topic; empty: found in the bag"),
    "ground_truth": ("", "topic of class ids; empty: found in the bag by name"),
    "mapping": ("", "file with the class of each id of the ground truth, as --mapping of `icnet replay`"),
    "model": ("", "checkpoint (.safetensors) or network (.onnx)"),
}


def generate_launch_description() -> LaunchDescription:
    """Player, node and evaluation node."""
    return launch_description(__file__, ARGUMENTS, _actions)


def _actions(context: LaunchContext) -> list[Any]:
    if find_spec("ros2bag") is None:
        raise ParameterError("the bag is played by `ros2 bag`: install the ROS package ros2bag")
    values = argument_values(context, ARGUMENTS)
    namespace = context.launch_configurations.get("namespace", "")
    groups = context.launch_configurations.get("label_groups", "")
    path = str(Path(values["bag"]).expanduser().absolute())
    with open_bag(path) as bag:
        image = bag.image_topic(values["image"], values["ground_truth"])
        ground_truth = bag.ground_truth_topic(values["ground_truth"], image)
        inputs = bag.inputs()  # labels of a recorded node would be scored in place of those of this one
    transport = transport_of(image.name, image.kind, image.encoding)
    expected = topic_of(image.base, transport)
    given = {
        "image": image.base,
        "input_transport": transport,
        "use_sim_time": "true",
        "model": values["model"],
    }
    topics = ("labels", "latency", "label_info")
    of_run = {name: values[name] for name in ("out", "model", "mapping")}
    evaluation = Node(
        package="icnet_ros",
        executable="evaluation_node",
        name="icnet_evaluation",
        namespace=namespace,
        parameters=[typed({**of_run, "bag": path, "label_groups": groups})],
        remappings=[(name, f"icnet/{name}") for name in topics]
        + [("ground_truth", ground_truth.name if ground_truth else "ground_truth")],
        output="screen",
        # On SIGINT it waits for the hash of the bag and writes the report.
        sigterm_timeout=REPORT_S,
        sigkill_timeout=REPORT_S,
    )
    node = "/" + f"{full_namespace(context, namespace)}/icnet".strip("/")
    play = ["ros2", "bag", "play", path, "--clock", "--rate", values["rate"], "--delay", DISCOVERY_S]
    play += ["--loop"] if values["loop"].lower() == "true" else []
    play += ["--topics", *inputs]
    player = ExecuteProcess(
        cmd=[sys.executable, "-m", "icnet_ros.node.launching.when_active", node, *play],
        name="player",
        output="screen",
        emulate_tty=False,
    )

    def ended(event: ProcessExited, context: LaunchContext) -> list[Any]:
        how = f"failed with exit code {event.returncode}" if event.returncode else "has finished"
        shutdown = EmitEvent(event=Shutdown(reason=f"playback of the bag {how}"))
        return [] if context.is_shutdown else [TimerAction(period=LAST_FRAMES_S, actions=[shutdown])]

    return [
        *([SetRemap(expected, image.name)] if expected != image.name else []),
        include_segmentation(given),
        evaluation,
        player,
        RegisterEventHandler(OnProcessExit(target_action=player, on_exit=ended)),
    ]
