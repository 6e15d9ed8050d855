"""`icnet export`: a checkpoint for other runtimes."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from icnet_ros.checkpoint.default import load_model
from icnet_ros.command.console import console
from icnet_ros.engine.base import EngineError


def export(
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write; .xml for OpenVINO.")],
    model: Annotated[str, typer.Option(help="Checkpoint; the shipped one if not given.")] = "",
    kind: Annotated[Literal["onnx", "openvino"], typer.Option("--format", help="What to write.")] = "onnx",
    exit_: Annotated[str, typer.Option("--exit", help="sub4, sub24, sub124.")] = "sub124",
) -> None:
    """Write the network for any frame size, checked against torch at several sizes before it is kept.

    Input `image`: float32 (N, 3, H, W), normalised as the checkpoint says (`icnet info`). Output `logits`:
    (N, h, w, classes), to be resized to the image bilinearly with corners aligned.
    """
    if kind == "openvino" and out.suffix != ".xml":
        raise EngineError(f"{out}: an OpenVINO model is an .xml file with a .bin beside it; name it so")
    try:
        from icnet_ros.engine.export import onnx_file

        made = onnx_file(load_model(model), exit_)
        out.parent.mkdir(parents=True, exist_ok=True)
        if kind == "onnx":
            shutil.copyfile(made, out)
        else:
            import openvino

            openvino.save_model(openvino.Core().read_model(str(made)), str(out), compress_to_fp16=False)
    except ModuleNotFoundError as err:
        extra = "openvino" if err.name == "openvino" else "onnx"
        raise EngineError(f"exporting needs the package {err.name}: pip install 'icnet_ros[{extra}]'") from err
    console.print(f"{out}", highlight=False)
