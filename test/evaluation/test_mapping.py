"""A checkpoint of one class table scored against annotations of another."""

import numpy as np
import pytest
import yaml

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.dataset.base import DatasetError
from icnet_ros.evaluation.mapping import align_classes, load_mapping
from icnet_ros.metrics.confusion import ConfusionMatrix

CITY, CAMVID = load_classes("cityscapes"), load_classes("camvid")
RNG = np.random.default_rng(0)


def test_every_class_of_cityscapes_goes_where_the_readme_of_the_data_says():
    mapping = load_mapping("cityscapes_to_camvid")
    expected = [3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10]
    assert mapping.table[:19].tolist() == expected
    assert (mapping.table[19:] == 255).all()


@pytest.mark.parametrize("annotated", [CITY, CAMVID])
def test_folded_scores_are_those_of_folded_label_maps(annotated):
    fold = align_classes(CITY, annotated, load_mapping("cityscapes_to_camvid"), "x")
    truth = RNG.integers(0, len(annotated), (40, 50)).astype(np.uint8)
    truth[:3] = 255
    labels = RNG.integers(0, 19, (40, 50)).astype(np.uint8)
    names = yaml.safe_load(open_mapping())["classes"]
    ours = [CAMVID.names.index(names[CITY.names[k]]) for k in labels.flat]
    theirs = [
        CAMVID.names.index(names.get(annotated.names[k], annotated.names[k])) if k < 255 else 255 for k in truth.flat
    ]
    counts = np.zeros((11, 11), int)
    for t, p in zip(theirs, ours, strict=True):
        if t < 255:
            counts[t, p] += 1
    matrix = ConfusionMatrix(len(fold.classes))
    matrix.update(fold.of_ground_truth(truth), fold.of_labels(labels))
    assert fold.classes == CAMVID
    assert np.array_equal(matrix.counts, counts)


def open_mapping():
    from icnet_ros.share import share

    return share("config", "mappings", "cityscapes_to_camvid.yaml").read_text()


def test_without_a_mapping_the_classes_must_be_the_same():
    assert align_classes(CITY, CITY, None, "x").classes == CITY
    with pytest.raises(DatasetError, match="Where a command has --mapping, it brings them together"):
        align_classes(CITY, CAMVID, None, "x")
    with pytest.raises(DatasetError, match="goes from cityscapes to camvid, the checkpoint has cocostuff"):
        align_classes(load_classes("cocostuff"), CAMVID, load_mapping("cityscapes_to_camvid"), "x")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("from: cityscapes", "not a mapping"),
        ("{from: cityscapes, to: mars, classes: {}}", "no class table 'mars'"),
        ("{from: cityscapes, to: camvid, classes: {road: raod}}", "'raod' is none of the classes of camvid"),
        ("{from: cityscapes, to: camvid, classes: {raod: road}}", "'raod' is none of the classes of cityscapes"),
        ("{from: cityscapes, to: camvid, classes: {road: road}}", "class 'sidewalk' of cityscapes is missing"),
        ("[", "while parsing"),
    ],
)
def test_a_mapping_that_cannot_be_used(tmp_path, text, problem):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(DatasetError, match=problem):
        load_mapping(str(tmp_path / "m.yaml"))
    with pytest.raises(DatasetError, match="there are cityscapes_to_camvid"):
        load_mapping("mars")
