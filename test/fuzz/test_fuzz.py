"""Nearly valid inputs for every parser: the right result, or an error of ours with a remedy.

`run.py` beside this runs as many as there is time for; this is a share of it with fixed seeds.
"""

import random
import subprocess
import sys
from pathlib import Path
from time import thread_time

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from mutate import mutate
from oracle import TooSlowError, check
from targets import TARGETS, Target

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


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TARGETS)
def test_guided_by_coverage(name, tmp_path):
    """Inputs that reach new lines of our code are changed further (atheris, which CI need not have)."""
    pytest.importorskip("atheris", reason="atheris is not installed")
    script = Path(__file__).parent / "guided.py"
    command = [sys.executable, script, name, "-max_total_time=60", "-seed=1", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_oracle_notices(monkeypatch):
    """A fuzzer that finds nothing may be one that cannot."""

    def wrong(data):
        if data.startswith(b"slow"):
            began = thread_time()
            while thread_time() < began + 0.3:
                pass
            return None
        if data.startswith(b"large"):
            return bytearray(200 << 20)
        raise KeyError(data)

    target = Target(lambda: [b"x"], wrong, (ValueError,))
    with pytest.raises(KeyError):
        check(target, b"x")
    with monkeypatch.context() as patch:
        patch.setattr("oracle.SECONDS", 0.2)
        with pytest.raises(TooSlowError):
            check(target, b"slow")
    with pytest.raises(AssertionError, match="200 MiB for 5 bytes"):
        check(target, b"large", memory=True)
