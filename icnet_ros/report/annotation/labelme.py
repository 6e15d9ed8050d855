"""labelme: a JSON file with polygons beside each image."""

import json
from typing import Any

from icnet_ros.report.annotation.base import AnnotationWriter, Prelabelled
from icnet_ros.report.annotation.regions import outlines


class LabelmeWriter(AnnotationWriter):
    """NAME.jpg and NAME.json. Regions of few pixels and unlabelled holes are left out."""

    def add(self, picture: Prelabelled) -> None:
        """See AnnotationWriter."""
        self.write(picture.file_name, picture.content)
        height, width = picture.labels.shape
        shapes: list[dict[str, Any]] = [
            {
                "label": self.classes.names[one.class_id],
                "points": [list(point) for point in one.points],
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
            }
            for one in outlines(picture.labels, len(self.classes), between=False)
        ]
        content = {
            "version": "5.0.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": picture.file_name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        self.write(f"{picture.name}.json", json.dumps(content, indent=1).encode())
