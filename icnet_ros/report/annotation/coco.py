"""COCO with polygons, for tools such as Roboflow and CVAT ("COCO 1.0")."""

import json
from pathlib import Path
from typing import Any

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.report.annotation.base import AnnotationWriter, Prelabelled, worst_key
from icnet_ros.report.annotation.regions import outlines


class CocoWriter(AnnotationWriter):
    """images/default: the images. annotations/instances_default.json: large regions first, smaller ones on top.

    Regions of few pixels and unlabelled holes are left out.
    """

    def __init__(self, folder: Path, name: str, classes: ClassTable) -> None:
        super().__init__(folder, name, classes)
        self._entries: list[tuple[float, dict[str, Any], list[dict[str, Any]]]] = []

    def add(self, picture: Prelabelled) -> None:
        """See AnnotationWriter."""
        self.write(f"images/default/{picture.file_name}", picture.content)
        height, width = picture.labels.shape
        image = {"file_name": picture.file_name, "height": height, "width": width}
        regions = []
        for one in outlines(picture.labels, len(self.classes), between=True):
            x, y = zip(*one.points, strict=True)
            regions.append(
                {
                    "category_id": one.class_id + 1,
                    "segmentation": [[value for point in one.points for value in point]],
                    "area": one.area,
                    "bbox": [min(x), min(y), max(x) - min(x), max(y) - min(y)],
                    "iscrowd": 0,
                }
            )
        self._entries.append((worst_key(picture.score), image, regions))

    def close(self) -> None:
        """See AnnotationWriter."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, (_, image, regions) in enumerate(sorted(self._entries, key=lambda one: one[0]), 1):
            images.append({"id": number, **image})
            for region in regions:
                annotations.append({"id": len(annotations) + 1, "image_id": number, **region})
        categories = [{"id": k, "name": name, "supercategory": ""} for k, name in enumerate(self.classes.names, 1)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        self.write("annotations/instances_default.json", json.dumps(content).encode())
