"""Options that several commands share, each described once."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from icnet_ros.checkpoint.spec import MAX_ROWS
from icnet_ros.engine.base import MAX_INTERVAL

# Checkpoint, engine, device.
Model = Annotated[
    str, typer.Option("--model", help="Checkpoint, .onnx network, or name of a model; the default model if not given.")
]
EngineName = Annotated[str, typer.Option("--engine", help="auto, torch, onnxruntime, openvino, tensorrt.")]
Device = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, cuda:N; gpu: an integrated one, with openvino.")
]
EnginePrecision = Annotated[str, typer.Option("--precision", help="auto, fp32, fp16, bf16, int8.")]
Exit = Annotated[str, typer.Option("--exit", help="sub4 (fastest), sub24, sub124 (most accurate).")]
Rows = Annotated[
    int, typer.Option("--rows", min=0, max=MAX_ROWS, help="Rows of the network's input; 0: as in the checkpoint.")
]
LabelGroups = Annotated[
    str, typer.Option("--label-groups", help="Groups instead of classes: drivable, nav2, outdoor, or a .yaml file.")
]
Rotate = Annotated[int, typer.Option("--rotate", help="Turn images by 0, 90, 180 or 270 degrees before the network.")]
Mask = Annotated[str, typer.Option("--mask", help="PNG of the images' size; what is not black there is unlabelled.")]

CoarseBranchInterval = Annotated[
    int,
    typer.Option(
        "--coarse-branch-interval",
        min=0,
        max=MAX_INTERVAL,
        help="n: the coarsest branch runs after every n-th frame, and serves the next ones (openvino); 0: in each.",
    ),
]


class DamagedChoice(str, Enum):
    """See icnet_ros.replay.labelling.DamagedImages."""

    FAIL = "fail"
    COUNT = "count"


Damaged = Annotated[
    DamagedChoice,
    typer.Option(
        "--damaged", help="JPEGs with missing or damaged data: fail gives them no labels, count labels and counts them."
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=0, help="CPU threads; 0: all cores.")]

# Datasets.
Data = Annotated[
    str,
    typer.Option(
        "--data", help="A dataset.yaml, or camvid, camvid_street, cityscapes, cityscapes-coarse, cocostuff, street."
    ),
]
Root = Annotated[Path | None, typer.Option("--root", help="Folder of the dataset; that of dataset.yaml if not given.")]
Split = Annotated[str, typer.Option("--split", help="train, val, ...")]
Sources = Annotated[
    list[str] | None, typer.Option("--source", help="Only this source of the dataset; repeat for several.")
]
Limit = Annotated[int, typer.Option("--limit", min=0, help="Maximum number of images, evenly spaced; 0: all.")]
Mapping = Annotated[
    str, typer.Option("--mapping", help="Score fewer classes: cityscapes_to_camvid, or a YAML file like that.")
]

# Results.
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write all metrics to this file, as JSON.")]
ResultFolder = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]

ExportFor = Annotated[
    str,
    typer.Option("--export-for", help="Annotation tool of the export: cvat, label-studio, labelme, coco, segments-ai."),
]

# Training.
TrainingData = Annotated[
    str, typer.Option("--data", help="A dataset.yaml or a dataset by name; that of the recipe if not given.")
]
TrainingFolder = Annotated[Path, typer.Option("--out", "-o", help="Folder for logs, states and checkpoints.")]
Iterations = Annotated[int | None, typer.Option(min=1, help="Number of iterations; overrides the recipe.")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu, cuda.")]
Devices = Annotated[int, typer.Option(min=1, help="Devices of this machine, one process each.")]
Nodes = Annotated[int, typer.Option(min=1, help="Machines; start the same command on each with torchrun.")]
TrainingPrecision = Annotated[
    str, typer.Option("--precision", help="32-true, or bf16-mixed where the device has bf16 instructions.")
]
