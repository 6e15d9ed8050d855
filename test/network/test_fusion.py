import pytest
import torch
from torch import nn
from torch.nn import functional as F

from icnet_ros.network.cost import conv_macs
from icnet_ros.network.fold import fold_batch_norm
from icnet_ros.network.icnet import EXITS, DeconvFusion, ICNet, fusion_unit


@pytest.mark.parametrize(
    ("kind", "gmac"),
    [("deconv3", 23.59), ("deconv5", 26.81), ("deconv7", 31.65), ("cff", 29.03), ("cff_coarse", 23.59)],
)
def test_cost_of_the_fusion_units_of_table_3(kind, gmac):
    assert conv_macs(ICNet(19, fusion=kind), 1024, 2048) / 1e9 == pytest.approx(gmac, abs=0.01)


@torch.inference_mode()
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("size", [(9, 13), (10, 14), (9, 14)])
def test_deconvolution_equals_a_convolution_of_the_map_with_zeros_between(kernel, size):
    unit = DeconvFusion(4, 3, 5, kernel).eval()
    low, high = torch.randn(2, 4, 5, 7), torch.randn(2, 3, *size)
    spread = torch.zeros(2, 4, *size)
    spread[:, :, ::2, ::2] = low
    weight = unit.low.conv.weight.flip(2, 3).transpose(0, 1)
    expected = F.relu(unit.low.bn(F.conv2d(spread, weight, padding=kernel // 2)) + unit.high(high))
    torch.testing.assert_close(unit(low, high), expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("size", [(17, 25), (18, 26), (17, 26)])
def test_a_convolution_of_the_coarse_map_is_that_of_the_upsampled_one(size):
    torch.manual_seed(0)
    paper, coarse = fusion_unit("cff", 4, 3, 5).eval(), fusion_unit("cff_coarse", 4, 3, 5).eval()
    coarse.load_state_dict(paper.state_dict())
    low, high = torch.randn(2, 4, 9, 13), torch.randn(2, 3, *size)
    expected, found = paper(low, high), coarse(low, high)
    exact = [side % 2 == 1 for side in size]  # else the upsampled map is not quite twice as dense
    inside = (..., slice(2, -2), slice(2, -2))
    if all(exact):
        torch.testing.assert_close(found[inside], expected[inside], rtol=1e-4, atol=1e-4)
        assert not torch.allclose(found, expected, atol=1e-2), "zeros beyond the border are interpolated, too"
    else:
        assert (found[inside] - expected[inside]).abs().mean() < 0.1 * expected.abs().mean()


@torch.inference_mode()
def test_batch_norm_behind_a_deconvolution_folds():
    network = ICNet(4, 0.25, EXITS, fusion="deconv5").train()
    for seed in range(3):  # statistics that are not those of the start
        network(torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(seed)))
    folded, image = fold_batch_norm(network), torch.randn(1, 3, 65, 97)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    for one, two in zip(folded(image), network.eval()(image), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-3)


def test_an_unknown_fusion_is_refused():
    with pytest.raises(ValueError, match="fusion 'sum' is not one of"):
        fusion_unit("sum", 4, 4, 4)
