import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icnet_ros.metrics.regions import BIN, BINS, RegionAccuracy


def flood(truth, start, seen):
    """Pixels reached from `start` over neighbours of the same class, corners too; plain Python."""
    stack, region = [start], []
    seen.add(start)
    while stack:
        y, x = stack.pop()
        region.append((y, x))
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                at = y + dy, x + dx
                inside = 0 <= at[0] < truth.shape[0] and 0 <= at[1] < truth.shape[1]
                if inside and at not in seen and truth[at] == truth[start]:
                    seen.add(at)
                    stack.append(at)
    return region


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_agrees_with_a_flood_fill(seed):
    rng = np.random.default_rng(seed)
    truth = rng.choice(np.array([0, 1, 2, 255], np.uint8), (9, 11))
    labels = {name: rng.integers(0, 3, (9, 11), np.uint8) for name in ("sub4", "sub24", "sub124")}
    accuracy = RegionAccuracy(list(labels), 3)
    accuracy.update(truth, labels)
    seen = set()
    regions = [flood(truth, at, seen) for at in np.ndindex(truth.shape) if at not in seen and truth[at] != 255]
    report = accuracy.report()
    assert report["regions"][0] == len(regions)
    for name, values in labels.items():
        shares = [np.mean([values[at] == truth[at] for at in region]) for region in regions]
        assert report["accuracy"][name][0] == pytest.approx(np.mean(shares))
    gain = report["accuracy"]["sub24"][0] - report["accuracy"]["sub4"][0]
    assert report["gain"]["sub24-sub4"][0] == pytest.approx(gain)


def test_bins_and_limit():
    def counted(height, width):
        accuracy = RegionAccuracy(["sub4", "sub24"], 1)
        truth = np.zeros((height, width), np.uint8)
        accuracy.update(truth, {"sub4": truth, "sub24": truth})
        return [place for place, count in enumerate(accuracy.report()["regions"]) if count]

    assert counted(1, BIN) == [0]
    assert counted(1, BIN + 1) == [1]
    assert counted(BINS, BIN) == [BINS - 1]
    assert counted(1, BIN * BINS + 1) == []
    empty = RegionAccuracy(["sub4", "sub24"], 1).report()
    assert set(empty["gain"]["sub24-sub4"]) == {None}
