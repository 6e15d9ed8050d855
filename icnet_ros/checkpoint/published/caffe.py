"""Weights of the authors (hszhao/ICNet): .caffemodel, a protobuf file.

Field numbers and names are those of BVLC Caffe's caffe.proto; only those that hold weights are read.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from icnet_ros.checkpoint.published.units import Array, BatchNorm, Unit, missing, name_layers
from icnet_ros.checkpoint.spec import CheckpointError

FIXED = {
    "stem.1": "conv1_1_3x3_s2",
    "stem.2": "conv1_2_3x3",
    "stem.3": "conv1_3_3x3",
    "k1": "conv5_4_k1",
    "cff24.low": "conv_sub4",
    "cff24.high": "conv3_1_sub2_proj",
    "cff12.low": "conv_sub2",
    "cff12.high": "conv3_sub1_proj",
    "hi.1": "conv1_sub1",
    "hi.2": "conv2_sub1",
    "hi.3": "conv3_sub1",
}
PARTS = {"reduce": "1x1_reduce", "conv3": "3x3", "increase": "1x1_increase", "proj": "1x1_proj"}
HEADS = {"aux16": "conv6_sub4", "aux8": "conv6_sub2", "cls": "conv6_cls"}


def caffe_names() -> dict[str, str]:
    """Layer of ICNet -> its name in the authors' graph, without the heads."""
    return name_layers(FIXED, lambda stage, block, part: f"conv{stage}_{block}_{PARTS[part]}")


def read_caffemodel(content: bytes, source: str) -> dict[str, list[Array]]:
    """Blobs of each layer that has some, by its name. Raises CheckpointError."""
    message = _network_class()()
    try:
        message.ParseFromString(content)
    except DecodeError as err:
        raise CheckpointError(f"{source}: not a caffemodel, or damaged ({err})") from err
    return {
        layer.name: [_blob(blob, f"{source}: layer {layer.name!r}") for blob in layer.blobs]
        for layer in message.layer
        if layer.blobs
    }


def units_of(layers: Mapping[str, list[Array]], source: str) -> tuple[dict[str, Unit], list[str]]:
    """Layers of ICNet, and the names of those in the file that it does not use. Raises CheckpointError."""
    names = caffe_names()
    if lacking := [name for name in (*names.values(), HEADS["cls"]) if name not in layers]:
        raise missing(lacking, source)
    if "data_sub1" in layers and not all(np.allclose(blob, 1) for blob in layers["data_sub1"][:1]):
        raise CheckpointError(f"{source}: it scales its input (layer data_sub1), which this network does not")
    units = {}
    for ours, name in {**names, **HEADS}.items():
        if name not in layers:
            continue
        weight, *bias = layers[name]
        norm = None
        if f"{name}/bn" in layers:
            blobs = layers[f"{name}/bn"]
            if len(blobs) != 4:
                raise CheckpointError(
                    f"{source}: layer {name}/bn has {len(blobs)} blobs, not gamma, beta, mean, variance"
                )
            norm = BatchNorm(*(blob.reshape(-1) for blob in blobs))
        units[ours] = Unit(weight, bias[0].reshape(-1) if bias else None, norm)
    used = {*names.values(), *(f"{name}/bn" for name in names.values()), *HEADS.values(), "data_sub1"}
    return units, sorted(layers.keys() - used)


def _blob(blob: Any, source: str) -> Array:
    shape = tuple(blob.shape.dim) or tuple(int(getattr(blob, side)) for side in ("num", "channels", "height", "width"))
    values = np.array(blob.data or blob.double_data, np.float32)
    if any(side < 0 for side in shape) or int(np.prod(shape, dtype=np.int64)) != values.size:
        raise CheckpointError(f"{source}: {values.size} values for a shape of {shape}")
    return values.reshape(shape)


def _network_class() -> Any:
    """The class of NetParameter with the fields that matter here; others are skipped when parsing."""
    field = descriptor_pb2.FieldDescriptorProto
    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    file = descriptor_pb2.FileDescriptorProto(name="icnet_ros/caffe.proto", package="icnet_ros.caffe")

    def message(name: str, *fields: tuple[str, int, int, int, str]) -> None:
        described = file.message_type.add(name=name)
        for called, number, kind, label, of in fields:
            added = described.field.add(name=called, number=number, type=kind, label=label)
            if of:
                added.type_name = of
            if label == many and kind != field.TYPE_MESSAGE:
                added.options.packed = True  # unpacked ones are read, too

    message("BlobShape", ("dim", 1, field.TYPE_INT64, many, ""))
    message(
        "BlobProto",
        *(
            (name, number, field.TYPE_INT32, one, "")
            for number, name in enumerate(("num", "channels", "height", "width"), 1)
        ),
        ("data", 5, field.TYPE_FLOAT, many, ""),
        ("shape", 7, field.TYPE_MESSAGE, one, ".icnet_ros.caffe.BlobShape"),
        ("double_data", 8, field.TYPE_DOUBLE, many, ""),
    )
    message(
        "LayerParameter",
        ("name", 1, field.TYPE_STRING, one, ""),
        ("blobs", 7, field.TYPE_MESSAGE, many, ".icnet_ros.caffe.BlobProto"),
    )
    message("NetParameter", ("layer", 100, field.TYPE_MESSAGE, many, ".icnet_ros.caffe.LayerParameter"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("icnet_ros.caffe.NetParameter"))
