import dataclasses
import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from icnet_ros.checkpoint.file import load, load_spec, replace_spec, save, untrained
from icnet_ros.checkpoint.spec import CheckpointError


@pytest.fixture
def path(tmp_path, tiny):
    path = tmp_path / "tiny.safetensors"
    save(path, tiny.spec, tiny.weights)
    return path


def test_what_is_saved_is_what_is_loaded(path, tiny):
    loaded = load(path)
    assert loaded.spec == tiny.spec
    assert loaded.name == "tiny"
    assert len(loaded.sha256) == 64
    assert all(torch.equal(loaded.weights[key], value) for key, value in tiny.weights.items())


def test_half_storage_comes_back_as_float32(tmp_path, tiny, path):
    half = tmp_path / "half.safetensors"
    weights = tiny.weights | {"stem.1.bn.running_var": torch.full((16,), 1e6)}  # too large for float16
    save(half, tiny.spec, weights, half=True)
    assert half.stat().st_size < 0.6 * path.stat().st_size
    loaded = load(half)
    assert all(value.dtype == torch.float32 for value in loaded.weights.values() if value.is_floating_point())
    assert torch.equal(loaded.weights["stem.1.bn.running_var"], weights["stem.1.bn.running_var"])
    torch.testing.assert_close(loaded.weights["k1.conv.weight"], tiny.weights["k1.conv.weight"], rtol=1e-3, atol=1e-3)


def test_everything_the_spec_can_say_survives(tmp_path, tiny):
    spec = dataclasses.replace(
        tiny.spec, trained=True, input_scale=2.0, frame_height=360, channel_order="rgb",
        mean=(0.0, 1.5, 2.0), std=(58.0, 57.0, 57.0),
        training={"steps": 3}, metrics={"miou": 0.5}, data_licence="CC BY", windows="official",
    )  # fmt: skip
    save(tmp_path / "x.safetensors", spec, tiny.weights)
    assert load_spec(tmp_path / "x.safetensors") == spec


def test_untrained_weights_are_the_same_every_time(tiny):
    again = untrained(tiny.spec.classes, 0.25)
    once = untrained(tiny.spec.classes, 0.25)
    assert all(torch.equal(again.weights[key], value) for key, value in once.weights.items())
    other = untrained(tiny.spec.classes, 0.25, seed=1)
    assert not torch.equal(other.weights["k1.conv.weight"], tiny.weights["k1.conv.weight"])


def test_every_truncation_is_an_error_with_the_file_name(path):
    content = path.read_bytes()
    for size in (0, 4, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match=r"tiny\.safetensors"):
            load(path)


def test_a_pickle_is_refused_without_being_read(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    for name, old in (("new.pth", True), ("old.pth", False)):
        torch.save({"state_dict": Trap()}, tmp_path / name, _use_new_zipfile_serialization=old)
        with pytest.raises(CheckpointError, match="pickle"):
            load(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_header_whose_length_looks_like_a_pickle(tmp_path, tiny):
    path = tmp_path / "unlucky.safetensors"
    save(path, tiny.spec, tiny.weights)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    longer = -(-(length - 640) // 65536) * 65536 + 640  # its first bytes are 80 02
    header = content[8 : 8 + length].ljust(longer)
    path.write_bytes(longer.to_bytes(8, "little") + header + content[8 + length :])
    assert path.read_bytes()[:2] == b"\x80\x02"
    assert load(path).spec == tiny.spec


def test_a_foreign_safetensors_file(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="not an icnet_ros checkpoint"):
        load(tmp_path / "x.safetensors")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="a folder"):
        load(tmp_path)


def resave(path, spec_changes=None, **weights):
    checkpoint = load(path)
    header = json.loads(checkpoint.spec.to_json()) | (spec_changes or {})
    tensors = {**checkpoint.weights, **weights}
    save_file({k: v for k, v in tensors.items() if v is not None}, path, {"icnet": json.dumps(header)})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"k1.conv.weight": None}, r"lacks 1 tensors.*k1\.conv\.weight"),
        ({"extra": torch.zeros(2)}, r"unknown 1 tensors.*'extra'"),
        ({"cls.weight": torch.zeros(4, 64, 1, 1)}, r"'cls\.weight' has shape \(4, 64, 1, 1\)"),
        ({"cls.bias": torch.tensor([0.0, float("nan"), 0.0])}, r"'cls\.bias' holds NaN"),
    ],
)
def test_weights_that_do_not_fit_the_description(path, changes, problem):
    resave(path, **changes)
    with pytest.raises(CheckpointError, match=problem):
        load(path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": 99}, "format 99"),
        ({"width": "wide"}, "width is 'wide', not a number"),
        ({"width": True}, "width is True, not a number"),
        ({"blocks": [3.0, 4, 6, 3]}, r"blocks are \(3\.0, 4, 6, 3\), not 1 up to"),
        ({"blocks": [3, 4, 6]}, "not 1 up to"),
        ({"blocks": [3, 4, 7, 3]}, "not 1 up to"),
        ({"blocks": ["3", 4, 6, 3]}, "not 1 up to"),
        ({"blocks": [3, 4, 4, 1], "architecture": "pspnet50", "exits": ["main"]}, "only an icnet may have fewer"),
        ({"widths": [0.25]}, r"widths is \[0\.25\], not a JSON object"),
        ({"widths": {"neck": 0.25}}, r"widths has 'neck', which is not one of \('stem', "),
        ({"widths": {"stem": "0.25"}}, "the width of stem is '0.25', not a number in 0..4"),
        ({"widths": {"stem": float("nan")}}, "the width of stem is nan, not a number in 0..4"),
        ({"widths": {"res5": 0.001}}, r"res5: width 0\.001 leaves 2\.048 of 2048 channels"),
        ({"widths": {"hi": 0.25}, "architecture": "pspnet50", "exits": ["main"]}, "only the parts of an icnet"),
        ({"width": 0.001}, r"width 0\.001 leaves 0\.128 of 128 channels"),
        ({"frame_height": float("inf")}, "frame_height is inf"),
        ({"frame_height": 0.5}, r"frame_height is 0\.5"),
        ({"input_scale": float("nan")}, "input_scale is nan"),
        ({"training": None}, "training is None, not a JSON object"),
        ({"data_licence": 5}, "data_licence is 5, not a text"),
        ({"classes": {"name": "x", "ignore": float("inf"), "classes": []}}, "class table"),
        ({"classes": {"name": "\x1b", "classes": [{"name": n, "colour": [0] * 3} for n in "abc"]}}, "control char"),
        ({"exits": ["sub124", "sub4"]}, "exits"),
        ({"std": [1, 0, 1]}, "std"),
        ({"architecture": "unet"}, "unet"),
        ({"surprise": 1}, "surprise"),
        ({"classes": {"name": "x"}}, "class table"),
        ({"width": 0.5}, "shape"),
    ],
)
def test_a_description_that_cannot_be_true(path, changes, problem):
    resave(path, changes)
    with pytest.raises(CheckpointError, match=problem):
        load(path)


def test_a_description_that_is_nested_too_deep(path):
    save_file(dict(load(path).weights), path, {"icnet": "[" * 100_000})
    with pytest.raises(CheckpointError, match="its header is incomplete"):
        load(path)


def test_an_exit_that_was_not_trained(tiny):
    short = dataclasses.replace(tiny, spec=dataclasses.replace(tiny.spec, exits=("sub124",)))
    with pytest.raises(CheckpointError, match="no exit sub4"):
        short.network(["sub4"])


def test_a_failed_save_leaves_the_old_file(path, tiny, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save(path, tiny.spec, tiny.weights)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["tiny.safetensors"]


def test_a_header_is_read_without_torch(path):
    code = (
        "import sys; from icnet_ros.checkpoint.file import load_spec;"
        f"load_spec({str(path)!r}); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read_as_torch_reads_them(path, tiny, dtype):
    stored = {key: value.to(dtype) if value.is_floating_point() else value for key, value in tiny.weights.items()}
    save_file(stored, path, {"icnet": tiny.spec.to_json()})
    loaded = load(path)
    for key, value in stored.items():
        expected = value.float() if value.is_floating_point() else value
        assert loaded.weights[key].dtype == expected.dtype
        assert torch.equal(loaded.weights[key], expected)


def test_a_precision_that_nobody_trains_in(path):
    resave(path, **{"cls.bias": torch.zeros(3).to(torch.float8_e4m3fn)})
    with pytest.raises(CheckpointError, match=r"'cls\.bias' is stored as F8_E4M3"):
        load(path)


def test_a_negative_variance(path):
    resave(path, **{"k1.bn.running_var": torch.full((128,), -1.0)})
    with pytest.raises(CheckpointError, match=r"'k1\.bn\.running_var' is a variance and has negative values"):
        load(path)


def test_other_metadata_leave_the_tensors_as_they_are_stored(path, tiny):
    before = path.read_bytes()
    for length in (0, 1, 7, 1000):
        replace_spec(path, dataclasses.replace(tiny.spec, data_licence="x" * length))
        assert load_spec(path).data_licence == "x" * length
        after = path.read_bytes()
        start = int.from_bytes(after[:8], "little")
        assert start % 8 == 0
        assert after[8 + start :] == before[8 + int.from_bytes(before[:8], "little") :]
