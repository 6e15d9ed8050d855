"""Plans are really built, by TensorRT-RTX, which needs no GPU for that; running them does."""

import dataclasses
import sys

import numpy as np
import pytest
import torch
from networks import DESCRIPTION, Small, export

from icnet_ros.checkpoint.file import open_checkpoint, save
from icnet_ros.engine.artefacts import plan
from icnet_ros.engine.artefacts.fp16 import fp16_file
from icnet_ros.engine.artefacts.int8 import describe, int8_path, make_signed
from icnet_ros.engine.base import EngineError, EngineOptions, Frame
from icnet_ros.engine.table import open_engine

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def logits(path, image):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"image": image})[0]


@pytest.fixture(scope="module")
def stored(tiny, tmp_path_factory):
    """The tiny checkpoint as a file, with an int8 file of a kind that ONNX Runtime's own tool makes."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    from icnet_ros.engine.artefacts.export import onnx_file

    folder = tmp_path_factory.mktemp("stored")
    save(folder / "m.safetensors", tiny.spec, tiny.weights)
    checkpoint = open_checkpoint(folder / "m.safetensors")
    images = iter(np.random.default_rng(0).normal(0, 60, (3, 1, 3, 96, 128)).astype(np.float32))

    class Reader(CalibrationDataReader):
        def get_next(self):
            image = next(images, None)
            return None if image is None else {"image": image}

    path = int8_path(checkpoint, "sub24")
    quantize_static(
        str(onnx_file(checkpoint, "sub24")), str(path), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["Conv"],
        extra_options={"QuantizeBias": False, "ActivationSymmetric": True, "WeightSymmetric": True},
    )  # fmt: skip
    model = onnx.load(path)
    describe(model, {"sha256": checkpoint.sha256})
    onnx.save(model, path)
    return checkpoint


def test_half_is_nearly_the_whole(tiny):
    model = onnx.load(fp16_file(tiny, "sub24"))
    types = {entry.data_type for entry in model.graph.initializer if entry.dims and len(entry.dims) == 4}
    assert types == {onnx.TensorProto.FLOAT16}
    image = np.random.default_rng(0).normal(0, 60, (1, 3, 70, 90)).astype(np.float16)
    with torch.inference_mode():
        expected = tiny.network(["sub24"])(torch.from_numpy(image).float())[0].permute(0, 2, 3, 1).numpy()
    given = logits(fp16_file(tiny, "sub24"), image)
    assert given.dtype == np.float16
    assert np.abs(given - expected).max() < 0.05 * np.abs(expected).max()


def test_signed_quantizers_keep_the_range():
    """0, a half, the end of the range: as uint8 and as int8 of half the steps."""
    scale, zero = (onnx.numpy_helper.from_array(value, name) for value, name in (
        (np.array(4 / 255, np.float32), "s"), (np.array(0, np.uint8), "z")))  # fmt: skip
    nodes = [
        onnx.helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        onnx.helper.make_node("DequantizeLinear", ["q", "s", "z"], ["out"]),
    ]
    of = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g", [of("image", 1, [4])], [of("out", 1, [4])], [scale, zero])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    make_signed(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = np.array([0, 2, 4, 9], np.float32)
    assert np.allclose(session.run(None, {"image": values})[0], [0, 2, 4, 4], atol=4 / 127 / 2 + 1e-6)


def test_a_quantizer_about_another_number_cannot_be_made_signed(stored):
    model = onnx.load(int8_path(stored, "sub24"))
    zero = next(
        entry for entry in model.graph.initializer if entry.data_type == onnx.TensorProto.INT8 and not entry.dims
    )
    zero.CopyFrom(onnx.numpy_helper.from_array(np.array(128, np.uint8), zero.name))
    with pytest.raises(EngineError, match="zero point 128; only symmetric"):
        make_signed(model)


class TestPlans:
    @pytest.fixture(autouse=True)
    def trt(self, monkeypatch):
        rtx = pytest.importorskip("tensorrt_rtx")
        monkeypatch.setattr(plan, "LIBRARIES", ("tensorrt_rtx",))
        return rtx

    @pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
    def test_each_precision_is_built(self, stored, precision):
        path = plan.plan_file(stored, "sub24", precision)
        assert path.stat().st_size > 1_000_000
        before = path.stat().st_ino  # another file would have another one
        assert plan.plan_file(stored, "sub24", precision) == path
        assert path.stat().st_ino == before

    @pytest.mark.parametrize("size", [None, (96, 160)])
    @pytest.mark.parametrize("kind", [{}, {"softmax": True}, {"argmax": True}])
    def test_other_networks_are_built(self, tmp_path, size, kind):
        path = export(Small(8, **kind), tmp_path / "net.onnx", size=size, description=DESCRIPTION)
        for precision in ("fp32", "fp16"):
            assert plan.plan_file(open_checkpoint(path), "sub124", precision).stat().st_size > 1000

    def test_another_gpu_gets_another_plan(self, stored, monkeypatch):
        made = []
        monkeypatch.setattr(plan, "build", lambda trt, onnx, shapes: made.append(trt) or b"plan")
        paths = set()
        for gpu in ("sm_87", "sm_90", "sm_87"):
            monkeypatch.setattr(plan, "gpu_name", lambda gpu=gpu: gpu)
            paths.add(plan.plan_file(stored, "sub4", "fp32"))
        assert len(paths) == len(made) == 2

    def test_what_tensorrt_refuses_is_explained(self, trt, tmp_path):
        (tmp_path / "x.onnx").write_bytes(b"no network")
        with pytest.raises(
            EngineError, match=rf"TensorRT {trt.__version__} cannot read the network: .+; use engine torch"
        ):
            plan.build(trt, tmp_path / "x.onnx")

    def test_another_precision_is_refused(self, stored):
        with pytest.raises(EngineError, match="has fp32, fp16, int8, not 'bf16'"):
            plan.plan_file(stored, "sub24", "bf16")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
    def test_without_a_gpu_it_says_what_to_do(self, tiny):
        with pytest.raises(EngineError, match="sees no CUDA GPU; set device to cpu or auto"):
            open_engine("tensorrt", tiny, EngineOptions())
        with pytest.raises(EngineError, match="runs on a CUDA GPU only: set device to auto, or engine to auto"):
            open_engine("tensorrt", tiny, EngineOptions("cpu"))


def test_without_the_library_it_says_what_to_install(tiny, monkeypatch):
    for name in plan.LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineError, match=r"pip install 'icnet-ros\[tensorrt\]', or tensorrt-rtx-cu13"):
        open_engine("tensorrt", tiny)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tensorrt_agrees_with_torch(tiny, precision):
    try:
        plan.library()
    except EngineError as err:
        pytest.skip(str(err))
    whole = dataclasses.replace(tiny)
    engines = [open_engine(name, whole, EngineOptions("cuda", precision)) for name in ("tensorrt", "torch")]
    frames = [Frame(np.random.default_rng(seed).integers(0, 256, (256, 512, 3), np.uint8)) for seed in range(3)]
    for ours, theirs in zip(*(engine.segment(frames) for engine in engines), strict=True):
        assert (ours.labels == theirs.labels).mean() > (0.9999 if precision == "fp32" else 0.97)
