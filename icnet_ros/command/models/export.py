"""`icnet export`: a checkpoint for other runtimes."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from icnet_ros.checkpoint.default import load_model, load_model_spec
from icnet_ros.checkpoint.onnx_description import describe
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.command.console import console
from icnet_ros.engine.base import EngineError
from icnet_ros.packages import needed_for

Format = Literal["onnx", "openvino", "tensorrt"]


def export(
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write; .xml for OpenVINO.")],
    model: Annotated[str, typer.Option(help="Checkpoint; the shipped one if not given.")] = "",
    kind: Annotated[Format, typer.Option("--format", help="What to write.")] = "onnx",
    exit_: Annotated[str, typer.Option("--exit", help="sub4, sub24, sub124.")] = "sub124",
    precision: Annotated[str, typer.Option(help="fp32; for tensorrt also fp16 and int8.")] = "fp32",
) -> None:
    """Write the network of a checkpoint for any frame size.

    Input `image`: float32 (N, 3, H, W), normalised as the checkpoint says (`icnet info`). Output `logits`:
    (N, h, w, classes), to be resized to the image bilinearly with corners aligned. A TensorRT plan takes one
    frame up to 3840x2176, in float16 if that is its precision, and runs only on this machine's GPU model.
    """
    if kind == "openvino" and out.suffix != ".xml":
        raise EngineError(f"{out}: an OpenVINO model is an .xml file with a .bin beside it; end --out with .xml")
    if kind != "tensorrt" and precision != "fp32":
        raise EngineError(f"--precision {precision} is for --format tensorrt; `icnet quantize` writes int8 ONNX files")
    with needed_for(f"--format {kind}", EngineError, kind):
        made = _make(kind, model, exit_, precision)
    out.parent.mkdir(parents=True, exist_ok=True)
    if kind == "openvino":
        import openvino

        openvino.save_model(openvino.Core().read_model(str(made)), str(out), compress_to_fp16=False)
    elif kind == "onnx":
        import onnx

        network = onnx.load(made)
        describe(network, _of_exit(load_model_spec(model), exit_))  # so that the file can be used as a model itself
        onnx.save(network, out)
    else:
        shutil.copyfile(made, out)
    console.print(f"{out}")


def _of_exit(spec: ModelSpec, exit_: str) -> ModelSpec:
    """`spec` with the mIoU of one exit alone: the file has no other, and no ladder."""
    miou = spec.metrics.get(f"miou_{exit_}")
    return replace(spec, metrics={} if miou is None else {"miou": miou})


def _make(kind: Format, model: str, exit_: str, precision: str) -> Path:
    """Path of the exported file in the cache; it is exported if it is not there yet."""
    checkpoint = load_model(model)
    if kind == "tensorrt":
        from icnet_ros.engine.artefacts.plan import plan_file

        return plan_file(checkpoint, exit_, precision)
    if kind == "openvino":
        import openvino  # noqa: F401 (fails before the export if it is not installed)
    from icnet_ros.engine.artefacts.export import onnx_file

    return onnx_file(checkpoint, exit_)
