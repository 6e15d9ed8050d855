import pytest
from hypothesis import given
from hypothesis import strategies as st

from icnet_ros.benchmark.node.rate_search import highest_rate


@given(st.floats(0.5, 1500), st.floats(0.5, 1500))
def test_the_highest_rate_is_found_from_any_start(capacity, start):
    tried = []

    def share_dropped(rate):
        tried.append(rate)
        return max(0.0, 1 - capacity / rate)

    found = highest_rate(share_dropped, start)
    limit = capacity / 0.95
    assert limit / 1.031 <= found <= limit
    assert len(tried) < 25


@pytest.mark.parametrize(("dropped", "expected"), [(1.0, 0.0), (0.0, 2000.0)])
def test_a_node_that_never_or_always_keeps_up(dropped, expected):
    assert highest_rate(lambda _: dropped, 10.0) == expected
