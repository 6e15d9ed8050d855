import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from icnet_ros.network.cost import conv_macs, parameters
from icnet_ros.network.fold import fold_batch_norm, for_inference
from icnet_ros.network.icnet import EXITS, ICNet


@pytest.mark.parametrize(
    ("width", "count", "folded", "gmac"),
    [(0.5, 6_699_987, 6_685_715, 29.03), (1.0, 26_734_483, 26_705_939, 114.3), (0.25, 1_683_187, None, 7.48)],
)
def test_size_and_cost_of_the_official_graph(width, count, folded, gmac):
    network = ICNet(19, width)
    assert parameters(network) == count
    if folded:
        assert parameters(fold_batch_norm(network).requires_grad_(True)) == folded
    assert conv_macs(network, 1024, 2048) / 1e9 == pytest.approx(gmac, rel=5e-4)


@pytest.mark.parametrize(("size", "gmac"), [((1025, 2049), 29.81), ((720, 960), 9.66), ((640, 640), 5.67)])
def test_cost_at_other_sizes(size, gmac):
    assert conv_macs(ICNet(19), *size) / 1e9 == pytest.approx(gmac, rel=1e-3)


def test_auxiliary_heads_only_in_the_training_network():
    training = ICNet(19, exits=EXITS)
    assert parameters(training) == 6_699_987 + 256 * 19 + 19 + 128 * 19 + 19
    assert {"aux16", "aux8"} & {name for name, _ in ICNet(19).named_children()} == set()


def test_every_intermediate_shape_at_1025x2049():
    """(channels, height, width) of each layer's output in the published graph."""
    expected = {
        "stem.1": (32, 257, 513), "stem.2": (32, 257, 513), "stem.3": (64, 257, 513),
        "hi.1": (32, 513, 1025), "hi.2": (32, 257, 513), "hi.3": (64, 129, 257),
        "res3.1.reduce": (64, 65, 129), "res3.1.proj": (256, 65, 129),
        "pyramid": (1024, 33, 65), "k1": (256, 33, 65),
        "cff24.low": (128, 65, 129), "cff24.high": (128, 65, 129), "cff24": (128, 65, 129),
        "cff12.low": (128, 129, 257), "cff12.high": (128, 129, 257), "cff12": (128, 129, 257),
        "cls": (19, 257, 513),
    }  # fmt: skip
    for block in (1, 2, 3):
        expected[f"res2.{block}"] = (128, 129, 257)
        expected[f"res2.{block}.reduce"] = expected[f"res2.{block}.conv3"] = (32, 129, 257)
    expected |= {"res3.1": (256, 65, 129)} | {f"res3.{b}": (256, 33, 65) for b in (2, 3, 4)}
    expected |= {f"res4.{b}": (512, 33, 65) for b in range(1, 7)}
    expected |= {f"res4.{b}.conv3": (128, 33, 65) for b in range(1, 7)}
    expected |= {f"res5.{b}": (1024, 33, 65) for b in (1, 2, 3)}
    expected |= {f"res5.{b}.conv3": (256, 33, 65) for b in (1, 2, 3)}
    with torch.device("meta"):
        network = ICNet(19, windows="official").eval()
        image = torch.empty(1, 3, 1025, 2049)
    seen = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
    network(image)
    assert {name: tuple(seen[name].shape[1:]) for name in expected} == expected


def reference(w, image):
    """The layer table of the published prototxt, executed row by row with Caffe's own size rules."""
    blobs = {"data": image}

    def conv(name, source, role, stride=1, dilation=1, relu=True):
        weight = w[f"{role}.conv.weight"]
        pad = dilation * (weight.shape[-1] // 2)
        x = F.conv2d(blobs[source], weight, None, stride, pad, dilation)
        mean, var = w[f"{role}.bn.running_mean"], w[f"{role}.bn.running_var"]
        x = F.batch_norm(x, mean, var, w[f"{role}.bn.weight"], w[f"{role}.bn.bias"], False, 0, 1e-5)
        blobs[name] = x.relu() if relu else x

    def interp(name, source, *, zoom=None, shrink=None, size=None):
        h, v = blobs[source].shape[-2:]
        size = size or tuple((n - 1) * zoom + 1 if zoom else (n - 1) // shrink + 1 for n in (h, v))
        blobs[name] = F.interpolate(blobs[source], size=size, mode="bilinear", align_corners=True)

    def block(stage, number, source, out, stride=1, dilation=1):
        role, layer = f"res{stage}.{number}", f"conv{stage}_{number}"
        shortcut = source
        if f"{role}.proj.conv.weight" in w:
            shortcut = f"{layer}_1x1_proj"
            conv(shortcut, source, f"{role}.proj", stride, relu=False)
        conv(f"{layer}_r", source, f"{role}.reduce", stride)
        conv(f"{layer}_3x3", f"{layer}_r", f"{role}.conv3", dilation=dilation)
        conv(f"{layer}_i", f"{layer}_3x3", f"{role}.increase", relu=False)
        blobs[out] = (blobs[shortcut] + blobs[f"{layer}_i"]).relu()

    interp("data_sub2", "data", shrink=2)
    conv("conv1_1", "data_sub2", "stem.1", 2)
    conv("conv1_2", "conv1_1", "stem.2")
    conv("conv1_3", "conv1_2", "stem.3")
    blobs["pool1"] = F.max_pool2d(blobs["conv1_3"], 3, 2, 1, ceil_mode=True)
    source = "pool1"
    for number in (1, 2, 3):
        block(2, number, source, source := f"conv2_{number}")
    block(3, 1, source, "conv3_1", stride=2)
    interp("conv3_1_sub4", "conv3_1", shrink=2)
    source = "conv3_1_sub4"
    for stage, numbers, dilation in ((3, (2, 3, 4), 1), (4, range(1, 7), 2), (5, (1, 2, 3), 4)):
        for number in numbers:
            block(stage, number, source, source := f"conv{stage}_{number}", dilation=dilation)
    conv5_3 = blobs["conv5_3"]
    total = conv5_3
    windows = {6: ((8, 15), (5, 10)), 3: ((13, 25), (10, 20)), 2: ((17, 33), (16, 32)), 1: ((33, 65), (33, 65))}
    for bins, ((kh, kw), (sh, sw)) in windows.items():
        cells = [
            conv5_3[..., i * sh : i * sh + kh, j * sw : j * sw + kw].mean((-1, -2))
            for i, j in itertools.product(range(bins), repeat=2)
        ]
        blobs["pool"] = torch.stack(cells, -1).reshape(*conv5_3.shape[:2], bins, bins)
        interp("pool_interp", "pool", size=(33, 65))
        total = total + blobs["pool_interp"]
    blobs["conv5_3_sum"] = total
    conv("conv5_4_k1", "conv5_3_sum", "k1")
    interp("conv5_4_interp", "conv5_4_k1", zoom=2)
    conv("conv_sub4", "conv5_4_interp", "cff24.low", dilation=2, relu=False)
    conv("conv3_1_sub2_proj", "conv3_1", "cff24.high", relu=False)
    blobs["sub24_sum"] = (blobs["conv3_1_sub2_proj"] + blobs["conv_sub4"]).relu()
    interp("sub24_sum_interp", "sub24_sum", zoom=2)
    conv("conv_sub2", "sub24_sum_interp", "cff12.low", dilation=2, relu=False)
    conv("conv1_sub1", "data", "hi.1", 2)
    conv("conv2_sub1", "conv1_sub1", "hi.2", 2)
    conv("conv3_sub1", "conv2_sub1", "hi.3", 2)
    conv("conv3_sub1_proj", "conv3_sub1", "cff12.high", relu=False)
    blobs["sub12_sum"] = (blobs["conv3_sub1_proj"] + blobs["conv_sub2"]).relu()
    interp("sub12_sum_interp", "sub12_sum", zoom=2)
    heads = (("aux16", "conv5_4_interp"), ("aux8", "sub24_sum_interp"), ("cls", "sub12_sum_interp"))
    return [F.conv2d(blobs[source], w[f"{head}.weight"], w[f"{head}.bias"]) for head, source in heads]


@torch.inference_mode()
def test_equals_the_published_layer_table_row_by_row():
    torch.manual_seed(0)
    network = ICNet(5, 0.25, EXITS, "official").eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.1)
    image = torch.randn(1, 3, 1025, 2049)
    for ours, theirs in zip(network(image), reference(network.state_dict(), image), strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < 1e-3 * theirs.abs().max()


@torch.inference_mode()
@settings(max_examples=25, deadline=None)
@given(st.integers(32, 150), st.integers(32, 150))
def test_any_size_gives_finite_logits_of_the_promised_shape(height, width):
    network = ICNet(3, 0.25, EXITS).eval()
    for logits, stride in zip(network(torch.randn(1, 3, height, width)), (16, 8, 4), strict=True):
        assert logits.shape == (1, 3, -(-height // stride), -(-width // stride))
        assert logits.isfinite().all()


@pytest.mark.parametrize("size", [(31, 64), (64, 31)])
def test_too_small_an_image_is_refused(size):
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]}.*at least 32x32"):
        ICNet(3, 0.25)(torch.zeros(1, 3, *size))


@torch.inference_mode()
def test_fewer_exits_give_the_same_logits():
    whole = ICNet(4, 0.25, EXITS).eval()
    image = torch.randn(1, 3, 65, 97)
    for number, name in enumerate(EXITS):
        part = ICNet(4, 0.25, (name,)).eval()
        part.load_state_dict({key: whole.state_dict()[key] for key in part.state_dict()})
        assert torch.equal(part(image)[0], whole(image)[number])


@pytest.mark.parametrize("exits", [(), ("sub124", "sub4"), ("sub5",)])
def test_impossible_exits_are_refused(exits):
    with pytest.raises(ValueError, match="not a choice of"):
        ICNet(3, exits=exits)


def test_impossible_width_is_refused():
    with pytest.raises(ValueError, match=r"width 0\.3"):
        ICNet(3, 0.3)


@torch.inference_mode()
def test_folding_batch_norm_changes_nothing_but_speed():
    network = ICNet(4, 0.25).train()
    network(torch.randn(2, 3, 64, 96))  # move the running statistics
    network.eval()
    folded = fold_batch_norm(network)
    image = torch.randn(1, 3, 65, 97)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    torch.testing.assert_close(folded(image)[0], network(image)[0], rtol=1e-3, atol=1e-3)


def test_gradients_reach_every_weight():
    network = ICNet(3, 0.25, EXITS).train()
    sum(logits.square().mean() for logits in network(torch.randn(2, 3, 64, 64))).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("fusion", ["cff", "deconv5"])
def test_classifying_before_the_last_resize_gives_the_same_logits(fusion):
    network = ICNet(7, width=0.25, exits=EXITS, fusion=fusion).eval()
    for height, width in ((64, 96), (65, 97), (129, 290), (33, 40)):
        image = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0)) * 60
        with torch.no_grad():
            expected, found = network(image), for_inference(network)(image)
        for one, other in zip(expected, found, strict=True):
            assert one.shape == other.shape
            assert (one - other).abs().max() < 1e-4 * one.abs().max()
    assert not network.classify_first  # a copy was changed, the network of the paper stays as it is
