"""Nearly valid inputs for every parser: the right result, or an error of ours with a remedy.

`run.py` beside this runs as many as there is time for; this is a share of it with fixed seeds.
"""

import random

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from mutate import mutate
from oracle import check
from targets import TARGETS

SHARE, NIGHTLY = 60, 20_000  # inputs for each parser
SLOW = {"mcap": 4, "db3": 4, "ROS 1 bag": 4, "metadata.yaml": 4, "groups": 4, "classes": 2, "recipe": 2}


def fuzz(name, count):
    target = TARGETS[name]
    seeds = target.seeds()
    for one in seeds:
        check(target, one)

    @seed(0)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(seeds), st.integers(0, 2**32), st.integers(0, 9))
    def run(valid, number, tenth):
        check(target, mutate(valid, random.Random(number)), memory=tenth == 0)

    run()


@pytest.mark.parametrize("name", TARGETS)
def test_share(name):
    fuzz(name, SHARE // SLOW.get(name, 1))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TARGETS)
def test_nightly(name):
    fuzz(name, NIGHTLY // SLOW.get(name, 1))


def test_the_oracle_notices(monkeypatch):
    """A fuzzer that finds nothing may be one that cannot."""
    from targets import Target

    def wrong(data):
        if data.startswith(b"slow"):
            while True:
                pass
        if data.startswith(b"large"):
            return bytearray(200 << 20)
        raise KeyError(data)

    target = Target(lambda: [b"x"], wrong, (ValueError,))
    monkeypatch.setattr("oracle.SECONDS", 0.2)
    with pytest.raises(KeyError):
        check(target, b"x")
    with pytest.raises(BaseException, match="") as caught:
        check(target, b"slow")
    assert caught.type.__name__ == "TooSlowError"
    with pytest.raises(AssertionError, match="200 MiB for 5 bytes"):
        check(target, b"large", memory=True)
