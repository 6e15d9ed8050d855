"""Metadata of ONNX files without the package onnx, compared with that package."""

import random
import subprocess
import sys

import pytest
from blocked import environment
from hypothesis import given
from hypothesis import strategies as st

from icnet_ros.checkpoint.file import load, save
from icnet_ros.engine.artefacts.int8 import METADATA_KEY, describe, int8_metadata, int8_path
from icnet_ros.engine.artefacts.onnx_graph import build_graph
from icnet_ros.engine.artefacts.onnx_metadata import read_metadata
from icnet_ros.engine.base import EngineError
from icnet_ros.share import share

onnx = pytest.importorskip("onnx")


def by_onnx(content):
    return {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}


@given(entries=st.dictionaries(st.text(max_size=20), st.text(max_size=300)), weights=st.binary(max_size=300))
def test_it_reads_what_onnx_wrote(tmp_path_factory, entries, weights):
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.UINT8, dims=[len(weights)], raw_data=weights)
    graph = onnx.helper.make_graph([], "g", [], [], [tensor])
    model = onnx.helper.make_model(graph, producer_name="x" * 200, model_version=-1)
    onnx.helper.set_model_props(model, entries)
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(model.SerializeToString())
    assert read_metadata(path) == entries


@pytest.fixture
def quantized(tmp_path, tiny):
    """A checkpoint, and a small file beside it that says it is its int8 network."""
    save(tmp_path / "m.safetensors", tiny.spec, tiny.weights)
    checkpoint = load(tmp_path / "m.safetensors")
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []))
    describe(model, {"sha256": checkpoint.sha256, "exit": "sub4", "miou_before": 0.5, "miou_after": 0.5})
    int8_path(checkpoint, "sub4").write_bytes(model.SerializeToString())
    return checkpoint


def test_a_damaged_file_is_an_error_with_the_remedy(quantized):
    """Or it is read as onnx reads it: a changed letter in the metadata cannot be seen."""
    path = int8_path(quantized, "sub4")
    whole = path.read_bytes()
    assert int8_metadata(quantized, "sub4")["miou_after"] == 0.5
    chance = random.Random(0)
    damaged = [whole[:size] for size in range(len(whole))]
    for _ in range(1500):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        damaged.append(bytes(content))
    damaged += [chance.randbytes(size) for size in range(200)]
    errors = []
    for content in damaged:
        path.write_bytes(content)
        try:
            given = int8_metadata(quantized, "sub4")
        except EngineError as err:
            errors.append(str(err))
            continue
        assert given["sha256"] == quantized.sha256
        try:
            expected = by_onnx(content)
        except Exception:  # the graph is damaged, which the runtimes say
            continue
        assert read_metadata(path) == expected
    assert len(errors) > len(whole)
    assert all(f"icnet quantize --model {quantized.path} --exit sub4 --data" in error for error in errors)


@pytest.mark.parametrize("content", [b"", b"\xff" * 30, b"\x72\x00", b"\x72\x04\x0a\x02\xff\xff"])
def test_what_is_no_message_of_ours(quantized, content):
    int8_path(quantized, "sub4").write_bytes(content)
    with pytest.raises(EngineError, match="not from icnet quantize, or damaged"):
        int8_metadata(quantized, "sub4")


def test_metadata_that_is_no_mapping(quantized):
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []))
    for text in ("[]", "1", "null", "[" * 100_000):
        onnx.helper.set_model_props(model, {METADATA_KEY: text})
        int8_path(quantized, "sub4").write_bytes(model.SerializeToString())
        with pytest.raises(EngineError, match="icnet quantize"):
            int8_metadata(quantized, "sub4")


def test_shipped_files_are_read_without_onnx(tmp_path):
    paths = sorted(share("models").glob("*.int8.onnx"))
    assert paths
    code = (
        "import sys; from pathlib import Path\n"
        "from icnet_ros.engine.artefacts.onnx_metadata import read_metadata\n"
        "print([read_metadata(Path(name)) for name in sys.argv[1:]])\n"
    )
    words = [sys.executable, "-c", code, *map(str, paths)]
    done = subprocess.run(words, env=environment(tmp_path, "onnx", "torch"), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([by_onnx(path.read_bytes()) for path in paths])


def test_a_graph_of_weights_is_skipped(tiny, tmp_path):
    model = build_graph(tiny.spec, tiny.arrays(), "sub4")
    onnx.helper.set_model_props(model, {"a": "b"})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert read_metadata(tmp_path / "m.onnx") == {"a": "b"}
