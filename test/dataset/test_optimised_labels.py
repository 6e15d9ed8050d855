"""Label files that other programs stored anew: palettes in an order of their own, pages, suffixes in capitals."""

import numpy as np
import pytest
import yaml
from PIL import Image

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.table import open_dataset

CLASSES = {"classes": [{"name": name, "colour": [k, 90, 9 * k]} for k, name in enumerate(("way", "tree", "sky"))]}
IDS = np.array([[0, 0, 1, 1], [2, 2, 0, 1]], np.uint8)


def dataset(folder, files, **source):
    """A dataset whose label files are these pictures by name."""
    for place in ("images", "labels"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for name, picture in files.items():
        Image.new("RGB", (4, 2)).save(folder / "images" / f"{name.split('.')[0]}.png")
        picture.save(folder / "labels" / name)
    entry = {"images": "images", "labels": "labels", **source}
    (folder / "d.yaml").write_text(yaml.safe_dump({"classes": CLASSES, "splits": {"train": [entry]}}))
    return open_dataset(str(folder / "d.yaml"), None, "train")


def optimised(ids, levels):
    """A grey picture as oxipng 9.1 stores it without loss: a palette of its levels, the last ones first."""
    index = np.zeros(256, np.uint8)
    index[levels] = range(len(levels))
    picture = Image.fromarray(index[ids], "P")
    picture.putpalette([value for level in levels for value in (level,) * 3])
    return picture


def test_a_palette_of_grey_levels_in_another_order_is_refused(tmp_path):
    """Indices 0, 1, 2 are ids, too: they would swap way and sky without a word."""
    data = dataset(tmp_path, {"a.png": optimised(IDS, [2, 1, 0])})
    with pytest.raises(DatasetError, match=r"a\.png: its palette is grey, .*: index 0 is grey 2\. .*grey` if"):
        data.labels(0)
    with pytest.raises(DatasetError, match=r"encoding: grey"):
        dataset(tmp_path, {"a.png": optimised(IDS, [2, 1, 0])}, encoding="ids").labels(0)
    assert np.array_equal(dataset(tmp_path, {"a.png": optimised(IDS, [2, 1, 0])}, encoding="grey").labels(0), IDS)
    greys = {"way": [2] * 3, "tree": [1] * 3, "sky": [0] * 3}
    assert np.array_equal(dataset(tmp_path, {"a.png": optimised(IDS, [2, 1, 0])}, labelmap=greys).labels(0), 2 - IDS)


@pytest.mark.parametrize("kind", ["palette", "RGB", "16 bits", "grey"])
def test_grey_however_it_is_stored(tmp_path, kind):
    """What converters write for ids as RGB, of which an optimiser makes grey or a palette."""
    pictures = {"RGB": np.dstack([IDS] * 3), "16 bits": IDS.astype(np.uint16), "grey": IDS}
    picture = optimised(IDS, [1, 0, 2]) if kind == "palette" else Image.fromarray(pictures[kind])
    assert np.array_equal(dataset(tmp_path, {"a.png": picture}, encoding="grey").labels(0), IDS)
    coloured = Image.fromarray(IDS, "P")
    coloured.putpalette([0, 0, 0, 1, 0, 0, 2, 2, 2])
    with pytest.raises(DatasetError, match="its channels differ"):
        dataset(tmp_path, {"a.png": coloured}, encoding="grey").labels(0)


def test_grey_palettes_that_can_mean_one_thing_are_read(tmp_path):
    data = dataset(tmp_path, {"a.png": optimised(IDS, [0, 1, 2]), "b.png": optimised(IDS, [0, 1, 2])})
    assert np.array_equal(data.labels(0), IDS)
    shown = Image.fromarray(IDS, "P")
    shown.putpalette([0, 0, 0, 120, 120, 120, 240, 240, 240])  # for the eye: 120 is no id
    assert np.array_equal(dataset(tmp_path / "shown", {"a.png": shown}).labels(0), IDS)


def test_red_of_a_palette(tmp_path):
    """CARLA's ids in the red channel, stored without loss as a palette."""
    picture = Image.fromarray(2 - IDS, "P")
    picture.putpalette([2, 7, 9, 1, 7, 9, 0, 7, 9])
    assert np.array_equal(dataset(tmp_path, {"a.png": picture}, encoding="red").labels(0), IDS)


def test_an_index_that_has_two_colours_is_no_id(tmp_path):
    first, second = Image.fromarray(IDS, "P"), Image.fromarray(2 - IDS, "P")
    first.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    second.putpalette([0, 0, 200, 0, 200, 0, 200, 0, 0])
    data = dataset(tmp_path, {"a.png": first, "b.png": second})
    assert np.array_equal(data.labels(0), IDS)
    with pytest.raises(DatasetError, match=r"b\.png: index 0 of its palette is 0,0,200, in .*a\.png 200,0,0"):
        data.labels(1)
    data = dataset(tmp_path, {"a.png": first, "b.png": second}, encoding="ids")
    assert np.array_equal(data.labels(1), 2 - IDS)


def test_pages_are_refused_and_overviews_are_not(tmp_path):
    pages = [Image.fromarray(np.equal(IDS, k).astype(np.uint8)) for k in range(3)]
    data = dataset(tmp_path, {"a.tif": Image.fromarray(IDS)})
    pages[0].save(tmp_path / "labels" / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DatasetError, match=r"a\.tif: .*it holds 3 pictures, of which one would be used"):
        data.labels(0)
    overview = Image.fromarray(IDS[::2, ::2])
    overview.encoderinfo = {"tiffinfo": {254: 1}}
    Image.fromarray(IDS).save(tmp_path / "labels" / "a.tif", save_all=True, append_images=[overview])
    assert np.array_equal(data.labels(0), IDS)


def test_suffixes_in_capitals(tmp_path):
    assert np.array_equal(dataset(tmp_path, {"A.PNG": Image.fromarray(IDS)}).labels(0), IDS)
    (tmp_path / "classes.yaml").write_text(yaml.safe_dump({"name": "three", **CLASSES}))
    (tmp_path / "d.yaml").unlink()
    done = convert(tmp_path, classes=str(tmp_path / "classes.yaml"))
    assert np.array_equal(open_dataset(str(done.file), None, "train").labels(0), IDS)


@pytest.mark.parametrize(
    ("there", "advice"),
    [
        (["a_way.png", "a_tree.png"], "a_tree.png and a_way.png are there: a pixel has one class"),
        (["way/a.png"], r"way/a\.png is there: a folder for each class is not read"),
        (["a_mask.png", "a2.png"], "for a_mask.png, add `label_suffix: _mask`"),
        (["a/0.png"], "more of 1; `missing_labels: skip`"),
        (["a.npy"], r"a\.npy is there: label files are \.png, "),
        (["b.png"], "more of 1; `missing_labels: skip`"),
    ],
)
def test_what_lies_there_instead_of_a_label_file_is_said(tmp_path, there, advice):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (4, 2)).save(tmp_path / "images" / "a.png")
    for name in there:
        path = tmp_path / "labels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(DatasetError, match=advice):
        dataset(tmp_path, {})
