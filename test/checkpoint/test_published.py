"""`icnet import`: small files of each published format, made from a checkpoint of ours."""

import io
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from published_weights import ROLES, caffemodel, logits, norm, same

from icnet_ros.checkpoint.file import load, save
from icnet_ros.checkpoint.published.caffe import HEADS as CAFFE_HEADS
from icnet_ros.checkpoint.published.caffe import caffe_names
from icnet_ros.checkpoint.published.convert import import_weights
from icnet_ros.checkpoint.published.hellochick import HEADS as NPY_HEADS
from icnet_ros.checkpoint.published.liminn import HEADS as LIMINN_HEADS
from icnet_ros.checkpoint.published.liminn import liminn_names
from icnet_ros.checkpoint.published.semseg import HEADS as SEMSEG_HEADS
from icnet_ros.checkpoint.published.semseg import semseg_names
from icnet_ros.checkpoint.spec import IMAGENET_MEAN, CheckpointError
from icnet_ros.engine.base import Frame
from icnet_ros.engine.table import open_engine
from icnet_ros.network.fold import fold_batch_norm
from icnet_ros.network.two_pass import TwoPassICNet

_reconstruct = np.zeros(1).__reduce__()[0]


def npy(weights, *, merged=False):
    layers = {}
    for ours, name in caffe_names().items():
        conv = weights[f"{ours}.conv.weight"].numpy()
        gamma, beta, mean, variance = norm(weights, ours)
        if merged:
            factor = gamma / np.sqrt(variance + 1e-5)
            layers[name] = {
                "weights": (conv * factor[:, None, None, None]).transpose(2, 3, 1, 0),
                "biases": beta - mean * factor,
            }
        else:
            layers[name] = {"weights": conv.transpose(2, 3, 1, 0)}
            layers[f"{name}_bn"] = {"scale": gamma, "offset": beta, "mean": mean, "variance": variance}
    for ours, name in NPY_HEADS.items():
        head = weights[f"{ours}.weight"].numpy().transpose(2, 3, 1, 0)
        layers[name] = {"weights": head, "biases": weights[f"{ours}.bias"].numpy()}
    return layers


def saved(layers):
    stream = io.BytesIO()
    np.save(stream, np.array(layers, dtype=object), allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize("merged", [False, True])
def test_hellochick(tmp_path, source, merged):
    (tmp_path / "icnet.npy").write_bytes(saved(npy(source, merged=merged)))
    imported = import_weights(tmp_path / "icnet.npy")
    assert (imported.format, imported.unused) == ("hellochick/ICNet-tensorflow", [])
    same(imported, logits(source))


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/icnet-executed",)


def test_a_npy_that_would_run_code_is_refused(tmp_path, source):
    layers = npy(source)
    layers["conv_sub4"]["weights"] = Evil()
    (tmp_path / "icnet.npy").write_bytes(saved(layers))
    with pytest.raises(CheckpointError, match=r"it calls posix.system, which arrays do not need"):
        import_weights(tmp_path / "icnet.npy")
    (tmp_path / "icnet.npy").write_bytes(saved(npy(source))[:5000])
    with pytest.raises(CheckpointError, match="not a dictionary of arrays"):
        import_weights(tmp_path / "icnet.npy")


class Forged:
    """A pickled numpy array of objects whose addresses are in the file."""

    def __reduce__(self):
        return _reconstruct, (np.ndarray, (0,), b"b"), (1, (1,), np.dtype("O"), False, b"\x41" * 8)


def test_a_npy_with_forged_arrays_is_refused(tmp_path, source):
    """numpy would take the eight bytes for a pointer."""
    layers = npy(source)
    for value in (Forged(), np.array([1, "a"], dtype=object), np.zeros(3, "datetime64[s]"), np.array(["a"])):
        layers["conv_sub4"]["weights"] = value
        (tmp_path / "icnet.npy").write_bytes(saved(layers))
        with pytest.raises(CheckpointError, match=r"not a dictionary of arrays|damaged|is \("):
            import_weights(tmp_path / "icnet.npy")


def test_a_npy_of_another_byte_order(tmp_path, source):
    layers = {
        name: {role: np.asfortranarray(value.astype(">f8")) for role, value in values.items()}
        for name, values in npy(source).items()
    }
    (tmp_path / "icnet.npy").write_bytes(saved(layers))
    same(import_weights(tmp_path / "icnet.npy"), logits(source))


# -- liminn


def test_liminn(tmp_path):
    torch.manual_seed(0)
    network = TwoPassICNet(19).eval()
    weights = network.state_dict()
    for key in weights:
        if key.endswith("running_var"):
            weights[key].uniform_(0.5, 1.5)
        if key in ("cls.bias", "aux8.bias", "aux16.bias"):
            weights[key].zero_()  # the published heads have none
    state = {"pretrained.fc.weight": torch.zeros(10, 2048)}
    for ours, (conv, bn) in liminn_names().items():
        state[f"{conv}.weight"] = weights[f"{ours}.conv.weight"]
        for role in (*ROLES, "num_batches_tracked"):
            state[f"{bn}.{role}"] = weights[f"{ours}.bn.{role}"]
    state |= {f"{theirs}.weight": weights[f"{ours}.weight"] for ours, theirs in LIMINN_HEADS.items()}
    torch.save(state, tmp_path / "x.pth")
    imported = import_weights(tmp_path / "x.pth")
    spec = imported.checkpoint.spec
    assert (imported.unused, spec.channel_order, spec.size_multiple) == (["pretrained.fc.weight"], "rgb", 32)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        for ours, theirs in zip(imported.checkpoint.network()(image), network(image), strict=True):
            assert torch.equal(ours, theirs)
    save(tmp_path / "m.safetensors", spec, imported.checkpoint.weights)
    engines = [open_engine(name, load(tmp_path / "m.safetensors")) for name in ("torch", "onnxruntime")]
    picture = np.random.default_rng(0).integers(0, 256, (70, 100, 3), np.uint8)
    one, other = (engine.segment([Frame(picture)])[0].labels for engine in engines)
    assert (one == other).mean() > 0.999
    old = {**state, "head.cff_12.conv_low.0.weight": torch.zeros(128, 512, 3, 3)}
    for change, problem in (
        (old, "before November 2019"),
        ({**state, "pretrained.layer3.6.conv1.weight": torch.zeros(1)}, "deeper"),
    ):
        torch.save(change, tmp_path / "x.pth")
        with pytest.raises(CheckpointError, match=problem):
            import_weights(tmp_path / "x.pth")
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="no other pyramid windows"):
        import_weights(tmp_path / "x.pth", windows="official")


# -- pytorch-semseg


def semseg(weights, prefix="module."):
    state = {}
    for ours, name in semseg_names().items():
        state[f"{name}.0.weight"] = weights[f"{ours}.conv.weight"]
        for role in (*ROLES, "num_batches_tracked"):
            state[f"{name}.1.{role}"] = weights[f"{ours}.bn.{role}"]
    for ours, name in SEMSEG_HEADS.items():
        state |= {f"{name}.weight": weights[f"{ours}.weight"], f"{name}.bias": weights[f"{ours}.bias"]}
    state["pyramid_pooling.path_module_list.0.cbr_unit.0.weight"] = torch.zeros(2, 2, 1, 1)
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize("stride_at", ["", "reduce"])
def test_pytorch_semseg(tmp_path, source, stride_at):
    file = {"epoch": 3, "model_state": semseg(source), "best_iou": np.float64(0.5)}
    torch.save(file, tmp_path / "icnet.pkl")
    imported = import_weights(tmp_path / "icnet.pkl", stride_at=stride_at)
    assert imported.unused == ["pyramid_pooling.path_module_list.0.cbr_unit.0.weight"]
    spec = imported.checkpoint.spec
    assert spec.stride_at == (stride_at or "conv3")
    # A training there divides by 255; weights from Caffe came with the authors' input.
    assert spec.std == ((1, 1, 1) if stride_at else (255, 255, 255))
    assert spec.mean == (IMAGENET_MEAN if stride_at else (0, 0, 0))
    same(imported, logits(source, stride_at=stride_at or "conv3"))
    assert not np.allclose(logits(source, stride_at="conv3")[2], logits(source)[2])


def test_a_torch_file_that_would_run_code_is_refused(tmp_path, source):
    torch.save({"model_state": semseg(source), "other": Evil()}, tmp_path / "icnet.pth")
    with pytest.raises(CheckpointError, match="nothing else is loaded"):
        import_weights(tmp_path / "icnet.pth")
    for content in (b"PK\x03\x04 no zip", pickle.dumps({"a": 1}), b"\x80\x02", b"\x80", b"\x80\x02M"):
        (tmp_path / "icnet.pth").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"not a file of tensors|holds no state dict|no ICNet"):
            import_weights(tmp_path / "icnet.pth")


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (("pretrained.conv1.0.weight", "head.cff_24.conv_low.0.weight"), "lacks 309 layers"),
        (("backbone.psp_bottleneck.conv.weight",), "mmsegmentation, whose network is another one"),
        (("psp_head.psp.conv1.0.weight",), "GluonCV"),
        (("backbone.head.stages.0.weight",), "Fast_Seg"),
        (("bottom_branch.0.weight", "cff42.0.weight"), "ResNet-18"),
        (("fc.weight",), "no ICNet that is known here; its first tensors are fc.weight"),
    ],
)
def test_other_networks_are_named(tmp_path, keys, problem):
    torch.save({"state_dict": {key: torch.zeros(2, 2) for key in keys}}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=problem) as said:
        import_weights(tmp_path / "x.pth")
    assert "docs/networks.md" in str(said.value) or "lacks" in str(said.value)


@pytest.mark.parametrize(
    "change",
    [
        {"classification.weight": torch.zeros(())},
        {"conv5_4_k1.cbr_unit.1.bias": torch.zeros(3)},
        {"conv5_4_k1.cbr_unit.0.bias": torch.zeros(5)},
        {"convbnrelu1_1.cbr_unit.0.weight": torch.zeros(7)},
    ],
)
def test_tensors_of_strange_shapes_are_explained(tmp_path, source, change):
    state = semseg(source, "") | change
    state = {key: torch.nn.Parameter(value.float()) for key, value in state.items()}
    torch.save({"model_state": state}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"damaged, or no weights of ICNet|is \(|lacks|classes"):
        import_weights(tmp_path / "x.pth")


def test_classes(tmp_path, source):
    (tmp_path / "x.caffemodel").write_bytes(caffemodel(source))
    with pytest.raises(CheckpointError, match="19 classes, but camvid has 11"):
        import_weights(tmp_path / "x.caffemodel", classes="camvid")
    odd = {
        **source,
        **{f"{head}.{part}": source[f"{head}.{part}"][:7] for head in CAFFE_HEADS for part in ("weight", "bias")},
    }
    (tmp_path / "x.caffemodel").write_bytes(caffemodel(odd))
    with pytest.raises(CheckpointError, match=r"7 classes; name their table with --classes"):
        import_weights(tmp_path / "x.caffemodel")


def test_the_command_and_folding(tmp_path, source):
    torch.save({"model_state": semseg(source)}, tmp_path / "icnet.pkl")
    words = [sys.executable, "-m", "icnet_ros.command.main", "import", tmp_path / "icnet.pkl", "-o"]
    done = subprocess.run([*words, tmp_path / "m.safetensors"], check=True, capture_output=True, text=True)
    assert "pytorch-semseg, width 0.25, 19 classes, exits sub4, sub24, sub124" in " ".join(done.stdout.split())
    assert "1 entries are not part of this network: pyramid_pooling" in " ".join(done.stderr.split())
    checkpoint = load(tmp_path / "m.safetensors")
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        plain, folded = (one(image)[-1] for one in (checkpoint.network(), fold_batch_norm(checkpoint.network())))
    assert torch.allclose(plain, folded, atol=1e-3)
    failed = subprocess.run([*words, tmp_path / "m.pth"], check=False, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "ends with .safetensors" in failed.stderr
