import pytest
import torch

from icnet_ros.network.cost import conv_macs, parameters
from icnet_ros.network.pspnet import PSPNet50


@pytest.mark.parametrize(
    ("options", "millions", "gmac"),
    [
        ({}, 46.72, 1469.6),
        ({"width": 0.5}, 11.70, 367.7),
        ({"width": 0.25}, 2.93, 92.1),
        ({"head": "sum"}, 24.69, 885.5),
        ({"head": "sum", "width": 0.5}, 6.19, 221.7),
        ({"head": "sum", "width": 0.25}, 1.56, 55.6),
        ({"output_stride": 16}, 46.72, 464.4),
        ({"output_stride": 32}, 46.72, 256.5),
    ],
)
def test_size_and_cost(options, millions, gmac):
    network = PSPNet50(19, **options)
    assert parameters(network) / 1e6 == pytest.approx(millions, abs=0.005)
    assert conv_macs(network, 1024, 2048) / 1e9 == pytest.approx(gmac, rel=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize("stride", [8, 16, 32])
def test_logits_at_the_output_stride(stride):
    network = PSPNet50(4, 0.25, stride).eval()
    assert network(torch.randn(1, 3, 65, 97))[0].shape == (1, 4, -(-65 // stride), -(-97 // stride))


@pytest.mark.parametrize("options", [{"output_stride": 4}, {"head": "none"}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match=r"output stride 4|'none'"):
        PSPNet50(4, **options)
