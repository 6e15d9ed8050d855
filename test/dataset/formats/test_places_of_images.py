"""Where images lie and how they are called: links, other folders, names with spaces, annotated twice or not at all."""

import numpy as np
import pytest
from exports import HEIGHT, WIDTH, converted, picture, text


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
