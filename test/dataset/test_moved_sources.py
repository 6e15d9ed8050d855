"""Sources that `icnet dataset convert` wrote, with other classes or in another dataset.yaml: ids keep their meaning."""

import numpy as np
import pytest
import yaml
from exports import HEIGHT, WIDTH, ids, named, picture, put, text

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.table import open_dataset


def yolo(folder, names):
    """An image whose left half is the first class, and its right half the second."""
    for stem in ("a", "b"):
        picture(folder / "images" / f"{stem}.png")
        lines = ["0 0 0 0.499 0 0.499 1 0 1", "1 0.5 0 1 0 1 1 0.5 1"]
        text(folder / "labels" / f"{stem}.txt", "\n".join(lines))
    text(folder / "data.yaml", yaml.safe_dump({"train": "images", "val": "images", "names": names}))
    return yaml.safe_load(convert(folder).file.read_text())


def written(path, classes, sources):
    table = [{"name": name, "colour": [k, 9, 9]} for k, name in enumerate(classes)]
    text(path, yaml.safe_dump({"classes": {"classes": table}, "splits": {"train": sources}}))
    return open_dataset(str(path), None, "train")


def halves(left, right):
    values = np.full((HEIGHT, WIDTH), left, dtype=object)
    values[:, WIDTH // 2 :] = right
    return values


def test_two_exports_in_one_dataset(tmp_path):
    """Both have ids 0 and 1, of other classes."""
    first, second = yolo(tmp_path / "one", ["road", "tree"]), yolo(tmp_path / "two", ["bush", "road"])
    sources = []
    for folder, content in (("one", first), ("two", second)):
        (source,) = content["splits"]["train"]
        del source["made_from"]
        sources.append({**source, **{key: f"{folder}/{source[key]}" for key in ("images", "labels", "list")}})
    with pytest.raises(DatasetError, match="class '0' of the label files is 'bush', which is none of tree, road"):
        written(tmp_path / "both.yaml", ["tree", "road"], sources)
    sources[1]["mapping"][0] = "tree"
    data = written(tmp_path / "both.yaml", ["tree", "road"], sources)
    names = {0: "tree", 1: "road"}
    assert (named(data.labels(0), names) == halves("road", "tree")).all()
    assert (named(data.labels(2), names) == halves("tree", "road")).all()


def test_a_class_that_is_left_out_does_not_move_the_others(tmp_path):
    content = yolo(tmp_path, ["road", "tree", "sky"])
    content["classes"]["classes"].pop(0)
    text(tmp_path / "dataset.yaml", yaml.safe_dump(content))
    with pytest.raises(DatasetError, match=r"is 'road', which is none of tree, sky; say in mapping what it becomes"):
        open_dataset(str(tmp_path), None, "train")
    content["splits"]["train"][0]["mapping"][0] = "ignore"
    text(tmp_path / "dataset.yaml", yaml.safe_dump(content))
    found = named(open_dataset(str(tmp_path), None, "train").labels(0), {0: "tree", 1: "sky"})
    assert (found == halves("", "tree")).all()


@pytest.mark.parametrize("kind", ["ids", "colours", "zero"])
def test_masks_as_they_are_say_their_classes(tmp_path, kind):
    values = ids([0, 1, 2])
    if kind == "zero":
        lines = ["Idx\tRatio\tTrain\tVal\tStuff\tName", *(f"{k}\t0\t0\t0\t0\tclass {k}" for k in (1, 2))]
        text(tmp_path / "objectInfo150.txt", "\n".join(lines))
        places = ("images/training", "annotations/training")
    else:
        table = [{"name": f"class {k}", "colour": [9 * k, 9, 9]} for k in range(3)]
        text(tmp_path / "classes.yaml", yaml.safe_dump({"name": "three", "classes": table}))
        places = ("images", "labels")
    shown = np.dstack([np.full_like(values, 9), np.full_like(values, 9), 9 * values]) if kind == "colours" else values
    for stem in ("a", "b"):
        picture(tmp_path / places[0] / f"{stem}.png")
        put(tmp_path / places[1] / f"{stem}.png", shown)
    done = convert(tmp_path, classes="" if kind == "zero" else str(tmp_path / "classes.yaml"))
    source = yaml.safe_load(done.file.read_text())["splits"]["train"][0]
    data = written(tmp_path / "other.yaml", ["class 2", "class 1", "class 0"], [source])
    wanted = {0: "" if kind == "zero" else "class 0", 1: "class 1", 2: "class 2"}
    found = named(data.labels(0), {0: "class 2", 1: "class 1", 2: "class 0"})
    assert (found == named(values, wanted)).all()
