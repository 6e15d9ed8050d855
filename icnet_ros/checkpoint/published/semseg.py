"""Weights of meetps/pytorch-semseg: a state dict of torch."""

from collections.abc import Mapping

from icnet_ros.checkpoint.published.units import Array, BatchNorm, Unit, missing, name_layers

FIXED = {
    **{f"stem.{number}": f"convbnrelu1_{number}.cbr_unit" for number in (1, 2, 3)},
    **{f"hi.{number}": f"convbnrelu{number}_sub1.cbr_unit" for number in (1, 2, 3)},
    "k1": "conv5_4_k1.cbr_unit",
    **{
        f"{unit}.{part}": f"cff_{name}.{long}.cb_unit"
        for unit, name in (("cff24", "sub24"), ("cff12", "sub12"))
        for part, long in (("low", "low_dilated_conv_bn"), ("high", "high_proj_conv_bn"))
    },
}
PARTS = {
    "reduce": "cbr1.cbr_unit",
    "conv3": "cbr2.cbr_unit",
    "increase": "cb3.cb_unit",
    "proj": "cb4.cb_unit",
}
HEADS = {
    "aux16": "cff_sub24.low_classifier_conv",
    "aux8": "cff_sub12.low_classifier_conv",
    "cls": "classification",
}
UNUSED = ("num_batches_tracked",)
NORM = ("weight", "bias", "running_mean", "running_var")


def semseg_names() -> dict[str, str]:
    """Layer of ICNet -> prefix of its convolution's and batch norm's keys, without the heads."""

    def block(stage: int, number: int) -> str:
        if stage != 3:
            return f"res_block{stage}.layers.{number - 1}"
        return "res_block3_conv.layers.0" if number == 1 else f"res_block3_identity.layers.{number - 2}"

    return name_layers(FIXED, lambda stage, number, part: f"{block(stage, number)}.{PARTS[part]}")


def units_of(tensors: Mapping[str, Array], source: str) -> tuple[dict[str, Unit], list[str]]:
    """Layers of ICNet, and the keys that it does not use. Raises CheckpointError."""
    names = semseg_names()
    needed = [f"{prefix}.0.weight" for prefix in names.values()] + [f"{HEADS['cls']}.weight"]
    if lacking := [key for key in needed if key not in tensors]:
        raise missing(lacking, source)
    units, used = {}, set()
    for ours, prefix in names.items():
        norm_keys = [f"{prefix}.1.{role}" for role in NORM]
        norm = None
        if any(key in tensors for key in norm_keys):
            if lacking := [key for key in norm_keys if key not in tensors]:
                raise missing(lacking, source)
            norm = BatchNorm(*(tensors[key] for key in norm_keys))
        units[ours] = Unit(tensors[f"{prefix}.0.weight"], tensors.get(f"{prefix}.0.bias"), norm)
        used |= {f"{prefix}.0.weight", f"{prefix}.0.bias", *norm_keys}
    for ours, prefix in HEADS.items():
        if f"{prefix}.weight" in tensors:
            units[ours] = Unit(tensors[f"{prefix}.weight"], tensors.get(f"{prefix}.bias"))
            used |= {f"{prefix}.weight", f"{prefix}.bias"}
    return units, sorted(key for key in tensors.keys() - used if not key.endswith(UNUSED))
