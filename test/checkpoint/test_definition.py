"""The description of the networks without torch is that of the torch modules."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.definition import tensor_shapes
from icnet_ros.checkpoint.file import build_network
from icnet_ros.checkpoint.spec import ARCHITECTURES, ModelSpec
from icnet_ros.network.dimensions import BLOCKS, PARTS


@st.composite
def specs(draw):
    architecture = draw(st.sampled_from(["icnet", "icnet_two_pass", "pspnet50"]))
    known = ARCHITECTURES[architecture]
    wanted = draw(st.sets(st.sampled_from(known), min_size=1))
    names = tuple("abcdefgh"[: draw(st.integers(2, 8))])
    return ModelSpec(
        ClassTable("letters", names, tuple((n, 0, 0) for n in range(len(names)))),
        architecture=architecture,
        exits=tuple(name for name in known if name in wanted),
        width=draw(st.sampled_from([0.125, 0.25, 0.375, 0.5, 1.0, 2.0])),
        windows=draw(st.sampled_from(["adaptive", "official"])),
        fusion=draw(st.sampled_from(["cff", "cff_coarse", "deconv3", "deconv5", "deconv7"])),
        stride_at=draw(st.sampled_from(["reduce", "conv3"])),
        output_stride=draw(st.sampled_from([8, 16, 32])),
        head=draw(st.sampled_from(["concat", "sum"])),
        blocks=draw(st.tuples(*(st.integers(1, most) for most in BLOCKS))) if architecture == "icnet" else BLOCKS,
        widths=draw(st.dictionaries(st.sampled_from(PARTS), st.sampled_from([0.125, 0.25, 1.0])))
        if architecture == "icnet"
        else {},
    )


@settings(max_examples=25)
@given(specs())
def test_tensors_are_those_of_the_torch_module(spec):
    module = build_network(spec, device="meta")
    assert tensor_shapes(spec) == {name: tuple(value.shape) for name, value in module.state_dict().items()}


@pytest.mark.parametrize("width", [0.001, 0.3])
def test_a_fraction_of_a_channel_is_the_same_error(width):
    spec = dataclasses.replace(ModelSpec(ClassTable("two", ("a", "b"), ((0, 0, 0), (1, 0, 0)))), width=width)
    with pytest.raises(ValueError, match="leaves") as ours:
        tensor_shapes(spec)
    with pytest.raises(ValueError, match="leaves") as torchs:
        build_network(spec, device="meta")
    assert str(ours.value) == str(torchs.value)
