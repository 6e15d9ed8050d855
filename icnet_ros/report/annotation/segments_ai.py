"""Segments.ai: bitmaps whose 24 bits are ids of objects, and a JSON file in the form of its releases."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.report.annotation.base import AnnotationWriter, Prelabelled, worst_key
from icnet_ros.wire.image import png_file

LABELSET = "ground-truth"


class SegmentsWriter(AnnotationWriter):
    """NAME.jpg, NAME_label_ground-truth.png (id 0: no object, 1: the first class) and release.json."""

    def __init__(self, folder: Path, name: str, classes: ClassTable) -> None:
        super().__init__(folder, name, classes)
        self._samples: list[tuple[float, dict[str, Any]]] = []

    def add(self, picture: Prelabelled) -> None:
        """See AnnotationWriter."""
        self.write(picture.file_name, picture.content)
        known = picture.labels < len(self.classes)
        low = np.where(known, picture.labels + 1, 0).astype(np.uint8)  # red holds the lowest bits
        bgra = np.dstack([np.zeros_like(low), np.zeros_like(low), low, np.full_like(low, 255)])
        self.write(f"{picture.name}_label_{LABELSET}.png", png_file(bgra).tobytes())
        objects = [{"id": int(k) + 1, "category_id": int(k) + 1} for k in np.unique(picture.labels[known])]
        label = {"label_status": "PRELABELED", "attributes": {"format_version": "0.1", "annotations": objects}}
        sample = {"name": picture.file_name, "labels": {LABELSET: label}}
        self._samples.append((worst_key(picture.score), sample))

    def close(self) -> None:
        """See AnnotationWriter."""
        pairs = zip(self.classes.names, self.classes.colours, strict=True)
        categories = [{"id": k, "name": name, "color": list(colour)} for k, (name, colour) in enumerate(pairs, 1)]
        samples = [sample for _, sample in sorted(self._samples, key=lambda one: one[0])]
        dataset = {
            "name": self.name,
            "task_type": "segmentation-bitmap",
            "task_attributes": {"format_version": "0.1", "categories": categories},
            "samples": samples,
        }
        self.write("release.json", json.dumps({"name": "predictions", "dataset": dataset}, indent=1).encode())
