"""Small exports with known labels, and what `icnet dataset convert` makes of them."""

import io
import json

import cv2
import numpy as np
from PIL import Image

from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.table import open_dataset

HEIGHT, WIDTH = 12, 16
RNG = np.random.default_rng(5)


def picture(path, height=HEIGHT, width=WIDTH):
    """An image file; its content does not matter."""
    return put(path, RNG.integers(0, 256, (height, width, 3), np.uint8))


def put(path, pixels):
    """A picture file of BGR or grey pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def ids(values, height=HEIGHT, width=WIDTH):
    """Random label map of these values, each of which occurs."""
    found = RNG.choice(np.array(values), (height, width))
    found.reshape(-1)[: len(values)] = values
    return found.astype(np.uint8)


def rgb(values, colours):
    """RGB pixels of a label map."""
    table = np.zeros((256, 3), np.uint8)
    for value, colour in colours.items():
        table[value] = colour
    return table[values]


def named(values, names):
    """Names of the classes of a label map, by value; "" where `names` has none."""
    return np.array([[names.get(int(value), "") for value in row] for row in values])


def converted(folder, **options):
    """Labels of all images by stem, as names of classes, "" where unlabelled; and the number in each split."""
    done = convert(folder, **options)
    found, counts = {}, {}
    for split in ("train", "val"):
        try:
            data = open_dataset(str(done.file), None, split)
        except ValueError as err:
            if "no split" in str(err):
                continue
            raise
        counts[split] = len(data)
        for index, pair in enumerate(data.pairs):
            image, labels = data[index]
            assert image.shape[:2] == labels.shape
            found[pair.image.stem] = named(labels, dict(enumerate(data.classes.names)))
    return found, counts, done


def png(mask):
    """A PNG file of a mask, as bytes."""
    content = io.BytesIO()
    Image.fromarray(mask).save(content, "PNG")
    return content.getvalue()


def check(folder, truth, names, format_, **options):
    """Convert, and compare all images that `truth` has by stem."""
    found, counts, done = converted(folder, **options)
    assert done.format.name == format_
    assert set(found) == set(truth)
    for stem, values in truth.items():
        assert np.array_equal(found[stem], named(values, names)), stem
    return counts, done
