"""What works without the optional packages, and what the commands that need one say."""

import json
import subprocess
import sys
from dataclasses import replace

import cv2
import pytest
from blocked import environment
from drives import make_bag
from street import draw_camvid

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import open_checkpoint, save, untrained
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine
from icnet_ros.packages import EXTRAS, advice
from icnet_ros.share import share

pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

# Runs several commands in one process, as its start takes longer than most of them.
RUN = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from icnet_ros.command.main import main
results = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["icnet", *words]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main()
        except SystemExit as stop:
            code = stop.code or 0
    results.append((code, " ".join(out.getvalue().split()), err.getvalue()))
print(json.dumps(results))
"""

HELP = """
import importlib, json, pkgutil, typer
from importlib.util import find_spec
from click.testing import CliRunner
import icnet_ros.engine.table
import icnet_ros.command.main
def walk(command, words):
    yield words
    for name, one in getattr(command, "commands", {}).items():
        yield from walk(one, [*words, name])
root = typer.main.get_command(icnet_ros.command.main.app)
results = {" ".join(words): CliRunner().invoke(root, [*words, "--help"]).exit_code for words in walk(root, [])}
if find_spec("rclpy"):
    import icnet_ros.node
    for module in pkgutil.walk_packages(icnet_ros.node.__path__, "icnet_ros.node."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as err:
            if err.name.partition(".")[0] not in ("launch", "launch_ros"):  # of a whole ROS installation
                raise
print(json.dumps(results))
"""


def icnet(folder, blocked, *commands, **variables):
    """(exit code, stdout, stderr) of each command where the packages `blocked` are not installed."""
    words = [sys.executable, "-c", RUN, json.dumps([list(map(str, command)) for command in commands])]
    env = environment(folder, *blocked, **variables)
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def camvid(tmp_path_factory):
    """A folder with drawn CamVid and a random checkpoint of its classes."""
    folder = tmp_path_factory.mktemp("camvid")
    draw_camvid(folder / "data")
    checkpoint = untrained(load_classes("camvid"), width=0.25)
    save(folder / "m.safetensors", replace(checkpoint.spec, trained=True), checkpoint.weights)
    return folder


def test_pictures_are_labelled_without_torch(tmp_path):
    """In fp32 a graph is made from the shipped weights; its labels are those of torch."""
    photo = share("demo", "leuvenA.jpg")
    names = [(engine, precision) for engine in ("openvino", "onnxruntime") for precision in ("fp32", "int8")]
    results = icnet(
        tmp_path,
        ["torch"],
        *(
            ["segment", photo, "-o", tmp_path / engine / precision, "--engine", engine, "--precision", precision]
            for engine, precision in names
        ),
        ICNET_CACHE=str(tmp_path / "cache"),
    )
    assert [code for code, _, _ in results] == [0] * 4, results
    checkpoint = open_checkpoint(share("models", "icnet_street.safetensors"))
    frame = Frame(cv2.imread(str(photo)))
    expected = open_engine("torch", checkpoint, EngineOptions("cpu")).segment([frame])[0].labels
    for engine, precision in names:
        path = tmp_path / engine / precision / "leuvenA_labels.png"
        same = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) == expected).mean()
        assert same > (0.9999 if precision == "fp32" else 0.95)


def test_the_shipped_int8_model_needs_openvino_only(tmp_path):
    blocked = ["torch", "onnx", "onnxruntime", "nncf", "matplotlib", "scipy", "lightning_fabric", "ray", "rerun"]
    words = ["segment", share("demo", "leuvenA.jpg"), "-o", tmp_path / "out"]
    int8, fp32, foreign = icnet(
        tmp_path,
        blocked,
        [*words, "--precision", "int8"],
        [*words, "--precision", "fp32"],
        [*words, "--model", "net.onnx"],
        ICNET_CACHE=str(tmp_path / "cache"),
    )
    assert int8[0] == 0, int8
    assert fp32[::2] == [1, "error: " + advice("engine 'openvino'", "onnx", "openvino") + "\n"]
    assert foreign[::2] == [1, "error: " + advice("net.onnx: an ONNX file", "onnx") + "\n"]


def test_evaluation_export_and_benchmarks_without_torch(camvid, tmp_path, engine):
    make_bag(tmp_path / "bag", engine)
    model = ["--model", camvid / "m.safetensors"]
    data = ["--data", "camvid", "--root", camvid / "data", "--limit", 1]
    commands = [
        ["info", camvid / "m.safetensors"],
        ["model", "list"],
        ["evaluate", *model, *data, "--engine", "openvino"],
        ["export", *model, "-o", tmp_path / "m.onnx"],
        ["export", *model, "--format", "openvino", "-o", tmp_path / "m.xml"],
        ["replay", tmp_path / "bag", *model, "-o", tmp_path / "replayed", "--no-video"],
        ["benchmark", "peers", *model, *data, "--size", "64x96", "--rounds", 1],
        ["benchmark", "sizes", *model, *data, "--rows", 64, "--size", "64x96", "--rounds", 1, "--save"],
    ]
    results = icnet(tmp_path, ["torch"], *commands)
    for words, (code, _, err) in zip(commands, results, strict=True):
        assert (words[:2], code) == (words[:2], 0), err
    assert open_checkpoint(camvid / "m.safetensors").spec.metrics["ladder"]


def test_what_needs_torch_says_so_in_one_line(camvid, tmp_path):
    model = ["--model", camvid / "m.safetensors"]
    data = ["--data", "camvid", "--root", camvid / "data"]
    (tmp_path / "weights.pth").write_bytes(b"PK\x03\x04")
    photo = share("demo", "leuvenA.jpg")
    expected = {
        "train": (["train", *data, "-o", tmp_path / "out"], "training", "train"),
        "prune": (["prune", camvid / "m.safetensors", *data, "-o", tmp_path / "out"], "training", "train"),
        "ablate": (["ablate", *data, "-o", tmp_path / "out"], "training", "train"),
        "average": (["average", *[camvid / "m.safetensors"] * 2, "-o", tmp_path / "a.safetensors"], "averaging", ""),
        "import": (["import", tmp_path / "weights.pth", "-o", tmp_path / "a.safetensors"], "importing weights", ""),
        "evaluate": (["evaluate", *model, *data], "evaluating every exit at once (without --engine)", ""),
        "segment": (["segment", photo, "-o", tmp_path / "out", "--engine", "torch"], "engine 'torch'", ""),
        "engines": (["benchmark", "engines", *model, "--rounds", 1], "the comparison with eager torch", ""),
        "agreement": (["benchmark", "agreement", *model, *data], "engine 'torch'", ""),
        "stages": (["benchmark", "stages", *model], "this command", ""),
        "paper": (["benchmark", "paper"], "this command", ""),
        "layers": (["benchmark", "layers"], "this command", ""),
        "gpu": (["benchmark", "gpu", "-o", tmp_path / "out"], "this command", ""),
    }
    results = icnet(tmp_path, ["torch"], *(words for words, _, _ in expected.values()))
    for (code, _, err), (words, what, extra) in zip(results, expected.values(), strict=True):
        assert (words[0], code, err) == (words[0], 1, f"error: {advice(what, 'torch', extra)}\n")


def test_every_command_has_help_and_the_node_starts_without_optional_packages(tmp_path):
    blocked = sorted({module for modules in EXTRAS.values() for module in modules} - {"google"})
    words = [sys.executable, "-c", HELP]
    done = subprocess.run(words, env=environment(tmp_path, *blocked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout)
    assert len(codes) > 30
    assert set(codes.values()) == {0}, codes


def test_extras_bring_the_modules_that_are_said():
    tomllib = pytest.importorskip("tomllib")
    path = share("models").parent / "pyproject.toml"
    if not path.is_file():
        pytest.skip("installed without pyproject.toml")
    declared = tomllib.loads(path.read_text())["project"]["optional-dependencies"]
    others = {"google": "onnx", "lightning": "lightning-fabric", "rerun": "rerun-sdk"}
    for extra, modules in EXTRAS.items():
        brought = {requirement.partition(">=")[0] for requirement in declared[extra]}
        assert {others.get(module, module).replace("_", "-") for module in modules} <= brought


def test_the_advice_names_an_extra_that_brings_the_module():
    assert advice("x", "onnx", "openvino") == "x needs the package onnx: pip install 'icnet-ros[openvino]'"
    assert advice("x", "onnxruntime", "openvino") == "x needs the package onnxruntime: pip install 'icnet-ros[onnx]'"
    assert advice("x", "torch.nn") == "x needs the package torch: pip install 'icnet-ros[torch]'"
    assert advice("x", "elsewhere") == "x needs the package elsewhere: pip install elsewhere"
