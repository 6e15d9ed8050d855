import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.network.icnet import EXITS, ICNet
from icnet_ros.share import share
from icnet_ros.training.bounds import BOUNDS
from icnet_ros.training.errors import RecipeError
from icnet_ros.training.pretrained.backbone import load_backbone
from icnet_ros.training.pretrained.stem import rewrite_stem
from icnet_ros.training.recipe import Recipe, load_recipe
from icnet_ros.training.samples.augment import augment

MEAN = torch.tensor([100.0, 110.0, 120.0])


def pair(height=40, width=60):
    """An image whose blue channel is its label, so that geometry errors show."""
    labels = torch.from_numpy(np.kron(np.random.default_rng(0).integers(0, 11, (4, 6)), np.ones((10, 10), int)))
    labels = labels[:height, :width].to(torch.uint8)
    return torch.stack([labels * 20, labels * 0 + 7, labels * 0 + 99]), labels


def test_image_and_labels_move_together_and_padding_is_mean_and_ignore():
    recipe = Recipe(crop=(64, 64), scale=(0.5, 2.0))
    seen = set()
    for seed in range(30):
        images, labels = augment([pair()], MEAN, recipe, [torch.Generator().manual_seed(seed)])
        assert images.shape == (1, 3, 64, 64)
        blue, ids = images[0, 0] + MEAN[0], labels[0]
        inside = ids != 255
        assert (images[0][:, ~inside].abs() < 1e-4).all()
        # Away from the borders of the blocks both say the same.
        agree = (blue[inside] / 20 - ids[inside]).abs() < 0.02
        assert agree.float().mean() > 0.6
        seen.add(round(inside.float().mean().item(), 3))
    assert len(seen) > 5  # the scale does change


def test_colour_jitter_leaves_labels_and_geometry_alone():
    plain = Recipe(crop=(40, 60), scale=(1.0, 1.0))
    jitter = Recipe(crop=(40, 60), scale=(1.0, 1.0), brightness=0.3, contrast=0.3, colour=0.1)
    one, two = (augment([pair()], MEAN, r, [torch.Generator().manual_seed(3)]) for r in (plain, jitter))
    assert torch.equal(one[1], two[1])
    assert not torch.allclose(one[0], two[0])


def test_at_scale_one_a_crop_is_the_picture_itself_perhaps_mirrored():
    recipe = Recipe(crop=(40, 60), scale=(1.0, 1.0))
    image, labels = pair()
    for seed in range(6):
        images, ids = augment([(image, labels)], MEAN, recipe, [torch.Generator().manual_seed(seed)])
        back = images[0] + MEAN[:, None, None]
        candidates = [(image.float(), labels.long()), (image.flip(-1).float(), labels.flip(-1).long())]
        assert any(torch.allclose(back, i, atol=1e-2) and torch.equal(ids[0], t) for i, t in candidates)


ALL = Recipe(
    crop=(48, 64), scale=(0.7, 2.0), brightness=0.3, contrast=0.3, colour=0.1, gamma=0.2, sharpness=0.5, noise=3,
    texture=0.7,
)  # fmt: skip


def augmented(positions, device="cpu"):
    """Crops of pictures of different sizes, every second one around a class."""
    pairs = [tuple(part.to(device) for part in pair(40 - n, 60 - 2 * n)) for n in positions]
    generators = [torch.Generator().manual_seed(n) for n in positions]
    return augment(pairs, MEAN.to(device), ALL, generators, [n if n % 2 else None for n in positions])


def test_a_batch_is_its_crops_one_by_one():
    together = augmented(range(8))
    alone = [augmented([n]) for n in range(8)]
    for part, ones in zip(together, zip(*alone, strict=True), strict=True):
        assert torch.allclose(part, torch.cat(ones), atol=1e-3)


@pytest.mark.gpu
def test_a_gpu_augments_as_the_cpu():
    (images, ids), (expected, expected_ids) = augmented(range(8), "cuda"), augmented(range(8))
    # A position at an edge, or between two pixels, may fall on its other side.
    assert (ids.cpu() == expected_ids).float().mean() > 0.99
    same = ((images.cpu() - expected).abs().amax(1) < 0.5) | (ids.cpu() != expected_ids)
    assert same.float().mean() > 0.98


@pytest.mark.parametrize("name", ["camvid", "camvid_cpu", "cityscapes", "cocostuff"])
def test_shipped_recipes(name):
    assert load_recipe(name).dataset == name.removesuffix("_cpu")
    assert load_recipe(name, iterations=7, seed=None).iterations == 7


def test_every_number_of_a_recipe_has_bounds():
    """One declaration: a new number without bounds fails here, and in every recipe."""
    numbers = {
        entry.name: entry.default if isinstance(entry.default, tuple) else (entry.default,)
        for entry in fields(Recipe)
        if isinstance(entry.default, (int, float, tuple)) and not isinstance(entry.default, bool)
    }
    del numbers["output_stride"]  # takes one of three values
    assert set(BOUNDS) == set(numbers)
    for name, default in numbers.items():
        kinds = {type(one) for one in default}
        for bad in (math.nan, math.inf, -math.inf, -1.0, 1e12) if kinds == {float} else (-1, 2**70):
            value = (bad,) * len(default) if isinstance(getattr(Recipe(), name), tuple) else bad
            with pytest.raises(RecipeError, match=f"{name} is"):
                Recipe(**{name: value})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("iterationz: 3", "no entry 'iterationz'"),
        ("crop: [8, 8]", "at least 32x32"),
        ("batch: 0", "batch is 0"),
        ("batch: many", "batch is 'many', it takes a whole number"),
        ("batch: true", "batch is True, it takes a whole number"),
        ("iterations: 1.5", "iterations is 1.5, it takes a whole number"),
        ("learning_rate: [1]", r"learning_rate is \(1,\), it takes a number"),
        ("learning_rate: .nan", "learning_rate is nan"),
        ("crop: 352", "crop is 352, it takes a list of 2 numbers"),
        ("crop: [352]", "it takes a list of 2 numbers"),
        ("loss_weights: [1, x, 1]", "it takes a list of 3 numbers"),
        ("loss_weights: [.nan, 1, 1]", r"loss_weights is \(nan, 1, 1\), it takes numbers of 0 to 1000"),
        ("loss_weights: [-1, 1, 1]", r"loss_weights is \(-1, 1, 1\)"),
        ("loss_weights: [0, 0, 0]", "nothing would be learnt"),
        ("crop: [32, 1000000]", "it takes numbers of 32 to 8192"),
        ("batch: 1000000000", "batch is 1000000000, it takes a number of 1 to 4096"),
        ("batch: 4096\ncrop: [8192, 8192]", "pixels, at most"),
        ("scale: [2.0, 0.5]", "the smaller number first"),
        ("scale: [.inf, .inf]", "scale is"),
        ("momentum: 1.0", "0 to less than 1"),
        ("output_stride: 7", "output_stride is 7, it takes 8 or 16 or 32"),
        ("fusion: glue", "fusion is 'glue', it takes 'cff' or"),
        ("blocks: 3", "blocks is 3, it takes"),
        ("blocks: [3, 4, 6]", r"blocks is \(3, 4, 6\), it takes"),
        ("blocks: [6, 4, 6, 3]", r"an icnet takes up to \(3, 4, 6, 3\)"),
        ("blocks: [3, 4, 4, 1]\narchitecture: pspnet50", "other architectures just these"),
        ("dataset: null", "dataset is None, it takes a text"),
        ("nesterov: 1", "nesterov is 1, it takes true or false"),
        ("hardest: 2.0", "hardest is 2.0"),
        ("- a list", "not a recipe"),
        ("base: mars", "base 'mars' is no other shipped recipe"),
        ("a: [", "while parsing"),
        ("batch: 3\nbatch: 4", "line 2: the entry 'batch' is there twice"),
    ],
)
def test_a_bad_recipe_is_named_and_explained(tmp_path, text, problem):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError, match=problem) as caught:
        load_recipe(str(tmp_path / "mine.yaml"))
    assert "mine.yaml" in str(caught.value)
    with pytest.raises(RecipeError, match="there are ablation, camvid, camvid_cpu"):
        load_recipe("mars")


def test_a_recipe_changes_entries_of_its_base(tmp_path):
    (tmp_path / "mine.yaml").write_text("base: street_finish\ncrop: [96, 128]\n")
    mine, base = load_recipe(str(tmp_path / "mine.yaml"), batch=2), load_recipe("street_finish")
    assert mine == replace(base, crop=(96, 128), batch=2)


def test_every_shipped_recipe_can_be_loaded():
    for file in share("config", "train").glob("*.yaml"):
        assert load_recipe(file.stem).iterations > 0, file


def resnet50(generator):
    """Random weights by the names of torchvision's ResNet-50 (stride is no weight)."""
    source, inputs = {}, 64
    for layer, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), 1):
        for block in range(blocks):
            shapes = {"conv1": (width, inputs, 1, 1), "conv2": (width, width, 3, 3), "conv3": (4 * width, width, 1, 1)}
            norms = {"bn1": width, "bn2": width, "bn3": 4 * width}
            if block == 0:
                shapes["downsample.0"], norms["downsample.1"] = (4 * width, inputs, 1, 1), 4 * width
            prefix = f"layer{layer}.{block}"
            for name, shape in shapes.items():
                fan = math.prod(shape[1:])
                source[f"{prefix}.{name}.weight"] = torch.randn(shape, generator=generator) / math.sqrt(fan)
            for name, count in norms.items():
                for part in ("weight", "bias", "running_mean", "running_var"):
                    source[f"{prefix}.{name}.{part}"] = torch.rand(count, generator=generator) + 0.1
            inputs = 4 * width
    return source


@pytest.mark.parametrize("res4", [6, 4])
def test_a_narrow_trunk_is_the_wide_one_with_the_other_channels_silenced(tmp_path, res4):
    """If the channels that pruning drops are zero in the source, nothing is lost: outputs are equal."""
    source = resnet50(torch.Generator().manual_seed(0))
    # Silence half of every layer's outputs, whatever reads them.
    for key in list(source):
        if "bn" in key or "downsample.1" in key:
            half = source[key].numel() // 2
            source[key][half:] = 1.0 if key.endswith("running_var") else 0.0
        elif key.endswith("weight"):
            source[key][source[key].shape[0] // 2 :] = 0.0
    save_file(source, tmp_path / "r.safetensors")
    narrow = ICNet(3, 0.5, EXITS, blocks=(3, 4, res4, 3)).eval()
    load_backbone(narrow, tmp_path / "r.safetensors")

    def block(x, prefix, stride, dilation):
        def unit(x, conv, norm, **options):
            x = F.conv2d(x, source[f"{prefix}.{conv}.weight"], **options)
            p = f"{prefix}.{norm}"
            return F.batch_norm(
                x, source[f"{p}.running_mean"], source[f"{p}.running_var"], source[f"{p}.weight"], source[f"{p}.bias"]
            )

        y = unit(x, "conv1", "bn1", stride=stride).relu()
        y = unit(y, "conv2", "bn2", padding=dilation, dilation=dilation).relu()
        y = unit(y, "conv3", "bn3")
        if f"{prefix}.downsample.0.weight" in source:
            x = unit(x, "downsample.0", "downsample.1", stride=stride)
        return (x + y).relu()

    x = torch.rand(1, 64, 17, 21)
    with torch.inference_mode():
        ours = narrow.res4(narrow.res3(narrow.res2(x)))
        theirs = x
        for layer, blocks, stride, dilation in ((1, 3, 1, 1), (2, 4, 2, 1), (3, res4, 1, 2)):
            for number in range(blocks):
                theirs = block(theirs, f"layer{layer}.{number}", stride if number == 0 else 1, dilation)
    assert theirs[:, 512:].abs().max() == 0
    torch.testing.assert_close(ours, theirs[:, :512], rtol=1e-3, atol=1e-3)


def test_what_is_no_backbone(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"junk")
    for name in ("a", "b"):
        with pytest.raises(CheckpointError, match=rf"{name}\.safetensors"):
            load_backbone(ICNet(3), tmp_path / f"{name}.safetensors")


def test_the_shared_backbone_fits_both_widths(shared):
    for width in (0.5, 1.0):
        network = ICNet(11, width)
        before = network.res5[2].increase.conv.weight.clone()
        load_backbone(network, shared / "weights" / "resnet50_imagenet.safetensors")
        assert not torch.equal(before, network.res5[2].increase.conv.weight)
        assert all(value.isfinite().all() for value in network.state_dict().values())


@pytest.mark.parametrize("width", [1.0, 0.5])
@torch.inference_mode()
def test_the_rewritten_stem_gives_what_resnets_gave(tmp_path, width):
    generator = torch.Generator().manual_seed(0)
    source = {
        "conv1.weight": torch.randn(64, 3, 7, 7, generator=generator) * 0.02,
        "bn1.weight": torch.rand(64, generator=generator) + 0.5,
        "bn1.bias": torch.randn(64, generator=generator),
        "bn1.running_mean": torch.randn(64, generator=generator),
        "bn1.running_var": torch.rand(64, generator=generator) + 0.5,
    }
    # Low frequencies, as in photographs: what a narrow stem cannot carry is small.
    images = F.interpolate(torch.randn(4, 3, 24, 32, generator=generator), (192, 256), mode="bicubic") * 60
    source["conv1.weight"] = F.avg_pool2d(source["conv1.weight"], 3, 1, 1)
    save_file(source, tmp_path / "r.safetensors")
    network = ICNet(3, width, EXITS)
    rewrite_stem(network, tmp_path / "r.safetensors", images)
    halved = images[..., ::2, ::2]
    x = F.conv2d(halved, source["conv1.weight"], stride=2, padding=3)
    norm = [source[f"bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    expected = F.batch_norm(x, *norm).relu()[..., 3:-3, 3:-3]
    given = network.stem.eval()(halved)[..., 3:-3, 3:-3]
    expected = expected[:, torch.arange(given.shape[1]) % 64]
    assert ((given - expected) ** 2).mean() / expected.var() < (0.01 if width == 1 else 0.05)
