"""Label Studio's JSON with predictions (brush), and the labelling configuration that they need."""

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.report.annotation.base import AnnotationWriter, Prelabelled, worst_key
from icnet_ros.report.annotation.regions import label_studio_rle

LOCAL_FILES = "/data/local-files/?d="  # served below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT


class LabelStudioWriter(AnnotationWriter):
    """images: the images. tasks.json: a task for each, with one region for each class. label_config.xml."""

    def __init__(self, folder: Path, name: str, classes: ClassTable) -> None:
        super().__init__(folder, name, classes)
        self._tasks: list[tuple[float, dict[str, Any]]] = []

    def add(self, picture: Prelabelled) -> None:
        """See AnnotationWriter."""
        self.write(f"images/{picture.file_name}", picture.content)
        height, width = picture.labels.shape
        results = [
            {
                "id": f"{picture.name}-{class_id}",
                "type": "brushlabels",
                "from_name": "label",
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {"format": "rle", "rle": label_studio_rle(picture.labels == class_id), "brushlabels": [name]},
            }
            for class_id, name in enumerate(self.classes.names)
            if (picture.labels == class_id).any()
        ]
        prediction: dict[str, Any] = {"model_version": "icnet", "result": results}
        if picture.score is not None:
            prediction["score"] = round(picture.score, 4)
        image = f"{LOCAL_FILES}{self.folder.name}/images/{picture.file_name}"
        self._tasks.append((worst_key(picture.score), {"data": {"image": image}, "predictions": [prediction]}))

    def close(self) -> None:
        """See AnnotationWriter."""
        tasks = [task for _, task in sorted(self._tasks, key=lambda one: one[0])]
        self.write("tasks.json", json.dumps(tasks).encode())
        labels = "".join(
            f"    <Label value={quoteattr(name)} background={quoteattr('#' + bytes(colour).hex())}/>\n"
            for name, colour in zip(self.classes.names, self.classes.colours, strict=True)
        )
        config = (
            '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
            f'  <BrushLabels name="label" toName="image">\n{labels}  </BrushLabels>\n</View>\n'
        )
        self.write("label_config.xml", config.encode())
