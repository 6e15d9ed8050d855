"""The ONNX graph that is built without torch gives the logits of the torch network."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.file import Checkpoint, build_network
from icnet_ros.checkpoint.spec import EXITS, ModelSpec
from icnet_ros.engine.artefacts.export import CHECKED, export_onnx
from icnet_ros.engine.artefacts.onnx_graph import build_graph
from icnet_ros.engine.base import EngineError
from icnet_ros.network.dimensions import BLOCKS, PARTS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

TOLERANCE = 1e-4  # largest difference of a logit, relative to the largest logit
LETTERS = ClassTable("letters", tuple("abcde"), tuple((n, 0, 0) for n in range(5)))


def random_checkpoint(spec, seed=0):
    """A checkpoint whose batch norms are not the identity."""
    network = build_network(spec)
    generator = torch.Generator().manual_seed(seed)
    weights = dict(network.state_dict())
    for name, value in weights.items():
        noise = torch.rand(value.shape, generator=generator)
        if name.endswith(("running_var", "bn.weight")):
            weights[name] = 0.5 + noise
        elif name.endswith(("running_mean", "bias")):
            weights[name] = noise - 0.5
    return Checkpoint(spec, weights, "random")


def largest_difference(checkpoint, exit_, model, sizes):
    """Of the logits of torch and ONNX Runtime, relative to the largest."""
    network = checkpoint.network([exit_])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    differences = []
    for frames, height, width in sizes:
        image = generator.normal(0, 1, (frames, 3, height, width)).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(image))[-1].permute(0, 2, 3, 1).numpy()
        given = session.run(None, {"image": image})[0]
        assert given.shape == expected.shape
        differences.append(np.abs(given - expected).max() / np.abs(expected).max())
    return max(differences)


@st.composite
def icnets(draw):
    wanted = draw(st.sets(st.sampled_from(EXITS), min_size=1))
    return ModelSpec(
        LETTERS,
        exits=tuple(name for name in EXITS if name in wanted),
        width=draw(st.sampled_from([0.125, 0.25, 0.375])),
        fusion=draw(st.sampled_from(["cff", "cff_coarse", "deconv3", "deconv5", "deconv7"])),
        stride_at=draw(st.sampled_from(["reduce", "conv3"])),
        blocks=draw(st.sampled_from([BLOCKS, (3, 4, 4, 1), (1, 1, 1, 1)])),
        widths=draw(st.dictionaries(st.sampled_from(PARTS), st.sampled_from([0.125, 0.25, 0.5]))),
    )


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(icnets(), st.data(), st.integers(32, 200), st.integers(32, 200))
def test_an_icnet_of_any_kind_and_size(spec, data, height, width):
    checkpoint = random_checkpoint(spec)
    exit_ = data.draw(st.sampled_from(spec.exits))
    model = build_graph(spec, checkpoint.arrays(), exit_)
    onnx.checker.check_model(model, full_check=True)
    assert largest_difference(checkpoint, exit_, model, [*CHECKED, (1, height, width)]) < TOLERANCE


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "pspnet50", "exits": ("main",), "width": 0.125, "head": "concat"},
        {"architecture": "pspnet50", "exits": ("main",), "width": 0.125, "head": "sum", "output_stride": 16},
        {"architecture": "icnet_two_pass"},
    ],
)
def test_its_relatives(changes):
    checkpoint = random_checkpoint(ModelSpec(LETTERS, **changes))
    for exit_ in checkpoint.spec.exits:
        model = build_graph(checkpoint.spec, checkpoint.arrays(), exit_)
        assert largest_difference(checkpoint, exit_, model, [(2, 64, 96)]) < TOLERANCE


def test_a_file_holds_one_exit_and_folded_layers(tiny):
    model = build_graph(tiny.spec, tiny.arrays(), "sub24")
    operators = {node.op_type for node in model.graph.node}
    assert "BatchNormalization" not in operators
    layers = {tensor.name.rpartition(".")[0] for tensor in model.graph.initializer}
    assert "aux8" in layers
    assert not layers & {"aux16", "cls", "hi.1", "cff12.low"}


def test_official_windows_fit_one_size_only(tiny, tmp_path):
    official = dataclasses.replace(tiny, spec=dataclasses.replace(tiny.spec, windows="official"))
    with pytest.raises(EngineError, match="only the adaptive pyramid windows can be exported"):
        export_onnx(official, "sub124", tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
