"""`icnet import` of Caffe models, made from a checkpoint of ours."""

import numpy as np
import pytest
from published_weights import caffemodel, layer, logits, same

from icnet_ros.checkpoint.published.convert import import_weights
from icnet_ros.checkpoint.spec import CheckpointError


@pytest.mark.parametrize("how", [{}, {"legacy": True}, {"packed": False}, {"merged": True}])
def test_caffe(tmp_path, source, how):
    extra = layer("conv5_3_pool1_conv", np.zeros((2, 2, 1, 1)))
    (tmp_path / "icnet.caffemodel").write_bytes(caffemodel(source, extra=extra, **how))
    imported = import_weights(tmp_path / "icnet.caffemodel")
    assert imported.unused == ["conv5_3_pool1_conv"]
    spec = imported.checkpoint.spec
    assert (spec.width, spec.classes.name, spec.channel_order, spec.stride_at) == (0.25, "cityscapes", "bgr", "reduce")
    assert spec.training["batch_norm"] == ("merged" if how.get("merged") else "kept")
    same(imported, logits(source))


def test_caffe_without_the_heads_of_training(tmp_path, source):
    (tmp_path / "deploy.caffemodel").write_bytes(caffemodel(source, heads=False))
    imported = import_weights(tmp_path / "deploy.caffemodel", windows="official")
    assert imported.checkpoint.spec.exits == ("sub124",)
    assert imported.checkpoint.spec.input_size == (1025, 2049)
    same(imported, logits(source)[2:])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda whole: whole[:1000] + b"conv1_1_3x3_s2", "not a caffemodel, or damaged"),
        (lambda whole: whole.replace(b"conv5_4_k1", b"conv5_4_k2"), "lacks 1 layers of ICNet, first 'conv5_4_k1'"),
        (lambda whole: whole + layer("data_sub1", np.array([1, 2, 1])), "scales its input"),
        (
            lambda whole: whole + layer("conv6_cls", np.zeros((11, 64, 1, 1))),
            r"aux16.weight is \(19",
        ),
        (lambda whole: whole + layer("conv6_cls", np.full((19, 32, 1, 1), np.nan), np.zeros(19)), "NaN"),
        (lambda whole: whole + layer("conv_sub4", np.zeros((64, 64, 1, 1))), "cff24.low.conv.weight is"),
        (lambda whole: whole + layer("conv_sub4/bn", np.zeros(64)), "has 1 blobs"),
    ],
)
def test_a_damaged_caffemodel(tmp_path, source, change, problem):
    (tmp_path / "x.caffemodel").write_bytes(change(caffemodel(source)))
    with pytest.raises(CheckpointError, match=problem):
        import_weights(tmp_path / "x.caffemodel")


# -- hellochick
