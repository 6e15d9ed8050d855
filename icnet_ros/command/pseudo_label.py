"""`icnet dataset pseudo-label`: a teacher network labels images, for a training to learn from."""

from pathlib import Path
from typing import Annotated

import typer

from icnet_ros.command.console import console, progress_bar, warn, warn_untrained
from icnet_ros.dataset.base import DatasetError, image_files
from icnet_ros.dataset.pseudo_labels import encode
from icnet_ros.engine.base import EngineOptions
from icnet_ros.wire.pictures.picture_file import read_picture


def pseudo_label(
    model: Annotated[str, typer.Option(help="The teacher: a checkpoint, .onnx network, or name of a model.")],
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the predictions; complete ones are kept.")],
    pattern: Annotated[str, typer.Option(help="Which images of the folder; **/* takes subfolders.")] = "*",
    rows: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Rows of the network's input; repeatable. 0: its own."),
    ] = None,
    flip: Annotated[bool, typer.Option(help="Average with the mirrored image.")] = True,
    engine: Annotated[str, typer.Option(help="auto, torch, onnxruntime, openvino.")] = "auto",
) -> None:
    """Predict each image with a teacher network; for `teacher:` of a source in a dataset.yaml.

    The files hold the two most probable classes of each pixel and their shares. Look at the predictions before a
    training learns from them: `icnet segment` draws them.
    """
    from icnet_ros.engine.inference import InferenceSettings
    from icnet_ros.evaluation.pseudo_label import mean_probabilities

    files, notes = image_files([images], pattern)
    targets = {file: out / file.relative_to(images).with_suffix(".png") for file in files}
    by_target = {target: file for file, target in targets.items()}
    if twice := [file for file, target in targets.items() if by_target[target] != file]:
        raise DatasetError(f"{twice[0]} and {by_target[targets[twice[0]]].name} have one name: their predictions, too")
    inference = InferenceSettings(model, engine)
    checkpoint = inference.load()
    if not checkpoint.spec.trained:
        warn_untrained("predictions", model)
    sizes = [EngineOptions(exit=checkpoint.spec.exits[-1], rows=height) for height in rows or [0]]
    engines = [inference.on(engine, options).open(checkpoint) for options in sizes]
    with progress_bar("predicting") as update:
        for number, (file, target) in enumerate(targets.items(), 1):
            if not target.exists():
                content = encode(mean_probabilities(engines, read_picture(file), flip=flip))
                target.parent.mkdir(parents=True, exist_ok=True)
                unfinished = target.with_suffix(".part")
                unfinished.write_bytes(content.tobytes())
                unfinished.rename(target)
            update("predicting", number, len(files))
    warn(notes)
    console.print(f"predictions of {len(files)} images: {out}", soft_wrap=True)
