"""Where images lie and how they are called: links, other folders, names with spaces, annotated twice or not at all."""

import json

import numpy as np
import pytest
from exports import HEIGHT, WIDTH, converted, picture, text

from icnet_ros.dataset.base import DatasetError, read_label_file
from icnet_ros.dataset.convert import convert
from icnet_ros.dataset.table import open_dataset


def coco(path, names, squares=(("road", 0), ("tree", 8)), **more):
    """COCO JSON of images by name, each with squares of 4 pixels: (category, left)."""
    categories = {name: number for number, name in enumerate(sorted({name for name, _ in squares}), 1)}
    annotations = [
        {"image_id": image, "category_id": categories[name], "segmentation": [[x, 0, x + 4, 0, x + 4, 4, x, 4]]}
        for image in range(len(names))
        for name, x in squares
    ]
    images = [{"id": k, "file_name": name, "height": HEIGHT, "width": WIDTH} for k, name in enumerate(names)]
    entries = [{"id": number, "name": name, **more} for name, number in categories.items()]
    return text(path, {"images": images, "annotations": annotations, "categories": entries})


def labelme(path, image):
    shapes = [
        {"label": name, "points": [[x, 0], [x + 3, 3]], "shape_type": "rectangle"}
        for name, x in (("road", 0), ("tree", 8))
    ]
    return text(path, {"shapes": shapes, "imagePath": image, "imageHeight": HEIGHT, "imageWidth": WIDTH})


SQUARES = np.full((HEIGHT, WIDTH), "", object)
SQUARES[:4, :4], SQUARES[:4, 8:12] = "road", "tree"


def check_squares(folder, *stems):
    found, _, done = converted(folder)
    assert set(found) == set(stems)
    assert all(np.array_equal(found[stem], SQUARES) for stem in stems)
    return done


@pytest.mark.parametrize("below", ["", "more/"])
def test_a_folder_of_images_may_be_a_link(tmp_path, below):
    for name in "ab":
        picture(tmp_path / "disk" / below / f"{name}.jpg")
    picture(tmp_path / "yard" / "c.jpg")
    (tmp_path / "yard" / "images").symlink_to(tmp_path / "disk")
    (tmp_path / "yard" / "images" / "back").symlink_to(tmp_path)  # is not followed: it leads to where it comes from
    coco(tmp_path / "yard" / "annotations" / "instances_default.json", [f"{below}a.jpg", f"{below}b.jpg", "c.jpg"])
    check_squares(tmp_path / "yard", "a", "b", "c")


def test_images_may_be_links(tmp_path):
    (tmp_path / "yard" / "sub").mkdir(parents=True)
    for name in "ab":
        (tmp_path / "yard" / "sub" / f"{name}.jpg").symlink_to(picture(tmp_path / f"{name}.jpg"))
    coco(tmp_path / "yard" / "sub" / "train.json", ["a.jpg", "b.jpg"])
    check_squares(tmp_path / "yard", "a", "b")


def test_images_may_lie_beside_the_folder_of_the_annotations(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    picture(tmp_path / "json" / "b.jpg")
    labelme(tmp_path / "json" / "a.json", "../images/a.jpg")
    labelme(tmp_path / "json" / "b.json", "b.jpg")
    check_squares(tmp_path / "json", "a", "b")


def test_names_with_spaces_and_points(tmp_path):
    names = ["2024.05.01 12.30", "frame.1 (2)"]
    for name in names:
        picture(tmp_path / f"{name}.jpg")
        labelme(tmp_path / f"{name}.json", f"{name}.jpg")
    check_squares(tmp_path, *names)


def test_cocos_keypoints_do_not_replace_the_instances(tmp_path):
    """The layout of the official download: the persons of instances_*.json once more, with their joints."""
    for split, names in (("train2017", ["a.jpg", "b.jpg"]), ("val2017", ["c.jpg"])):
        for name in names:
            picture(tmp_path / split / name)
        coco(tmp_path / "annotations" / f"instances_{split}.json", names)
        coco(tmp_path / "annotations" / f"person_keypoints_{split}.json", names, [("road", 0)], keypoints=["nose"])
    done = check_squares(tmp_path, "a", "b", "c")
    assert "person_keypoints_val2017.json: keypoints, left out" in done.notes


def test_images_of_one_name_belong_to_the_split_of_their_folder(tmp_path):
    for split, square in (("train2017", "road"), ("val2017", "tree")):
        picture(tmp_path / "images" / split / "a.jpg")
        coco(tmp_path / "annotations" / f"instances_{split}.json", ["a.jpg"], [("road", 0), ("tree", 8), (square, 12)])
    converted(tmp_path)
    labels = {
        split: read_label_file(tmp_path / f"icnet_labels/{split}/images/{split}2017/a.png").values
        for split in ("train", "val")
    }
    assert (labels["train"][0, 12], labels["val"][0, 12]) == (0, 1)


@pytest.mark.parametrize("tool", ["coco", "labelme"])
def test_an_image_that_is_annotated_twice_is_an_error(tmp_path, tool):
    picture(tmp_path / "a.jpg")
    for name in ("new.json", "old.json"):
        coco(tmp_path / name, ["a.jpg"]) if tool == "coco" else labelme(tmp_path / name, "a.jpg")
    with pytest.raises(DatasetError, match=r"a.jpg: annotated twice, in .*new.json and .*old.json"):
        converted(tmp_path)


def test_images_without_annotations_are_counted_or_background(tmp_path):
    for name in "abc":
        picture(tmp_path / f"{name}.jpg")
    content = json.loads(coco(tmp_path / "train.json", ["a.jpg", "b.jpg", "c.jpg"]).read_text())
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] != 1]
    text(tmp_path / "train.json", content)
    done = check_squares(tmp_path, "a", "c")
    assert "train.json: 1 images without annotations are left out, e.g. b.jpg" in done.notes
    found, _, _ = converted(tmp_path, background="soil", overwrite=True)
    assert (found["b"] == "soil").all()


@pytest.mark.parametrize(
    ("there", "advice"),
    [
        ("yard.zip", r"yard\.zip is an archive: unpack it"),
        ("shard-000000.tar", r"shard-000000\.tar is an archive: unpack it"),
        ("x.tfrecord-00000-of-00001", "00000-of-00001 is an archive: unpack it"),
        ("yard/meta.json", "yard is Supervisely project: take that folder"),
        ("notes.pdf", "Is it the top folder of the export"),
    ],
)
def test_what_a_folder_that_is_not_recognised_has_instead(tmp_path, there, advice):
    text(tmp_path / there, "{}")
    if there.endswith("meta.json"):
        text(tmp_path / "yard" / "ds" / "ann" / "a.json", "{}")
    with pytest.raises(DatasetError, match=advice):
        convert(tmp_path)
    (tmp_path / "packed.zip").touch()
    with pytest.raises(DatasetError, match="an archive: unpack it"):
        convert(tmp_path / "packed.zip")
    with pytest.raises(DatasetError, match="an archive must be unpacked"):
        open_dataset(str(tmp_path / "packed.zip"), None, "train")
