import pytest
import torch
from torch.nn import functional as F

from icnet_ros.network.pyramid import BINS, pool


@pytest.mark.parametrize("bins", BINS)
def test_official_windows_cover_the_whole_map(bins):
    """Every cell of a 33 x 65 map counts, and the number of windows is the number of bins."""
    cells = torch.eye(33 * 65).reshape(1, 33 * 65, 33, 65)
    pooled = pool(cells, bins, "official")
    assert pooled.shape[-2:] == (bins, bins)
    assert (pooled.amax((-1, -2)) > 0).all()


def test_official_windows_differ_from_adaptive_ones_only_at_bins_3_and_6():
    x = torch.randn(1, 2, 33, 65, generator=torch.Generator().manual_seed(0))
    same = {bins: torch.allclose(pool(x, bins, "official"), F.adaptive_avg_pool2d(x, bins), atol=1e-6) for bins in BINS}
    assert same == {1: True, 2: True, 3: False, 6: False}


def test_official_windows_need_the_official_size():
    with pytest.raises(ValueError, match=r"33x65.*adaptive"):
        pool(torch.zeros(1, 1, 32, 64), 3, "official")
