"""`icnet dataset stats` and `icnet dataset diff`."""

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from icnet_ros.command.console import console, progress_bar, warn
from icnet_ros.command.options import Json, Root, Split
from icnet_ros.dataset.base import DatasetError
from icnet_ros.dataset.duplicates import duplicates
from icnet_ros.dataset.table import open_dataset
from icnet_ros.evaluation.label_sets import agreement, statistics

DataArgument = Annotated[str, typer.Argument(help="A dataset.yaml, a folder with one, or a dataset by name.")]


def stats(data: DataArgument, root: Root = None, split: Split = "train", as_json: Json = False) -> None:
    """Print shares, sizes and co-occurrence of the classes; warn of images of "val" that are also in "train"."""
    dataset = open_dataset(data, root, split)
    with progress_bar("reading") as update:
        found = statistics(dataset, lambda done, total: update("reading", done, total))
        found["duplicates"] = _leaks(data, root, lambda done, total: update("comparing images", done, total))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print_stats(found, f"{dataset.name} {split}")
    if leaks := found["duplicates"]:
        first = leaks[0]
        warn([f"{len(leaks)} images of val are also in train, so scores are too good; e.g. {first[0]} and {first[1]}"])


def _leaks(data: str, root: Any, progress: Any) -> list[tuple[str, str]]:
    try:
        train, val = (open_dataset(data, root, split) for split in ("train", "val"))
    except DatasetError:  # one split only
        return []
    return [(str(one.first), str(one.second)) for one in duplicates(train, val, progress)]


def _print_stats(found: dict[str, Any], name: str) -> None:
    title = f"{name}: {found['images']} images"
    columns = ("class", "share", "images", "regions", "median", "place", "seldom with")
    table = Table(*columns, title=title, title_justify="left")
    for label, one in found["classes"].items():
        apart = sorted(one["together"].items(), key=lambda pair: pair[1])[:1] if one["images"] else []
        table.add_row(
            label,
            f"{one['share']:.2%}",
            str(one["images"]),
            str(one["regions"]),
            "-" if one["median_region"] is None else f"{one['median_region']:.0f} px",
            one["place"],
            ", ".join(f"{other} {share:.0%}" for other, share in apart),
        )
    console.print(table)
    sizes = ", ".join(f"{size} ({count})" for size, count in list(found["sizes"].items())[:5])
    console.print(f"unlabelled: {found['unlabelled']:.2%} of all pixels; sizes: {sizes}")


def diff(
    first: DataArgument,
    second: DataArgument,
    root: Root = None,
    split: Split = "train",
    as_json: Json = False,
) -> None:
    """Compare two label sets of the same images, such as those of two annotators."""
    ours, theirs = open_dataset(first, root, split), open_dataset(second, root, split)
    with progress_bar("comparing") as update:
        found = agreement(ours, theirs, lambda done, total: update("comparing", done, total))
    if as_json:
        print(json.dumps(found, indent=2))
        return
    counts = found["confusion"]
    title = f"{first} and {second}: {found['images']} images"
    table = Table("class", "IoU", "most often, the other says", title=title, title_justify="left")
    for index, name in enumerate(found["classes"]):
        others = [
            (counts[index][k] + counts[k][index], other) for k, other in enumerate(found["classes"]) if k != index
        ]
        pixels, other = max(others, default=(0, ""))
        total = max(1, sum(counts[index]) + sum(row[index] for row in counts) - counts[index][index])
        value = found["iou"][name]
        said = f"{other} ({pixels / total:.1%})" if pixels else ""
        table.add_row(name, "-" if value is None else f"{value:.3f}", said)
    console.print(table)
    agreed = "-" if found["agreement"] is None else f"{found['agreement']:.2%}"
    lines = [f"the same class in {agreed} of the pixels that both label; {found['labelled_by_one']:.2%} has one only"]
    lines += (
        [f"in one set only: {found['only_first']} and {found['only_second']} images"]
        if (found["only_first"] or found["only_second"])
        else []
    )
    lines.append("least agreement: " + ", ".join(f"{name} ({score:.1%})" for score, name in found["worst"][:5]))
    for line in lines:
        console.print(line, soft_wrap=True)
