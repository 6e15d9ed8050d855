"""Layouts of public data sets beside Cityscapes: every pixel is what the data set means."""

import cv2
import numpy as np
import pytest
from exports import HEIGHT, WIDTH, check, ids, picture, put, rgb, text

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.convert import convert

CITY = load_classes("cityscapes").names


# Street data sets


@pytest.mark.parametrize(("config", "place"), [("config.json", "labels"), ("config_v2.0.json", "v2.0/labels")])
def test_vistas(tmp_path, config, place):
    """Ids of a palette, whose colours several classes share."""
    labels = [
        {"name": "object--bird", "readable": "Bird", "color": [165, 42, 42], "evaluate": True},
        {"name": "flat--road", "readable": "Road", "color": [128, 64, 128], "evaluate": True},
        {"name": "flat--service", "readable": "Service Lane", "color": [128, 64, 128], "evaluate": True},
        {"name": "void--unlabeled", "readable": "Unlabeled", "color": [0, 0, 0], "evaluate": False},
    ]
    text(tmp_path / config, {"labels": labels, "version": "2.0"})
    from PIL import Image

    truth = {}
    for folder in ("training", "validation"):
        truth[folder] = ids([0, 1, 2, 3])
        picture(tmp_path / folder / "images" / f"{folder}.jpg")
        stored = Image.fromarray(truth[folder], "P")
        stored.putpalette([value for label in labels for value in label["color"]])
        (tmp_path / folder / place).mkdir(parents=True)
        stored.save(tmp_path / folder / place / f"{folder}.png")
    counts, _ = check(tmp_path, truth, {0: "Bird", 1: "Road", 2: "Service Lane"}, "vistas")
    assert counts == {"train": 1, "val": 1}


@pytest.mark.parametrize("new", [True, False])
def test_bdd100k(tmp_path, new):
    truth = {}
    images, labels, end = (
        ("images/10k", "labels/sem_seg/masks", "") if new else ("seg/images", "seg/labels", "_train_id")
    )
    for split in ("train", "val"):
        truth[split] = ids([*range(19), 255])
        picture(tmp_path / images / split / f"{split}.jpg")
        put(tmp_path / labels / split / f"{split}{end}.png", truth[split])
    check(tmp_path, truth, dict(enumerate(CITY)), "bdd100k")


@pytest.mark.parametrize("new", [True, False])
def test_drivable_areas_of_bdd100k(tmp_path, new):
    """Ids as bdd100k 1.0.1 writes them; those of the maps of 2018 begin with the background."""
    truth, names = {}, ("direct", "alternative", "background") if new else ("background", "direct", "alternative")
    folder, end = ("labels/drivable/masks", "") if new else ("drivable_maps/labels", "_drivable_id")
    for split in ("train", "val"):
        truth[split] = ids([0, 1, 2])
        picture(tmp_path / "images" / "100k" / split / f"{split}.jpg")
        picture(tmp_path / "images" / "100k" / split / f"{split}-without.jpg")
        put(tmp_path / folder / split / f"{split}{end}.png", truth[split])
    counts, _ = check(tmp_path, truth, dict(enumerate(names)), "bdd100k-drivable")
    assert counts == {"train": 1, "val": 1}


def test_a2d2(tmp_path):
    """Car 1, Car 2, ... are one class."""
    classes = {"#ff0000": "Car 1", "#c80000": "Car 2", "#ff00ff": "RD normal street", "#80ffff": "Sky"}
    text(tmp_path / "class_list.json", classes)
    colours = {0: (255, 0, 0), 1: (200, 0, 0), 2: (255, 0, 255), 3: (128, 255, 255)}
    truth = {}
    for drive in ("20180807_145028", "20180810_142822"):
        name = drive.replace("_", "")
        truth[f"{name}_camera_frontcenter_000000091"] = values = ids([0, 1, 2, 3])
        picture(tmp_path / drive / "camera" / "cam_front_center" / f"{name}_camera_frontcenter_000000091.png")
        label = tmp_path / drive / "label" / "cam_front_center" / f"{name}_label_frontcenter_000000091.png"
        put(label, rgb(values, colours)[..., ::-1])
    check(tmp_path, truth, {0: "Car", 1: "Car", 2: "RD normal street", 3: "Sky"}, "a2d2")


def test_ade20k(tmp_path):
    """0 is what was not labelled, 1 the first class."""
    rows = [
        "Idx\tRatio\tTrain\tVal\tStuff\tName",
        "1\t0.16\t11664\t1172\t1\twall",
        "2\t0.12\t1\t1\t1\tbuilding, edifice",
    ]
    text(tmp_path / "objectInfo150.txt", "\n".join(rows))
    truth = {}
    for folder in ("training", "validation"):
        truth[folder] = ids([0, 1, 2])
        picture(tmp_path / "images" / folder / f"{folder}.jpg")
        put(tmp_path / "annotations" / folder / f"{folder}.png", truth[folder])
    check(tmp_path, truth, {1: "wall", 2: "building"}, "ade20k")


def test_colours_with_a_class_dict(tmp_path):
    """CamVid as Kaggle passes it on."""
    text(tmp_path / "class_dict.csv", "name,r,g,b\nRoad,128,64,128\nSky,128,128,128\nVoid,0,0,0\n")
    truth = {}
    for split in ("train", "val", "test"):
        values = ids([0, 1, 2])
        picture(tmp_path / split / f"{split}.png")
        pixels = rgb(values, {0: (128, 64, 128), 1: (128, 128, 128), 2: (0, 0, 0)})
        put(tmp_path / f"{split}_labels" / f"{split}_L.png", pixels[..., ::-1])
        truth |= {split: values} if split != "test" else {}
    check(tmp_path, truth, {0: "Road", 1: "Sky"}, "class-dict")


# Rows and columns of masks of 12x16 pixels, as nuImages stores them: pycocotools 2.0.11's text, in base 64.
SURFACE = "NjY2MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="  # 6:12, 0:16
CAR = "ajA2NjAwMDAwMDAwMG4y"  # 2:8, 2:8
PERSON = "XDI1NzAwMGAy"  # 4:9, 6:9


def test_nuimages(tmp_path):
    """Surfaces in the order of the file, then objects by token, as nuscenes-devkit 1.2.0 draws them."""
    names = {0: "flat.driveable_surface", 1: "vehicle.car", 2: "human.pedestrian.adult"}

    def row(token, category, counts):
        mask = {"size": [HEIGHT, WIDTH], "counts": counts} if counts else None
        return {"token": token, "category_token": category, "sample_data_token": "key", "mask": mask}

    truth = {}
    for split in ("train", "val"):
        truth[split] = values = np.full((HEIGHT, WIDTH), 9, np.uint8)
        values[6:], values[2:8, 2:8], values[4:9, 6:9] = 0, 1, 2
        picture(tmp_path / "samples" / "CAM_FRONT" / f"{split}.jpg")
        size = {"height": HEIGHT, "width": WIDTH}
        tables = {
            "category": [{"token": f"c{index}", "name": name} for index, name in names.items()],
            "sample_data": [
                {"token": "key", "filename": f"samples/CAM_FRONT/{split}.jpg", **size},
                {"token": "sweep", "filename": "sweeps/CAM_FRONT/x.jpg", **size},
            ],
            "surface_ann": [row("z", "c0", SURFACE)],
            "object_ann": [row("b", "c2", PERSON), row("a", "c1", CAR), row("c", "c1", "")],
        }
        for name, table in tables.items():
            text(tmp_path / f"v1.0-{split}" / f"{name}.json", table)
    counts, _ = check(tmp_path, truth, names, "nuimages")
    assert counts == {"train": 1, "val": 1}


# Beyond roads


def test_rugd(tmp_path):
    text(
        tmp_path / "RUGD_annotations" / "RUGD_annotation-colormap.txt",
        "0 void 0 0 0\n1 dirt 108 64 20\n3 grass 0 102 0\n",
    )
    colours, truth = {1: (108, 64, 20), 3: (0, 102, 0)}, {}
    for scene in ("creek", "park-1", "trail"):
        truth[f"{scene}_00001"] = values = ids([0, 1, 3])
        picture(tmp_path / "RUGD_frames-with-annotations" / scene / f"{scene}_00001.png")
        put(tmp_path / "RUGD_annotations" / scene / f"{scene}_00001.png", rgb(values, colours)[..., ::-1])
    check(tmp_path, truth, {1: "dirt", 3: "grass"}, "rugd")


def test_rellis_3d(tmp_path):
    truth, lists = {}, {}
    for split, sequence in (("train", "00000"), ("val", "00004")):
        stem = f"frame000000-158162465{sequence[-1]}_750"
        truth[stem] = ids([0, 1, 3, 4, 19, 27, 34])
        picture(tmp_path / "Rellis-3D" / sequence / "pylon_camera_node" / f"{stem}.jpg")
        put(tmp_path / "Rellis-3D" / sequence / "pylon_camera_node_label_id" / f"{stem}.png", truth[stem])
        image, label = (f"{sequence}/pylon_camera_node{part}/{stem}" for part in ("", "_label_id"))
        lists[split] = f"{image}.jpg {label}.png\n"
    names = {1: "dirt", 3: "grass", 4: "tree", 19: "bush", 27: "barrier", 34: "rubble"}
    check(tmp_path, truth, names, "rellis-3d")
    (tmp_path / "dataset.yaml").unlink()
    for split, line in lists.items():
        text(tmp_path / f"{split}.lst", line)
    counts, _ = check(tmp_path, truth, names, "rellis-3d")
    assert counts == {"train": 1, "val": 1}


def test_goose(tmp_path):
    rows = [
        "class_name,label_key,has_instance,hex",
        "undefined,0,0,#000000",
        "traffic_cone,1,1,#1CE6FF",
        "snow,2,0,#FF34FF",
    ]
    text(tmp_path / "goose_label_mapping.csv", "\n".join(rows))
    truth = {}
    for split in ("train", "val"):
        scene, stem = "2022-07-22_flight", f"2022-07-22_flight__0071_165849418623_{split}"
        truth[f"{stem}_windshield_vis"] = ids([0, 1, 2])
        picture(tmp_path / "images" / split / scene / f"{stem}_windshield_vis.png")
        put(tmp_path / "labels" / split / scene / f"{stem}_labelids.png", truth[f"{stem}_windshield_vis"])
        put(tmp_path / "labels" / split / scene / f"{stem}_color.png", ids([0, 1]))
        for camera in ("front", "camera_left", "realsense"):  # the robots of GOOSE-Ex
            truth[f"{camera}_{split}_{camera}"] = ids([0, 1, 2])
            picture(tmp_path / "images" / split / camera / f"{camera}_{split}_{camera}.png")
            label = tmp_path / "labels" / split / camera / f"{camera}_{split}_labelids.png"
            put(label, truth[f"{camera}_{split}_{camera}"])
    counts, _ = check(tmp_path, truth, {1: "traffic_cone", 2: "snow"}, "goose")
    assert counts == {"train": 4, "val": 4}


# Simulators and plain folders


def test_carla(tmp_path):
    """Tags in the red channel; version 0.9.14 numbered them anew, and nothing in the files says which they have."""
    truth = {str(k): ids([0, 1, 7, 11, 14]) for k in range(3)}
    for stem, values in truth.items():
        picture(tmp_path / "rgb" / f"{stem}.png")
        put(tmp_path / "semantic" / f"{stem}.png", np.dstack([values * 0, values * 0, values, values * 0 + 255]))
    with pytest.raises(
        DatasetError, match=r"choose --format carla \(CARLA 0\.9\.14 and later\) or --format carla-0\.9\.13"
    ):
        convert(tmp_path)
    check(tmp_path, truth, {1: "Roads", 7: "TrafficLight", 11: "Sky", 14: "Car"}, "carla", name="carla")
    older = {1: "Building", 7: "Road", 11: "Wall", 14: "Ground"}
    check(tmp_path, truth, older, "carla-0.9.13", name="carla-0.9.13", overwrite=True)


@pytest.mark.parametrize(
    ("kind", "images", "labels"),
    [
        ("grey as RGB", "images", "labels_map"),
        ("palette", "images", "labels"),
        ("ids", "data", "labels"),  # FiftyOne
        ("16 bits", "img_dir", "ann_dir"),  # MMSegmentation
    ],
)
def test_gazebo_and_plain_folders(tmp_path, kind, images, labels):
    """Classes come from a table, as no file names them."""
    table = "name: yard\nclasses:\n- {name: ground, colour: [1, 2, 3]}\n- {name: plant, colour: [0, 200, 0]}\n"
    text(tmp_path / "yard.yaml", table)
    truth = {f"{split}{k}": ids([0, 1, 255]) for split in ("train", "val") for k in range(2)}
    for stem, values in truth.items():
        picture(tmp_path / "data" / images / stem[:-1] / f"{stem}.png")
        label = put(tmp_path / "data" / labels / stem[:-1] / f"{stem}.png", values)
        if kind == "grey as RGB":
            put(label, np.dstack([values] * 3))
        elif kind == "16 bits":
            put(label, values.astype(np.uint16))
        elif kind == "palette":
            from PIL import Image

            stored = Image.fromarray(values, "P")
            stored.putpalette([1, 2, 3, 0, 200, 0] + [0] * 762)
            stored.save(label)
    with pytest.raises(DatasetError, match="names no classes: give --classes"):
        convert(tmp_path / "data")
    names = {0: "ground", 1: "plant"}
    counts, _ = check(tmp_path / "data", truth, names, "folders", classes=str(tmp_path / "yard.yaml"))
    assert counts == {"train": 2, "val": 2}


def test_a_lossy_label_file_is_refused_when_a_folder_is_recognised(tmp_path):
    picture(tmp_path / "images" / "a.png")
    label = put(tmp_path / "labels" / "a.png", ids([0, 1]))
    label.write_bytes(cv2.imencode(".jpg", ids([0, 1]))[1].tobytes())
    with pytest.raises(DatasetError, match=r"a\.png: the file is a JPEG, whatever its name says"):
        convert(tmp_path, classes="camvid")
