"""1x1 convolutions that are done before interpolations."""

import numpy as np
import pytest
import yaml
from networks import CLASSES, DESCRIPTION, picture

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from icnet_ros.checkpoint.file import open_checkpoint  # noqa: E402
from icnet_ros.checkpoint.onnx_graph import Graph  # noqa: E402
from icnet_ros.engine.artefacts import onnx_adapter  # noqa: E402
from icnet_ros.engine.artefacts.adapter import linear, probe  # noqa: E402
from icnet_ros.engine.artefacts.adapter.proof import agreement_of_order  # noqa: E402
from icnet_ros.engine.artefacts.adapter.reorder import reorder, values_needed  # noqa: E402
from icnet_ros.engine.artefacts.export import onnx_file  # noqa: E402
from icnet_ros.engine.base import EngineOptions, Frame  # noqa: E402
from icnet_ros.engine.table import open_engine  # noqa: E402

BILINEAR = 'mode = "linear", coordinate_transformation_mode = "half_pixel"'
ENCODER = """
    a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [4, 4]> (image, W3)
    b = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (a)
    c = AveragePool <kernel_shape = [4, 4], strides = [4, 4]> (a)
"""
TO_A = """
    shape{n} = Shape ({x})
    front{n} = Slice (shape{n}, zero, two)
    all{n} = Shape (a)
    back{n} = Slice (all{n}, two, four)
    size{n} = Concat <axis = 0> (front{n}, back{n})
"""
RESIZED = (
    TO_A.format(n=1, x="b") + TO_A.format(n=2, x="c")
    + f"up1 = Resize <{BILINEAR}> (b, , , size1)\n up2 = Resize <{BILINEAR}> (c, , , size2)\n"
)  # fmt: skip
# As Hugging Face's SegFormer: each stage through a product with channels last.
PROJECTED = "".join(
    f"""
    shape_{x} = Shape ({x})
    sides_{x} = Slice (shape_{x}, two, four)
    front_{x} = Slice (shape_{x}, zero, one)
    flat_{x} = Concat <axis = 0> (front_{x}, channels, minus)
    rows_{x} = Reshape ({x}, flat_{x})
    last_{x} = Transpose <perm = [0, 2, 1]> (rows_{x})
    product_{x} = MatMul (last_{x}, P)
    added_{x} = Add (bias_p, product_{x})
    first_{x} = Transpose <perm = [0, 2, 1]> (added_{x})
    back_{x} = Concat <axis = 0> (front_{x}, wide, sides_{x})
    map_{x} = Reshape (first_{x}, back_{x})
    """
    for x in "abc"
) + TO_A.format(n=1, x="map_b") + TO_A.format(n=2, x="map_c")  # fmt: skip

# name -> what follows the encoder; all 16 channels until `out`
MOVED = {
    "joined": RESIZED + "j = Concat <axis = 1> (a, up1, up2)\n out = Conv (j, W48, bias)",
    "joined, without bias": RESIZED + "j = Concat <axis = -3> (up1, up2, a)\n out = Conv (j, W48)",
    "two stay as they are": RESIZED + "a2 = Relu (a)\n j = Concat <axis = 1> (a, up2, a2)\n out = Conv (j, W48, bias)",
    "added": RESIZED + "s = Add (up1, up2)\n t = Add (s, a)\n out = Conv (t, W16, bias)",
    "alone": RESIZED + "out = Conv (up1, W16, bias)",
    "by scales": f"u = Resize <{BILINEAR}> (b, , scales)\n out = Conv (u, W16, bias)",
    "corners aligned": 'u = Resize <mode = "linear", coordinate_transformation_mode = "align_corners"> (b, , scales)\n'
    "out = Conv (u, W16, bias)",
    "nearest": 'u = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">'
    "(b, , scales)\n out = Conv (u, W16, bias)",
    "cubic": 'u = Resize <mode = "cubic"> (b, , scales)\n out = Conv (u, W16, bias)',
    "axes": "all = Shape (a)\n sides = Slice (all, two, four)\n"
    f"u = Resize <{BILINEAR}, axes = [2, 3]> (b, , , sides)\n out = Conv (u, W16, bias)",
    "two interpolations": f"u = Resize <{BILINEAR}> (c, , scales)\n v = Resize <{BILINEAR}> (u, , scales)\n"
    "out = Conv (v, W16, bias)",
    "nested": RESIZED + f"j = Concat <axis = 1> (a, up1)\n u = Resize <{BILINEAR}> (j, , scales)\n"
    "out = Conv (u, W32, bias)",
    "two convolutions": f"p = Conv (b, Wp, bias_p)\n u = Resize <{BILINEAR}> (p, , scales)\n out = Conv (u, W64, bias)",
    "projections": PROJECTED + f"up1 = Resize <{BILINEAR}> (map_b, , , size1)\n"
    f"up2 = Resize <{BILINEAR}> (map_c, , , size2)\n"
    "j = Concat <axis = 1> (up2, up1, map_a)\n out = Conv (j, W192, bias)",
    "one after the other": RESIZED + "first = Conv (up1, W16b, bias)\n s = Relu (first)\n"
    f"half = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (s)\n u = Resize <{BILINEAR}> (half, , scales)\n"
    "out = Conv (u, W2, bias)",
}  # fmt: skip
NOT_MOVED = {
    "activation between": RESIZED + "r = Relu (up1)\n out = Conv (r, W16, bias)",
    "read elsewhere": RESIZED + "m = ReduceMax <axes = [1], keepdims = 1> (up1)\n p = Conv (up1, W16, bias)\n"
    "out = Add (p, m)",
    "3x3": RESIZED + "out = Conv <pads = [1, 1, 1, 1]> (up1, W16k3, bias)",
    "stride": RESIZED + "out = Conv <strides = [2, 2]> (up1, W16, bias)",
    "padded": RESIZED + "out = Conv <pads = [1, 1, 1, 1]> (up1, W16, bias)",
    "computed weights": RESIZED + "w = Relu (W16)\n out = Conv (up1, w, bias)",
    "cropped": 'u = Resize <mode = "linear", coordinate_transformation_mode = "tf_crop_and_resize"> (b, roi, scales)\n'
    "out = Conv (u, W16, bias)",
    "joined rows": RESIZED + "j = Concat <axis = 2> (up1, up2)\n out = Conv (j, W16, bias)",
    "more channels after it": RESIZED + "out = Conv (up1, W16wide)",
    "no interpolation": "out = Conv (a, W16, bias)",
}  # fmt: skip


def build(body, opset=17):
    """A network of float `image` (1, 3, H, W) -> `out`, with the constants above."""
    generator = np.random.default_rng(0)

    def weights(*shape):
        return generator.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)

    constants = {
        "W3": np.abs(weights(16, 3, 3, 3)), "W16": weights(2, 16, 1, 1), "W16b": weights(2, 16, 1, 1),
        "W2": weights(2, 2, 1, 1),
        "W16k3": weights(2, 16, 3, 3), "W16wide": weights(96, 16, 1, 1), "W32": weights(2, 32, 1, 1),
        "W48": weights(2, 48, 1, 1), "W64": weights(2, 64, 1, 1), "W192": weights(2, 192, 1, 1),
        "Wp": weights(64, 16, 1, 1), "P": weights(16, 64), "bias": 0.1 * weights(2), "bias_p": 0.1 * weights(64),
        "scales": np.array([1, 1, 2, 2], np.float32), "roi": np.array([0, 0, 0.1, 0, 1, 1, 0.9, 1], np.float32),
    }  # fmt: skip
    sizes = {"zero": 0, "one": 1, "two": 2, "four": 4, "minus": -1, "channels": 16, "wide": 64}
    constants |= {name: np.array([value], np.int64) for name, value in sizes.items()}
    text = f'<ir_version: 8, opset_import: ["": {opset}]> g (float[1, 3, H, W] image) => (float[1, C, h, w] out) {{'
    model = onnx.parser.parse_model(text + ENCODER + body + "}")
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in constants.items() if name in used
    )
    return model


def reordered(model, size=(64, 96)):
    image = np.zeros((1, 3, *size), np.float32)
    wanted = values_needed(model)
    shapes = probe.shapes("net", model, "image", image, wanted) if wanted else {}
    return reorder(model, shapes, 1)  # a picture of one pixel: whatever is saved counts as much


def outputs(model, size):
    image = np.random.default_rng(1).normal(size=(1, 3, *size)).astype(np.float32)
    return probe.run("net", model, "image", [image], ["out"])[0]["out"]


@pytest.mark.parametrize("name", MOVED)
def test_results_are_the_same_with_fewer_products(name):
    model = build(MOVED[name], 18 if name == "axes" else 17)
    before = model.SerializeToString()
    changed, moved = reordered(model)
    assert moved
    assert model.SerializeToString() == before
    onnx.checker.check_model(changed, full_check=True)
    for size in ((64, 96), (96, 64)):
        expected, actual = outputs(model, size), outputs(changed, size)
        assert np.abs(actual - expected).max() < 1e-5 * np.abs(expected).max()
    makers = Graph(changed).makers
    read = [makers[node.input[0]] for node in makers.values() if node.op_type == "Conv" and node.input[0] in makers]
    assert not [node.name for node in read if node.op_type == "Resize"]


@pytest.mark.parametrize("name", NOT_MOVED)
def test_stays_as_it_is(name):
    model = build(NOT_MOVED[name])
    outputs(model, (64, 96))
    changed, moved = reordered(model)
    assert moved == ()
    assert changed is model


TO_IMAGE = """
    from = Shape (scores)
    front = Slice (from, zero, two)
    picture = Shape (image)
    back = Slice (picture, two, four)
    size = Concat <axis = 0> (front, back)
"""
LABELLED = (
    MOVED["projections"].replace("out =", "scores =") + TO_IMAGE
    + f"whole = Resize <{BILINEAR}> (scores, , , size)\n out = ArgMax <axis = 1, keepdims = 0> (whole)"
)  # fmt: skip
# The convolution at the picture's size is the last operator but for ArgMax: behind it, the interpolation is a tail.
LAST = (
    f"big = Concat <axis = 0> (one, channels, back)\n u = Resize <{BILINEAR}> (a, , , big)\n"
    "scores = Conv (u, W16, bias)\n out = ArgMax <axis = 1, keepdims = 0> (scores)"
)  # fmt: skip


def labelled(body, path):
    """A network of two classes that gives labels, and its description."""
    model = build(body)
    del model.graph.output[:]
    shape = [1, "h", "w"]
    model.graph.output.append(onnx.helper.make_tensor_value_info("out", onnx.TensorProto.INT64, shape))
    onnx.save(model, path)
    description = DESCRIPTION | {"classes": CLASSES | {"classes": CLASSES["classes"][:2]}}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(description))
    return path


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(linear, "LEAST", 1.0)  # the networks here are small
    monkeypatch.setenv("ICNET_CACHE", str(tmp_path / "cache"))


BODIES = {"inside": LABELLED, "at the end": TO_IMAGE.replace("(scores)", "(a)").split("size =")[0] + LAST}


@pytest.mark.parametrize("name", BODIES)
def test_engine_gives_the_labels_of_the_whole_network(tmp_path, name):
    path = labelled(BODIES[name], tmp_path / "net.onnx")
    checkpoint = open_checkpoint(path)
    tail = onnx_adapter.read_tail(onnx_file(checkpoint, "sub124"))
    assert len(tail.moved) == 1
    assert tail.cut == ("Resize (bilinear, half_pixel)", "ArgMax")
    bgr = picture(96, 160)
    image = probe.Picture(bgr[..., ::-1]).image(checkpoint.spec)
    expected = onnxruntime.InferenceSession(str(path)).run(None, {"image": image})[0][0]
    labels = open_engine("onnxruntime", checkpoint, EngineOptions("cpu")).segment([Frame(bgr)])[0].labels
    assert len(np.unique(expected)) == 2
    assert (labels == expected).mean() > 0.9999


def test_a_network_whose_labels_change_stays_as_it_is(tmp_path, monkeypatch, caplog):
    def wrong(model, shapes, pixels):
        changed, moved = reorder(model, shapes, pixels)
        for tensor in changed.graph.initializer:
            if tensor.name.startswith("reordered0/") and len(tensor.dims) == 4:
                values = onnx.numpy_helper.to_array(tensor)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values * 1.01, tensor.name))
        return changed, moved

    monkeypatch.setattr(onnx_adapter, "reorder", wrong)
    path = labelled(BODIES["at the end"], tmp_path / "net.onnx")
    tail = onnx_adapter.read_tail(onnx_file(open_checkpoint(path), "sub124"))
    assert tail.moved == ()
    assert "is not reordered" in caplog.text


def test_order_of_classes_is_compared():
    values = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    other = values.copy()
    assert agreement_of_order(values, other, 1, half=False) == (1, 0, False)
    other[0, :, 0, 0] = np.roll(other[0, :, 0, 0], 1)
    assert not agreement_of_order(values, other, 1, half=False).proven
    values[0, :, 0, 0] = other[0, :, 0, 0] = 1, 1, 0
    other[0, 1, 0, 0] += 1e-6  # a tie
    assert agreement_of_order(values, other, 1, half=False) == (1 - 1 / 64, 0, False)
    other[0, 0, 0, 0] = np.nan
    assert not agreement_of_order(values, other, 1, half=False).proven
    labels = values.argmax(1)
    assert agreement_of_order(labels, labels.copy(), None, half=False).proven
    assert not agreement_of_order(labels, 2 - labels, None, half=False).proven
