"""Weights of liminn/ICNet-pytorch and Tramac/awesome-semantic-segmentation-pytorch: a state dict of torch."""

from collections.abc import Mapping

from icnet_ros.checkpoint.published.units import BLOCKS, Array, BatchNorm, Unit, missing
from icnet_ros.checkpoint.spec import CheckpointError

NORM = ("weight", "bias", "running_mean", "running_var")
HEADS = {"aux16": "head.cff_24.conv_low_cls", "aux8": "head.cff_12.conv_low_cls", "cls": "head.conv_cls"}
UNUSED = ("num_batches_tracked",)


def liminn_names() -> dict[str, tuple[str, str]]:
    """Layer of `TwoPassICNet` -> keys of its convolution and batch norm, without ".weight"; without the heads."""
    trunk = "pretrained"
    names = {
        "stem.1": (f"{trunk}.conv1.0", f"{trunk}.conv1.1"),
        "stem.2": (f"{trunk}.conv1.3", f"{trunk}.conv1.4"),
        "stem.3": (f"{trunk}.conv1.6", f"{trunk}.bn1"),
    }
    for stage, count in BLOCKS.items():
        for number in range(count):
            block = f"{trunk}.layer{stage - 1}.{number}"
            for place, part in enumerate(("reduce", "conv3", "increase"), 1):
                names[f"res{stage}.{number + 1}.{part}"] = (f"{block}.conv{place}", f"{block}.bn{place}")
        block = f"{trunk}.layer{stage - 1}.0.downsample"
        names[f"res{stage}.1.proj"] = (f"{block}.0", f"{block}.1")
    for number in range(3):
        names[f"hi.{number + 1}"] = (f"conv_sub1.{number}.conv", f"conv_sub1.{number}.bn")
    for unit, name in (("cff24", "cff_24"), ("cff12", "cff_12")):
        for part in ("low", "high"):
            names[f"{unit}.{part}"] = (f"head.{name}.conv_{part}.0", f"head.{name}.conv_{part}.1")
    return names


def units_of(tensors: Mapping[str, Array], source: str) -> tuple[dict[str, Unit], list[str]]:
    """Layers of TwoPassICNet, and the keys that it does not use. Raises CheckpointError."""
    fused = tensors.get("head.cff_12.conv_low.0.weight")
    if fused is not None and fused.shape[1] != 128:
        raise CheckpointError(
            f"{source}: head.cff_12.conv_low reads {fused.shape[1]} channels: Tramac before November 2019, "
            "which fuses the medium branch without the low one"
        )
    if "pretrained.layer3.6.conv1.weight" in tensors:
        raise CheckpointError(f"{source}: its trunk is deeper than ResNet-50 (pretrained.layer3.6)")
    names = liminn_names()
    needed = [f"{conv}.weight" for conv, _ in names.values()]
    needed += [f"{norm}.{role}" for _, norm in names.values() for role in NORM] + [f"{HEADS['cls']}.weight"]
    if lacking := [key for key in needed if key not in tensors]:
        raise missing(lacking, source)
    units = {
        ours: Unit(tensors[f"{conv}.weight"], None, BatchNorm(*(tensors[f"{norm}.{role}"] for role in NORM)))
        for ours, (conv, norm) in names.items()
    }
    units |= {ours: Unit(tensors[f"{key}.weight"]) for ours, key in HEADS.items() if f"{key}.weight" in tensors}
    used = {*needed, *(f"{key}.weight" for key in HEADS.values())}
    return units, sorted(key for key in tensors.keys() - used if not key.endswith(UNUSED))
