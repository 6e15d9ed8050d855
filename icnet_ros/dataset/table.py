"""Open datasets by name or by YAML file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from icnet_ros.dataset.base import Dataset, DatasetError
from icnet_ros.dataset.camvid import camvid
from icnet_ros.dataset.cityscapes import cityscapes
from icnet_ros.dataset.cocostuff import cocostuff
from icnet_ros.dataset.descriptor import load_descriptor
from icnet_ros.share import share

# Layouts of public releases.
DATASETS: dict[str, Callable[[Path, str], Dataset]] = {
    "camvid": camvid,
    "cityscapes": cityscapes,
    "cityscapes-coarse": partial(cityscapes, annotation="gtCoarse"),
    "cocostuff": cocostuff,
}


def open_dataset(data: str, root: Path | None, split: str) -> Dataset:
    """A split ("train", "val", ...) of a dataset.

    data: name of a dataset in DATASETS or config/datasets, which needs its folder `root`; or path of a YAML
    file, see `descriptor`, or of a folder with a dataset.yaml. Raises DatasetError.
    """
    if root is not None and not root.is_dir():
        raise DatasetError(f"{root}: no such folder")
    if data.endswith((".yaml", ".yml")):
        return load_descriptor(Path(data), split, root)
    shipped = share("config", "datasets")
    names = [*DATASETS, *sorted(path.stem for path in shipped.glob("*.yaml"))]
    if data not in names:
        if Path(data).is_dir():
            return _in_folder(Path(data), split, root)
        if Path(data).is_file():
            raise DatasetError(f"{data}: neither a folder nor a dataset.yaml; an archive must be unpacked")
        raise DatasetError(f"no dataset {data!r}; there are {', '.join(names)}, or name a .yaml file")
    if root is None:
        raise DatasetError(f"dataset {data!r} needs --root, the folder that it is in")
    return DATASETS[data](root, split) if data in DATASETS else load_descriptor(shipped / f"{data}.yaml", split, root)


def _in_folder(folder: Path, split: str, root: Path | None) -> Dataset:
    file = folder / "dataset.yaml"
    if not file.is_file():
        raise DatasetError(f"{folder}: has no dataset.yaml; `icnet dataset convert {folder}` writes one")
    return load_descriptor(file, split, root)
