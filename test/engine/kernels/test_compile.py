"""What is compiled ahead is what runs: nothing is compiled while frames wait."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from icnet_ros.engine.kernels import compile as kernels
from icnet_ros.wire.arrays import kernel_input

LABELLING = """
import cv2, numpy as np
from icnet_ros.checkpoint.default import load_model
from icnet_ros.engine.base import EngineOptions, Frame, Request
from icnet_ros.engine.kernels import groups, upsample
from icnet_ros.engine.kernels.compile import KERNELS, dispatchers
from icnet_ros.engine.table import open_engine
from icnet_ros.wire.cloud import decode_depth, encode_cloud
from icnet_ros.wire.decoders.image import decode_image
from icnet_ros.wire.image import encode_image, make_header

header = make_header(1, "camera")
picture = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), (96, 64))
received = decode_image(encode_image(header, picture, "rgb8")).pixels  # a view into the message: read only
assert not received.flags.writeable
for options in (EngineOptions(), EngineOptions(label_groups="drivable"), EngineOptions(rotate=90)):
    engine = open_engine("openvino", load_model(""), options)
    for frame in (Frame(picture), Frame(received, "rgb"), Frame(picture[:, ::-1]), Frame(picture, size=(32, 48))):
        for confidence in (False, True):
            found = engine.segment([frame], Request(confidence=confidence, scores=(0, 1)))[0]
            assert found.labels.shape == frame.label_size
depth = decode_depth(encode_image(header, np.full((64, 96), 2.0, np.float32), "32FC1"))[1]
for rgb in (received, picture, picture[:, ::-1]):
    labels = np.zeros((64, 96), np.uint8)
    for k in (np.eye(3).reshape(-1), np.frombuffer(np.eye(3).tobytes())):
        encode_cloud(header, depth, k, rgb, labels, labels.T.copy().T)
logits = np.zeros((8, 12, 19), np.float32)
received = np.frombuffer(logits.tobytes(), np.float32).reshape(logits.shape)
for given in (logits, received, logits[::-1], logits.astype(np.float16)):
    upsample.label_map(given, 64, 96)
    groups.score_map(given, np.zeros(19, np.int64), 1, 64, 96)
for name, run in KERNELS.items():
    run()
    for one in dispatchers(name):
        print(name, len(one.signatures), sum(one.stats.cache_misses.values()))
"""


def python(*arguments, cwd=None, **environment):
    result = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_frames_run_exactly_what_is_compiled_ahead():
    """Every kernel has one signature, that of `KERNELS`, however the arrays of a frame came; and it is in the cache."""
    pytest.importorskip("openvino")
    lines = python("-m", "icnet_ros.engine.kernels.compile")
    assert sorted(line.split(":")[0] for line in lines) == sorted(f"kernel {name}" for name in kernels.KERNELS)
    lines = python("-c", LABELLING)
    assert {line.split()[0] for line in lines} == set(kernels.KERNELS)
    assert [line for line in lines if line.split()[1:] != ["1", "0"]] == []


def test_the_package_that_was_built_has_them_in_its_cache(tmp_path):
    """The node runs from build/, `make build` compiles from the checkout: both must mean the same files."""
    code = "from icnet_ros.engine.kernels import compile as k; print(k.PACKAGES)\n"
    code += "print([name for name in k.KERNELS if not k._is_cached(name)])"
    place, missing = python("-c", code, cwd=tmp_path)
    if Path(place).is_relative_to(Path(__file__).parents[3] / "build"):
        assert missing == "[]"
    else:
        pytest.skip(f"icnet_ros is not that of `make build`, but of {place}")


def test_an_engine_has_kernels_compiled_by_another_process(tmp_path):
    """As with a first run from a folder that holds no compiled kernels."""
    code = (
        "from icnet_ros.engine.kernels.compile import dispatchers, loaded; loaded('points').wait()\n"
        "stats = dispatchers('points')[0].stats; print(len(stats.cache_hits), len(stats.cache_misses))"
    )
    assert python("-c", code, NUMBA_CACHE_DIR=str(tmp_path)) == ["1 0"]
    assert list(tmp_path.rglob("*.nbi"))


def test_a_kernel_is_compiled_again_when_a_function_that_it_calls_has_changed(tmp_path):
    """numba looks at the file of the kernel only; what it calls may lie in another one."""
    package = Path(kernels.__file__).parents[2]
    shutil.copytree(package, tmp_path / "icnet_ros", ignore=shutil.ignore_patterns("__pycache__"))
    options = {"cwd": tmp_path, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    compile_one = ("-m", "icnet_ros.engine.kernels.compile", "confidence")
    assert "compiled" in python(*compile_one, **options)[0]
    assert "in the cache" in python(*compile_one, **options)[0]
    source = tmp_path / "icnet_ros" / "engine" / "kernels" / "rows.py"
    source.write_text(source.read_text().replace("np.float32(1e30)", "np.float32(2)"))
    assert "compiled" in python(*compile_one, **options)[0]
    code = "from icnet_ros.engine.kernels.upsample import *; logits = np.zeros((2, 2, 2), np.float32)\n"
    code += "logits[..., 0] = 10; print(label_and_confidence(logits, 4, 4)[1].max())"
    assert python("-c", code, **options) == ["225"]  # of logits that are limited to 2


def test_a_kernel_that_does_not_exist(capsys):
    assert kernels.main(["labels", "lables"]) == 2
    assert "no kernel 'lables'; there are labels, normalise" in capsys.readouterr().err


@pytest.mark.parametrize("given", [np.arange(12), np.arange(12).reshape(3, 4).T, np.arange(24)[::-2], np.float64(3)])
def test_the_input_of_a_kernel(given):
    found = kernel_input(given, np.float32)
    assert found.flags.c_contiguous
    assert not found.flags.writeable
    assert found.dtype == np.float32
    assert np.array_equal(found, np.atleast_1d(given))


def test_the_input_of_a_kernel_is_a_view_and_leaves_the_array_writeable():
    array = np.zeros((4, 5), np.uint8)
    assert np.shares_memory(kernel_input(array, np.uint8), array)
    assert array.flags.writeable
