"""Any bytes: a picture or a WireError, nothing else, and no picture that is not what it says."""

from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from icnet_ros.wire import image as wire
from icnet_ros.wire.cdr import IMAGE, WireError, serialise, typestore
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.decoders.image import CONVERTED, FAST, decode_image, decode_labels

TYPES = typestore().types
HEADER = wire.make_header(1_700_000_000_000_000_001, "front")
BGR = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), (46, 32))
ENCODINGS = (*FAST, *CONVERTED, "32FC1", "", "hologram9")
sizes = st.one_of(st.integers(0, 80), st.sampled_from([2**16, 2**31 - 1, 2**32 - 1]))


def image(encoding, height, width, step, big, data):
    return serialise(TYPES[IMAGE](HEADER, height, width, encoding, big, step, np.frombuffer(data, np.uint8)), IMAGE)


WHOLE = [
    image("bgr8", 32, 46, 138, 0, BGR.tobytes()),
    image("mono8", 32, 46, 46, 0, BGR[..., 0].tobytes()),
    *(wire.encode_compressed(HEADER, cv2.imencode(kind, BGR)[1].reshape(-1), kind[1:]) for kind in (".jpg", ".png")),
]
images = st.builds(image, st.sampled_from(ENCODINGS), sizes, sizes, sizes, st.integers(0, 1), st.binary(max_size=8_000))


@st.composite
def damaged(draw):
    """A whole message in which some bytes are others, and which may end early."""
    data = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 6))):
        position = draw(st.integers(0, len(data) - 1))
        noise = draw(st.binary(min_size=1, max_size=8))
        data[position : position + len(noise)] = noise
    return bytes(data[: draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))])


def survive(data):
    for decode in (decode_image, decode_compressed):
        with suppress(WireError):
            picture = decode(data, 10_000)
            height, width, channels = picture.pixels.shape
            assert (picture.pixels.dtype, channels) == (np.uint8, 3)
            assert 0 < height * width <= 10_000
            picture.bgr().sum()  # every byte of it can be read
            wire.encode_image(picture.header, picture.pixels, "bgr8")
    with suppress(WireError):
        wire.encode_image(*decode_labels(data), "mono8")


def cases(count):
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


anything = st.one_of(st.binary(max_size=400), images, damaged())


@cases(500)
@given(anything)
def test_any_bytes_are_decoded_or_refused(data):
    survive(data)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@cases(20_000)
@given(anything)
def test_any_bytes_are_decoded_or_refused_20_000_times(data):
    survive(data)
