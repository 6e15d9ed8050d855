import json
import sys
import warnings

import cv2
import pytest
import torch
import yaml
from street import draw_camvid
from torch import nn

from icnet_ros.benchmark.memory import activation_memory
from icnet_ros.benchmark.paper import ROWS, Subject, measure
from icnet_ros.benchmark.timing import interleaved
from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import save, untrained
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.command.main import main
from icnet_ros.network.cost import conv_macs
from icnet_ros.network.fold import fold_batch_norm
from icnet_ros.network.icnet import ICNet
from icnet_ros.network.pspnet import PSPNet50

MB = 1e6


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["icnet", "benchmark", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main())
    assert not stop.value.code


def test_memory_of_a_chain_counted_by_hand():
    """3x8x8 -> 16x8x8 (ReLU in place) -> 4x4x4 -> 8x4x4, 4 bytes each."""
    chain = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(16, 4, 2, 2), nn.Conv2d(4, 8, 1)
    )
    memory = activation_memory(chain, 8, 8)
    image, first, second, third = 3 * 64 * 4, 16 * 64 * 4, 4 * 16 * 4, 8 * 16 * 4
    assert memory.total == image + first + second + third
    assert memory.peak == image + first + second  # the caller holds the image throughout


def test_memory_leaves_the_network_alone_and_grows_with_the_exits():
    networks = [fold_batch_norm(ICNet(4, 0.25, (name,))) for name in ("sub4", "sub24", "sub124")]
    sizes = [activation_memory(network, 128, 256) for network in networks]
    assert sizes[0].total < sizes[1].total < sizes[2].total
    assert all(memory.peak < memory.total for memory in sizes)
    assert next(networks[0].parameters()).device.type == "cpu"


def test_contestants_take_turns_and_medians_leave_out_the_warm_up(monkeypatch):
    clock, order = [0.0], []
    costs = {"a": iter([100, 1, 50, 3]), "b": iter([100, 4, 5, 6])}

    def contestant(name):
        def run():
            order.append(name)
            clock[0] += next(costs[name])

        return run

    monkeypatch.setattr("icnet_ros.benchmark.timing.perf_counter", lambda: clock[0])
    seconds = interleaved({name: contestant(name) for name in costs}, 3, lambda *_: None)
    assert order == ["a", "b"] * 4
    assert seconds == {"a": 3, "b": 5}


def test_rows_of_the_paper_have_the_published_cost():
    cost = {(row.table, row.name): row for row in ROWS}
    assert cost[("table 2: branches", "sub124")].subject == Subject("icnet", width=0.5)
    measured = measure([row for row in ROWS if "table 2" in row.table], "cpu", 2, 1, lambda *_: None, shrink=16)
    assert [one["name"] for one in measured] == ["PSPNet50 half", "sub4", "sub24", "sub124"]
    assert measured[0]["speedup"] == measured[0]["mac_ratio"] == 1
    assert measured[3]["paper_speedup"] == pytest.approx(170 / 33)
    assert measured[3]["mac_ratio"] == pytest.approx(12.7, abs=0.6)
    gmac = [one["gmac"] for one in measured]
    assert gmac[1] < gmac[2] < gmac[3] < gmac[0]


def test_benchmark_paper(monkeypatch, tmp_path, capsys):
    out, picture = tmp_path / "o" / "paper.json", tmp_path / "o" / "paper.png"
    run(monkeypatch, "paper", "--only", "table 3", "--shrink", 16, "--rounds", 1, "--json", out, "--picture", picture)
    rows = json.loads(out.read_text())["rows"]
    assert [row["subject"]["fusion"] for row in rows] == ["cff", "deconv3", "deconv5", "deconv7"]
    assert all(row["ms"] > 0 for row in rows)
    assert cv2.imread(str(picture)).std() > 5
    assert "deconvolution 7x7" in capsys.readouterr().out


def test_benchmark_engines(monkeypatch, tmp_path, tiny):
    save(tmp_path / "m.safetensors", tiny.spec, tiny.weights)
    out = tmp_path / "engines.json"
    run(monkeypatch, "engines", "--model", tmp_path / "m.safetensors", "--size", "64x96", "--rounds", 2, "--json", out)
    one = json.loads(out.read_text())
    rows = {row["engine"]: row for row in one["rows"]}
    assert rows["eager torch"]["speedup"] == 1
    assert rows["torch"]["agreement"] > 0.999
    assert one["starts"]["torch"]["first_label_s"] > 0
    assert (rows["torch"]["height"], rows["torch"]["width"]) == (64, 96)
    if "error" not in rows["onnxruntime"]:
        assert rows["onnxruntime"]["agreement"] > 0.999


def test_benchmark_stages(monkeypatch, tmp_path):
    out = tmp_path / "stages.json"
    run(monkeypatch, "stages", "--size", "128x256", "--rounds", 1, "--json", out)
    rows = {row["stage"]: row for row in json.loads(out.read_text())["rows"]}
    assert rows["postprocess"]["different"] <= 2  # ties within float rounding
    assert all(rows[name]["speedup"] > 0 for name in ("preprocess", "postprocess", "overlay"))
    assert rows["decode"]["plain_ms"] is None


def test_benchmark_layers(monkeypatch, tmp_path):
    """Multiply-accumulates by stage are the published ones: 4.2 times as many a block in stage 5 as in 4."""
    out, picture = tmp_path / "layers.json", tmp_path / "layers.png"
    sizes = ["--size", "128x256", "--size", "64x128"]
    run(monkeypatch, "layers", *sizes, "--rounds", 2, "--json", out, "--picture", picture)
    rows = json.loads(out.read_text())["rows"]
    large, small = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    by_stage = {row["stage"]: row for row in large}
    assert all(row["ms"] > 0 for row in rows)
    assert by_stage["stage 5"]["gmac_per_block"] / by_stage["stage 4"]["gmac_per_block"] == pytest.approx(
        4.22, abs=0.01
    )
    assert sum(row["gmac"] for row in large) == pytest.approx(conv_macs(PSPNet50(19), 128, 256) / 1e9)
    for one, other in zip(large, small, strict=True):
        if one["stage"].startswith("stage"):
            assert one["gmac"] / other["gmac"] == pytest.approx(4)
    assert cv2.imread(str(picture)) is not None


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_benchmark_peers(monkeypatch, tmp_path, engine, capsys):
    pytest.importorskip("onnx")
    pytest.importorskip(engine)
    draw_camvid(tmp_path / "data")
    table = {"classes": "camvid", "channel_order": "rgb", "value_range": 1, "mean": [0, 0, 0], "std": [1, 1, 1]}
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.Conv2d(8, 11, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.zeros(1, 3, 64, 96),), str(tmp_path / "peer.onnx"), dynamo=False)
    (tmp_path / "peer.yaml").write_text(yaml.safe_dump(table))
    save(tmp_path / "m.safetensors", (model := untrained(load_classes("camvid"), 0.25)).spec, model.weights)
    out, picture = tmp_path / "peers.json", tmp_path / "peers.png"
    words = ["--model", tmp_path / "m.safetensors", "--model", tmp_path / "peer.onnx", "--size", "64x96", "--rounds", 3]
    words += ["--engine", engine, "--exit", "sub124", "--exit", "sub4", "--precision", "fp32", "--precision", "int8"]
    words += ["--data", "camvid", "--root", tmp_path / "data", "--limit", 2, "--picture", picture]
    run(monkeypatch, "peers", *words, "--json", out)
    rows = {row["name"]: row for row in json.loads(out.read_text())["rows"]}
    assert list(rows) == ["m sub124", "m sub124 int8", "m sub4", "m sub4 int8", "peer", "peer int8"]
    assert all("icnet quantize" in rows[f"{name} int8"]["error"] for name in ("m sub124", "m sub4", "peer"))
    assert rows["m sub124"]["ratio"] == 1
    assert rows["peer"]["cpu_ms"] > 0
    # The exported pyramid pools with matrix products, which count.
    assert rows["m sub124"]["gmac"] == pytest.approx(conv_macs(model.network(["sub124"]), 64, 96) / 1e9, rel=0.01)
    assert rows["m sub4"]["gmac"] < rows["m sub124"]["gmac"]
    assert rows["peer"]["gmac"] * 1e9 == 32 * 48 * (8 * 27 + 11 * 8)
    assert rows["peer"]["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert all(0 <= row["miou"] <= 1 for row in rows.values() if "error" not in row)
    assert cv2.imread(str(picture)) is not None
    assert "peer int8: precision int8 needs" in capsys.readouterr().out


def test_peers_with_the_same_file_name_are_told_apart(tmp_path):
    from icnet_ros.benchmark.networks.peers import candidates
    from icnet_ros.checkpoint.file import open_checkpoint

    model = untrained(load_classes("camvid"), 0.25)
    for folder in ("a", "b"):
        save(tmp_path / folder / "best.safetensors", model.spec, model.weights)
    both = [open_checkpoint(tmp_path / folder / "best.safetensors") for folder in ("a", "b")]
    names = [candidate.name for candidate in candidates(both, ["sub4"], ["fp32"])]
    assert names == [f"{tmp_path}/{folder}/best.safetensors sub4" for folder in ("a", "b")]
    with pytest.raises(CheckpointError, match=r"a/best\.safetensors is given twice"):
        candidates([both[0], *both], ["sub4"], ["fp32"])


def test_ratios_refer_to_the_first_network_or_to_none(monkeypatch, tmp_path):
    save(tmp_path / "m.safetensors", (model := untrained(load_classes("camvid"), 0.25)).spec, model.weights)
    words = ["--model", tmp_path / "m.safetensors", "--size", "64x96", "--rounds", 1, "--json", tmp_path / "p.json"]
    run(monkeypatch, "peers", *words, "--precision", "int8", "--precision", "fp32")
    first, second = json.loads((tmp_path / "p.json").read_text())["rows"]
    assert "icnet quantize" in first["error"]
    assert second["ratio"] is None
    monkeypatch.setattr(sys, "argv", ["icnet", "benchmark", "peers", *map(str, words), "--precision", "int8"])
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main())
    assert stop.value.code == 1


def test_a_wrong_size_is_explained(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["icnet", "benchmark", "stages", "--size", "big"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "HEIGHTxWIDTH" in capsys.readouterr().err


@pytest.mark.gpu
def test_times_on_a_gpu_are_those_of_finished_work():
    rows = measure(ROWS[10:13], "cuda", 0, 3, lambda *_: None, shrink=4)
    assert all(row["ms"] > 0.05 for row in rows)
    assert torch.cuda.is_available()


def test_benchmark_agreement(monkeypatch, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    draw_camvid(tmp_path)
    save(tmp_path / "m.safetensors", (model := untrained(load_classes("camvid"), 0.25)).spec, model.weights)
    out = tmp_path / "agreement.json"
    run(
        monkeypatch,
        "agreement",
        "--data",
        "camvid",
        "--root",
        tmp_path,
        "--model",
        tmp_path / "m.safetensors",
        "--json",
        out,
    )
    assert json.loads(out.read_text())["agreement"]["onnxruntime"] > 0.999
    assert "of the pixels as torch labels them" in capsys.readouterr().out


def test_benchmark_scaling(monkeypatch, tmp_path):
    """The figures of synthetic curves are those they were made with."""
    from icnet_ros.benchmark import scaling

    assert scaling.fit_line([1, 2, 4], [7, 9, 13]) == pytest.approx((2, 5, 1))
    assert scaling.amdahl(100, 100 * (0.2 + 0.8 / 4), 4) == pytest.approx(0.2)
    assert scaling.amdahl(100, 100, 1) is None
    monkeypatch.setattr(scaling, "SIZES", ((64, 96), (96, 128)))
    monkeypatch.setattr(scaling, "THREADS_SIZE", (64, 96))
    model = untrained(load_classes("camvid"), 0.25)
    save(tmp_path / "m.safetensors", model.spec, model.weights)
    out, picture = tmp_path / "scaling.json", tmp_path / "scaling.png"
    words = ["--model", tmp_path / "m.safetensors", "--engine", "torch", "--rounds", 2, "--picture", picture]
    run(monkeypatch, "scaling", *words, "--json", out)
    result = json.loads(out.read_text())
    assert [point["size"] for point in result["size"]["points"]] == [[64, 96], [96, 128]]
    assert result["threads"]["points"][0]["threads"] == 1
    assert cv2.imread(str(picture)) is not None


def test_without_matplotlib_only_pictures_are_refused(monkeypatch, tmp_path, capsys):
    """matplotlib is not in the extras that the README installs; a measurement must not be lost at its end."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "icnet_ros.benchmark.pictures", raising=False)
    words = ("layers", "--size", "64x64", "--rounds", "1", "--json", tmp_path / "layers.json")
    run(monkeypatch, *words)
    assert (tmp_path / "layers.json").exists()
    monkeypatch.setattr(sys, "argv", ["icnet", "benchmark", *map(str, words), "--picture", str(tmp_path / "a.png")])
    assert main() == 1
    assert "pip install 'icnet-ros[train]'" in capsys.readouterr().err
