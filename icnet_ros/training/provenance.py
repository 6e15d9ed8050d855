"""What a training was made from: for the header of its checkpoint, and to resume only from a state of the same."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from icnet_ros.dataset.base import Dataset

# What a state was made from, as the user knows it.
LABELS = "set of labels"
OPTIONS = {"init": "--init", "backbone": "--backbone", "pruned": "network before pruning"}


def data_origin(data: Dataset) -> dict[str, Any]:
    """The dataset, for the header of the checkpoint: its name, number of images, and images by named source."""
    images = data.subsample(0)
    sources = {name: len(images.select_sources([name])) for name in images.sources if name}
    return {"name": data.name, "images": len(images), **({"sources": sources} if sources else {})}


def made_from(data: Dataset, counts: npt.NDArray[np.int64], origin: Mapping[str, Any]) -> dict[str, str]:
    """What a state belongs to: classes, names and labels of the images, and hashes of initial weights and teacher.

    counts: pixels by image and class; other labels or another mapping have others.
    """
    found = {
        "class table": ", ".join(data.classes.names),
        "dataset": sha256(image_names(data)).hexdigest(),
        LABELS: sha256(counts.tobytes()).hexdigest(),
    }
    for name, one in origin.items():
        if isinstance(one, Mapping) and "sha256" in one:
            found[OPTIONS.get(name, name)] = str(one["sha256"])
    return found


def image_names(data: Dataset) -> bytes:
    """Names of the images, their labels and a teacher's predictions, one image a line."""
    files = ((pair.image, pair.label, *([pair.teacher] if pair.teacher else [])) for pair in data.pairs)
    return "\n".join(" ".join(file.name for file in pair) for pair in files).encode()
