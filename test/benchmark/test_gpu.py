"""`icnet benchmark gpu`, on the CPU; on a GPU if there is one."""

import json
import subprocess
import sys

import cv2
import pytest
import torch

from icnet_ros.benchmark import gpu
from icnet_ros.benchmark.gpu import Case, cases, disagreements, measure
from icnet_ros.share import share
from icnet_ros.wire.pictures.picture_file import read_picture

pytest.importorskip("matplotlib")


@pytest.mark.nightly
def test_the_command_on_the_cpu(tmp_path, model):
    words = ["--device", "cpu", "--size", "64x96", "--size", "96x128", "--batch", 2, "--rounds", 2, "--model", model]
    command = [sys.executable, "-m", "icnet_ros.command.main", "benchmark", "gpu", "-o", tmp_path, *words]
    done = subprocess.run([*map(str, command), "--soak-seconds", "1.5"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "gpu.json").read_text())
    names = [row["name"] for row in result["rows"]]
    assert names == [
        "torch, fp32, 64x96", "torch, bf16, 64x96", "torch, fp32, 96x128", "torch, bf16, 96x128",
        "torch, bf16, 96x128, batch 2",
    ]  # fmt: skip
    assert all(row["ok"] for row in result["rows"])
    assert result["rows"][0]["agreement"] > 0.999
    assert (result["soak"]["failures"], result["wrong"]) == (0, [])
    assert result["soak"]["frames"] > 0
    assert result["roofline"]["peak_gflops"]["fp32"] > 1
    assert "Labels agree with those of the CPU" in (tmp_path / "gpu.html").read_text()
    assert cv2.imread(str(tmp_path / "gpu.png")) is not None


def test_labels_that_differ_are_wrong(tiny, monkeypatch):
    monkeypatch.setitem(gpu.AGREEMENT, "bf16", 1.1)
    picture = read_picture(share("demo", "leuvenA.jpg"))
    chosen = [Case("torch", "fp32", (64, 96)), Case("torch", "bf16", (64, 96)), Case("abacus", "fp32", (64, 96))]
    rows = measure(tiny, "cpu", chosen, picture, 1, lambda *_: None)
    assert [row.get("ok") for row in rows] == [True, False, None]
    assert "unknown engine 'abacus'" in rows[2]["error"]
    assert disagreements(rows, {"failures": 0}) == [
        f"torch, bf16, 64x96: {rows[1]['agreement']:.2%} of the pixels as on the CPU, at least 110.0% expected"
    ]
    assert disagreements([], {"failures": 2}) == ["soak: 2 calls failed"]


@pytest.mark.gpu
def test_on_a_gpu(tiny):
    picture = read_picture(share("demo", "leuvenA.jpg"))
    rows = measure(tiny, "cuda", cases("cuda", [(96, 128)], [2]), picture, 3, lambda *_: None)
    assert all(row["ok"] for row in rows if "error" not in row)
    assert torch.cuda.is_available()
