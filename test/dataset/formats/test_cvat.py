"""CVAT's XML for images and for video, and its exports in the trees of CamVid and KITTI.

Boxes and masks were compared with what datumaro 1.13.12 draws of the same file (`polygons_to_masks`, `boxes_to_masks`,
by z_order): every pixel is the same; of polygons 0.2 % differ, as pycocotools rounds points. Run lengths are those of
cvat-sdk 2.80.0 (`masks.encode_mask`); the exports in other trees were written by datumaro 1.13.12.
"""

import numpy as np
import pytest
from exports import HEIGHT, WIDTH, check, converted, ids, picture, put, rgb, text

from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert

NAMES = {0: "road", 1: "tree", 2: "car"}
LABELS = "".join(
    f"<label><name>{name}</name><color>{colour}</color><type>any</type><attributes></attributes></label>"
    for name, colour in (("car", "#0000ff"), ("road", "#804080"), ("unused", "#010203"), ("tree", "#6b8e23"))
)
SHAPES = """
    <mask label="car" occluded="0" rle="0, 1, 2, 4, 1, 1" left="13" top="9" width="3" height="3" z_order="1">
    </mask>
    <polygon label="road" occluded="0" points="0.00,2.00;16.00,2.00;16.00,12.00;0.00,12.00" z_order="-1">
      <attribute name="wet">false</attribute>
    </polygon>
    <box label="tree" occluded="0" xtl="3.00" ytl="4.00" xbr="7.00" ybr="8.00" z_order="0"></box>
    <box label="car" occluded="0" xtl="9.00" ytl="3.00" xbr="11.00" ybr="9.00" rotation="90.00" z_order="0"></box>
    <polyline label="tree" occluded="0" points="0.00,0.00;9.00,9.00" z_order="0"></polyline>
    <tag label="tree"></tag>"""
TRUTH = np.full((HEIGHT, WIDTH), -1)
TRUTH[2:12] = 0
TRUTH[4:8, 3:7] = 1
TRUTH[5:7, 7:13] = 2  # turned around its centre
TRUTH[9:12, 13:16] = np.array([[2, 0, 0], [2, 2, 2], [2, 0, 2]])  # what is left of the last run is outside


def xml(content, meta=""):
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"  <meta><task><id>1</id>{meta}<labels>{LABELS}</labels></task></meta>\n{content}\n</annotations>\n"
    )


def entry(name, shapes, subset=""):
    return f'  <image id="0" name="{name}" {subset} width="{WIDTH}" height="{HEIGHT}">{shapes}\n  </image>\n'


def test_images_with_all_shapes_by_z_order(tmp_path):
    for name in ("a.png", "deep/b.jpg", "empty.png"):
        picture(tmp_path / "images" / name)
    images = entry("a.png", SHAPES, 'subset="Train"') + entry("deep/b.jpg", SHAPES, 'subset="Validation"')
    text(tmp_path / "annotations.xml", xml(images + entry("empty.png", "") + entry("gone.png", SHAPES)))
    counts, done = check(tmp_path, {"a": TRUTH, "b": TRUTH}, NAMES, "cvat")
    assert counts == {"train": 1, "val": 1}
    assert done.notes[1:] == [
        "annotations.xml: 1 of its images are not there, e.g. gone.png",
        "annotations.xml: 1 images without a shape are left out, e.g. empty.png",
        "annotations.xml: 6 lines, points and others without an area are left out",
        "labels without a region are left out: unused",
    ]
    found, _, _ = converted(tmp_path, background="soil", overwrite=True)
    assert (found["empty"] == "soil").all()


def test_ellipses(tmp_path):
    shape = '<ellipse label="car" cx="8.00" cy="6.00" rx="6.00" ry="3.00" rotation="90.00" z_order="0"></ellipse>'
    for name in ("a.png", "b.png"):
        picture(tmp_path / "images" / name)
    text(tmp_path / "annotations.xml", xml(entry("a.png", shape) + entry("b.png", SHAPES)))
    found, _, _ = converted(tmp_path)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    inside = ((columns - 8) / 3) ** 2 + ((rows - 6) / 6) ** 2 <= 1
    assert np.array_equal(found["a"] == "car", inside)


def test_tracks_of_a_video(tmp_path):
    """Shapes are listed for each frame; those outside are there no more, what is not a keyframe counts as well."""
    points = "0.00,2.00;16.00,2.00;16.00,12.00;0.00,12.00"
    tracks = '  <track id="0" label="road" source="manual">\n'
    for frame, outside in ((0, 0), (1, 0), (2, 1)):
        keyframe = int(frame != 1)
        tracks += (
            f'    <polygon frame="{frame}" keyframe="{keyframe}" outside="{outside}" points="{points}" z_order="0"/>\n'
        )
    tracks += '  </track>\n  <track id="1" label="tree" source="manual">\n'
    for frame in (1, 2):
        box = 'xtl="3.00" ytl="4.00" xbr="7.00" ybr="8.00"'
        tracks += f'    <box frame="{frame}" keyframe="1" outside="0" occluded="0" {box} z_order="0"/>\n'
    size = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    text(tmp_path / "annotations.xml", xml(tracks + "  </track>\n", size))
    with pytest.raises(DatasetError, match="no picture frame_000000: export the task with images"):
        convert(tmp_path)
    for frame in range(4):
        picture(tmp_path / "images" / f"frame_{frame:06d}.PNG")
    road, tree = np.full((2, HEIGHT, WIDTH), -1)
    road[2:12] = 0
    tree[4:8, 3:7] = 1
    truth = [road, np.where(tree < 0, road, tree), tree]
    check(tmp_path, {f"frame_{k:06d}": one for k, one in enumerate(truth)}, NAMES, "cvat")


def test_frames_of_several_tasks_are_refused(tmp_path):
    box = '<box frame="0" keyframe="1" outside="0" xtl="1" ytl="1" xbr="5" ybr="5" z_order="0"/>'
    tracks = "".join(f'<track id="{k}" label="road" task_id="{k}">{box}</track>' for k in (1, 2))
    text(tmp_path / "annotations.xml", xml(tracks))
    picture(tmp_path / "images" / "frame_000000.PNG")
    with pytest.raises(DatasetError, match="frames of 2 tasks have the same numbers: export each task"):
        convert(tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    picture(tmp_path / "images" / "a.png")
    text(tmp_path / "annotations.xml", xml(entry("a.png", SHAPES))[:-40])
    with pytest.raises(DatasetError, match=r"annotations\.xml: not CVAT's XML \(ParseError"):
        convert(tmp_path)
    wrong = '<mask label="car" rle="1, 99" left="0" top="0" width="3" height="3" z_order="0"></mask>'
    text(tmp_path / "annotations.xml", xml(entry("a.png", wrong)))
    with pytest.raises(DatasetError, match=r"a\.png: region car: not a shape of CVAT .*100 pixels in runs for 3x3"):
        convert(tmp_path)


@pytest.mark.parametrize("tree", ["camvid", "kitti", "training", "original"])
def test_exports_in_other_trees_are_read_by_their_colours(tmp_path, tree):
    """The ids of KITTI's tree are those of the task: 2 was read as what Cityscapes does not evaluate."""
    colours = {-1: (0, 0, 0), 0: (128, 64, 128), 1: (107, 142, 35), 2: (0, 0, 142)}
    lines = [" ".join(map(str, colours[k])) + f" {name}" for k, name in NAMES.items()]
    text(tmp_path / "label_colors.txt", "\n".join([*lines, "0 0 0 background", ""] if tree != "camvid" else lines))
    truth = {}
    for split, name in (("train", "a"), ("val", "b")):
        places = {
            "camvid": (split, f"{split}annot"),
            "kitti": (f"{split}/image_2", f"{split}/semantic_rgb"),
            "training": (f"{split}ing/image_2" if split == "train" else "val/image_2", ""),
            "original": ("701_StillsRaw_full", "LabeledApproved_full"),
        }[tree]
        images, labels = places[0], places[1] or places[0].replace("image_2", "semantic_rgb")
        values = ids([0, 1, 2]).astype(int)
        values[0, :5] = -1
        truth[name] = values
        picture(tmp_path / images / f"{name}.png")
        shown = rgb(np.where(values < 0, 9, values), {k: v for k, v in colours.items() if k >= 0})
        put(tmp_path / labels / f"{name}{'_L' * (tree == 'original')}.png", shown[..., ::-1])
        if tree == "training":
            put(tmp_path / images.replace("image_2", "semantic") / f"{name}.png", (values + 1).astype(np.uint8))
    check(tmp_path, truth, NAMES, "class-dict")
