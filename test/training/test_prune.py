import json
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from street import CLASSES, street
from test_loop import RECIPE
from torch import nn

from icnet_ros.checkpoint.file import Checkpoint, build_network, load, save
from icnet_ros.checkpoint.spec import ARCHITECTURES, ModelSpec
from icnet_ros.network.wiring import wires
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.loop import Trainer
from icnet_ros.training.pruning.blocks import without_blocks
from icnet_ros.training.pruning.filters import pruned, width_schedule
from icnet_ros.training.pruning.progressive import prune_progressively

KINDS = [
    {},
    {"fusion": "deconv3"},
    {"fusion": "cff_coarse", "blocks": (1, 2, 3, 1)},
    {"architecture": "pspnet50"},
    {"architecture": "pspnet50", "head": "sum", "output_stride": 16},
]


def spec(width=0.5, **kind):
    exits = ARCHITECTURES[kind.get("architecture", "icnet")]
    return ModelSpec(CLASSES, width, exits=exits, trained=True, **kind)


def lively(kind, seed=0):
    """A network whose every number is its own, statistics included."""
    network = build_network(spec(**kind))
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.1, 0.3, generator=generator)
            module.running_mean.uniform_(-0.1, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return network


@pytest.mark.parametrize("kind", KINDS)
def test_every_convolution_is_wired_and_sums_agree(kind):
    network = build_network(spec(**kind))
    layers = [wire.layer for wire in wires(network)]
    convolutions = {
        name.removesuffix(".conv")
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))
    }
    assert len(layers) == len(set(layers))
    assert set(layers) == convolutions
    sizes = {}
    for wire in wires(network):
        module = network.get_submodule(wire.layer)
        module = getattr(module, "conv", module)
        assert module.in_channels == (sum(sizes[group] for group in wire.reads) or 3), wire
        if wire.writes:
            assert sizes.setdefault(wire.writes, module.out_channels) == module.out_channels, wire


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS)
def test_a_pruned_network_is_the_wide_one_with_its_weakest_filters_silenced(kind):
    """Filters of no strength add nothing: without them the logits are the same."""
    network = lively(kind)
    generator = torch.Generator().manual_seed(1)
    silent = {}
    modules = dict(network.named_modules())
    for wire in wires(network):
        if not wire.writes:
            continue
        layer = modules[wire.layer]
        count = layer.bn.num_features
        if wire.writes not in silent:
            silent[wire.writes] = torch.randperm(count, generator=generator)[: count // 2]
        layer.bn.weight[silent[wire.writes]] = 0
        layer.bn.bias[silent[wire.writes]] = 0
    slim_spec, weights = pruned(Checkpoint(network_spec := spec(**kind), network.state_dict(), "wide"), 0.25)
    assert slim_spec == replace(network_spec, width=0.25)
    slim = build_network(slim_spec)
    slim.load_state_dict(weights)
    image = torch.randn(1, 3, 65, 97)
    for one, two in zip(slim.eval()(image), network.eval()(image), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-3)


@torch.inference_mode()
def test_parts_are_pruned_to_widths_of_their_own():
    widths = {"stem": 0.25, "res4": 0.375, "res5": 0.125, "cff12": 0.25}
    network = lively({})
    generator = torch.Generator().manual_seed(1)
    slim_spec, weights = pruned(Checkpoint(spec(), network.state_dict(), "wide"), 0.5, widths)
    assert (slim_spec.width, slim_spec.widths) == (0.5, widths)
    slim = build_network(slim_spec)
    few = {wire.writes: slim.get_submodule(wire.layer).bn.num_features for wire in wires(slim) if wire.writes}
    silent: dict[str, torch.Tensor] = {}
    for wire in wires(network):
        if wire.writes:
            layer = network.get_submodule(wire.layer)
            order = torch.randperm(layer.bn.num_features, generator=generator)
            silenced = silent.setdefault(wire.writes, order[few[wire.writes] :])
            layer.bn.weight[silenced] = 0
            layer.bn.bias[silenced] = 0
    slim.load_state_dict(pruned(Checkpoint(spec(), network.state_dict(), "wide"), 0.5, widths)[1])
    image = torch.randn(1, 3, 65, 97)
    for one, two in zip(slim.eval()(image), network.eval()(image), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-3)
    with pytest.raises(RecipeError, match=r"res5 of slim has width 0\.125: prune to less, not to 0.25"):
        pruned(Checkpoint(slim_spec, weights, "slim"), 0.5, {"res5": 0.25})


def test_a_network_with_fewer_blocks_is_the_deep_one_without_the_last_ones():
    network = lively({})
    deep = Checkpoint(spec(), network.state_dict(), "deep")
    shallow_spec, weights = without_blocks(deep, (3, 1, 4, 2))
    shallow = build_network(shallow_spec)
    shallow.load_state_dict(weights)
    for stage, stay in (("res3", 1), ("res4", 4), ("res5", 2)):
        for number in range(stay, len(getattr(network, stage))):
            getattr(network, stage)[number] = nn.Identity()
    image = torch.randn(1, 3, 65, 97)
    for one, two in zip(shallow.eval()(image), network.eval()(image), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("blocks", [(3, 4, 6, 3), (3, 4, 7, 3), (3, 4, 6, 0), (3, 4, 6), (0, 4, 6, 3)])
def test_blocks_that_cannot_be_left_out(blocks):
    with pytest.raises(RecipeError, match=r"blocks"):
        without_blocks(Checkpoint(spec(), build_network(spec()).state_dict(), "deep"), blocks)


def test_blocks_are_left_out_by_the_command_and_retrained(tmp_path, run):
    for split, seed in (("train", 0), ("val", 1)):
        street(tmp_path, split, 4, seed)
    table = CLASSES.to_dict()
    splits = {split: [{"images": f"{split}/images", "labels": f"{split}/labels"}] for split in ("train", "val")}
    (tmp_path / "dataset.yaml").write_text(json.dumps({"classes": table, "splits": splits}))
    deep = replace(spec(0.25), classes=CLASSES)
    save(tmp_path / "deep.safetensors", deep, build_network(deep).state_dict())
    (tmp_path / "recipe.yaml").write_text("iterations: 1\nvalidate_every: 1\nbatch: 2\ncrop: [64, 96]\n")
    words = [
        "--accelerator",
        "cpu",
        "--data",
        tmp_path / "dataset.yaml",
        "--recipe",
        tmp_path / "recipe.yaml",
        "-o",
        tmp_path / "out",
    ]
    assert run("prune", tmp_path / "deep.safetensors", "--blocks", "3,4,4,1", *words)[0] == 0
    code, _, err = run("prune", tmp_path / "deep.safetensors", "--blocks", "3,4", *words)
    assert code != 0
    assert "--blocks 3,4 is not four numbers" in err
    pruned_spec = load(tmp_path / "out" / "blocks-3-4-4-1" / "best.safetensors").spec
    assert (pruned_spec.blocks, pruned_spec.width) == ((3, 4, 4, 1), 0.25)
    assert pruned_spec.training["pruned"]["from_blocks"] == [3, 4, 6, 3]
    assert (
        run("prune", tmp_path / "deep.safetensors", "--blocks", "3,4,4,1", "--widths", "res5=0.125,hi=0.125", *words)[0]
        == 0
    )
    narrow = load(tmp_path / "out" / "blocks-3-4-4-1-res5-0.125-hi-0.125" / "best.safetensors").spec
    assert (narrow.blocks, narrow.width, narrow.widths) == ((3, 4, 4, 1), 0.25, {"res5": 0.125, "hi": 0.125})
    code, _, err = run("prune", tmp_path / "deep.safetensors", "--widths", "res5:0.125", *words)
    assert code != 0
    assert "--widths res5:0.125 is not a list such as" in err
    for twice in ("res5=0.125,res5=0.125", "res5=0.25"):
        code, _, err = run("prune", tmp_path / "deep.safetensors", "--widths", twice, *words)
        assert code != 0
        assert ("names a part twice" in err) == (twice != "res5=0.25")
        assert ("prune to less, not to 0.25" in err) == (twice == "res5=0.25")
    code, _, err = run("prune", tmp_path / "deep.safetensors", "--widths", "neck=0.125", *words)
    assert code != 0
    assert "widths has 'neck', which is not one of" in err


def test_the_strength_of_a_filter_is_its_l1_norm_with_the_batch_norm_folded_in():
    network = lively({})
    layer = network.stem[0]
    folded = layer.conv.weight.abs().sum((1, 2, 3)) * layer.bn.weight.abs() / (layer.bn.running_var + 1e-5).sqrt()
    _, weights = pruned(Checkpoint(spec(), network.state_dict(), "wide"), 0.25)
    strongest = folded.topk(len(folded) // 2).indices.sort().values
    assert torch.equal(weights["stem.1.conv.weight"], layer.conv.weight[strongest])


def test_widths_of_the_steps():
    assert width_schedule(1.0, 0.5, 1) == [0.5]
    assert width_schedule(1.0, 0.5, 2) == [0.75, 0.5]
    assert width_schedule(1.0, 0.25, 3) == [0.75, 0.5, 0.25]
    assert width_schedule(0.25, 0.2, 10) == [0.234375, 0.21875, 0.203125, 0.2]  # no width twice
    wide = Checkpoint(spec(0.25), build_network(spec(0.25)).state_dict(), "wide")
    with pytest.raises(RecipeError, match="prune to less"):
        pruned(wide, 0.25)
    with pytest.raises(RecipeError, match=r"width 0\.1 leaves"):
        pruned(wide, 0.1)


@pytest.mark.parametrize(("scale", "height"), [(2.0, 40), (2.0, 48)])  # 96 rows: as many as the images have
def test_a_pruned_network_sees_frames_at_as_many_rows_as_before(tmp_path, scale, height):
    data = street(tmp_path, "train", 4, seed=0), street(tmp_path, "val", 2, seed=1)  # of 96 rows
    wide = replace(spec(0.25), classes=data[0].classes, input_scale=scale, frame_height=height, data_licence="ours")
    checkpoint = Checkpoint(wide, build_network(wide).state_dict(), "wide")
    recipe = replace(RECIPE, iterations=1, validate_every=1, batch=2)
    fabric = Fabric(accelerator="cpu", devices=1)

    def prune(*widths):
        return prune_progressively(checkpoint, widths, recipe, *data, tmp_path / "out", fabric, lambda *_: None)

    narrow = load(prune(0.125).checkpoint)
    assert narrow.spec.scale_for(1) == pytest.approx(scale * height)
    assert "ours" in narrow.spec.data_licence
    with pytest.raises(RecipeError, match="smaller than the one before"):
        prune(0.1875, 0.1875)


def test_a_pruned_network_is_not_adjusted_twice(tmp_path):
    data = street(tmp_path, "train", 4, seed=0), street(tmp_path, "val", 2, seed=1)
    classes = data[0].classes
    shift = torch.linspace(-1, 1, len(classes))
    wide = replace(spec(0.25), classes=classes, training={"logit_shift": shift.tolist()})
    network = build_network(wide)
    for name, value in network.state_dict().items():
        if name.startswith("cls."):
            value.zero_()
    checkpoint = Checkpoint(wide, network.state_dict(), "wide")
    still = replace(RECIPE, iterations=1, validate_every=1, batch=2, learning_rate=1e-9, weight_decay=0.0, ema=0.0)
    recipe = replace(still, class_balance="log", logit_adjustment=0.5)
    fabric = Fabric(accelerator="cpu", devices=1)
    result = prune_progressively(checkpoint, [0.125], recipe, *data, tmp_path / "out", fabric, lambda *_: None)
    saved = load(result.checkpoint)
    expected = shift - torch.tensor(saved.spec.training["logit_shift"])
    assert torch.allclose(saved.weights["cls.bias"], expected, atol=1e-3)


def test_pruning_in_steps_retrains_and_resumes(tmp_path):
    data = street(tmp_path, "train", 12, seed=0), street(tmp_path, "val", 4, seed=1)
    fabric = Fabric(accelerator="cpu", devices=1)
    (tmp_path / "wide").mkdir()
    Trainer(replace(RECIPE, width=0.25), *data, tmp_path / "wide", fabric).run(lambda *_: None)
    checkpoint = load(tmp_path / "wide" / "best.safetensors")
    steps = []

    def prune():
        return prune_progressively(
            checkpoint, [0.1875, 0.125], RECIPE, *data, tmp_path / "out", fabric, lambda *a: steps.append(a), checkpoint
        )

    first = prune()
    result = load(first.checkpoint)
    assert result.spec.width == 0.125
    assert result.spec.training["pruned"]["from"] == 0.1875
    assert result.spec.training["teacher"]["sha256"] == checkpoint.sha256
    assert [row["name"] for row in json.loads((tmp_path / "out" / "prune.json").read_text())["steps"]] == [
        "width-0.1875",
        "width-0.125",
    ]
    assert prune().steps == first.steps  # finished: nothing is trained again
