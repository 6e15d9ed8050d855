"""Frames that are on a device already: the engine takes them from there. The device is the CPU here."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from icnet_ros.checkpoint.classes import ClassTable
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.adapted import adapted
from icnet_ros.engine.backends.cuda import CudaEngine
from icnet_ros.engine.base import EngineOptions, Frame, Request
from icnet_ros.engine.table import open_engine
from icnet_ros.wire.device import DeviceArray, DevicePixels

CPU = torch.device("cpu")
RNG = np.random.default_rng(3)


class OnDevice:
    """Pixels (H, W, 3) as a device might hold them: `channels` each, rows padded. copies: made to the CPU."""

    def __init__(self, pixels, channels=3, padding=0):
        height, width, _ = pixels.shape
        step = width * channels + padding
        self.memory = RNG.integers(0, 256, (height, step), np.uint8)
        view = np.ndarray((height, width, channels), np.uint8, self.memory, strides=(step, channels, 1))
        view[..., :3] = pixels[..., :channels]
        self.copies, self.closed, self.view = 0, 0, view
        self.pixels = DevicePixels((height, width), self.open, self.to_host)

    @contextmanager
    def open(self, stream):
        assert stream is None  # no CUDA here
        yield self.view
        self.closed += 1

    def to_host(self):
        self.copies += 1
        return np.ascontiguousarray(np.broadcast_to(self.view[..., :3], self.pixels.shape))


@pytest.fixture(scope="module")
def engine():
    """Its label of a pixel is the channel that is brightest around it."""
    spec = ModelSpec(ClassTable("three", ("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2))))
    network = torch.nn.AvgPool2d(4)
    return CudaEngine("test", spec, EngineOptions("cpu"), CPU, network, torch.float32)


def picture(seed=0, channels=3):
    blocks = np.random.default_rng(seed).integers(0, 256, (3, 4, channels), np.uint8).repeat(16, 0).repeat(16, 1)
    return np.ascontiguousarray(np.broadcast_to(blocks, (48, 64, 3)))


@pytest.mark.parametrize("order", ["bgr", "rgb"])
@pytest.mark.parametrize(("channels", "padding"), [(3, 0), (3, 5), (4, 0), (4, 8), (1, 0), (1, 3)])
def test_labels_are_those_of_a_frame_on_the_cpu(engine, order, channels, padding):
    pixels = picture(channels=min(channels, 3))
    device = OnDevice(pixels, channels, padding)
    request = Request(confidence=True, scores=(0, 1))
    (found,) = engine.segment([Frame(device.pixels, order, (30, 40))], request)
    (expected,) = engine.segment([Frame(pixels, order, (30, 40))], request)
    assert len(np.unique(expected.labels)) == (1 if channels == 1 else 3)
    for name in ("labels", "confidence", "scores"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    assert (device.copies, device.closed) == (0, 1)
    assert expected.device is None
    target = np.zeros((30, 40), np.uint8)
    found.device.copy_to(target)
    assert np.array_equal(target, expected.labels)


def test_labels_on_the_device_outlive_the_next_frame(engine):
    first, second = (engine.segment([Frame(OnDevice(picture(seed)).pixels)])[0] for seed in (1, 2))
    assert not np.array_equal(first.labels, second.labels)
    target = np.zeros(first.labels.shape, np.uint8)
    first.device.copy_to(target)
    assert np.array_equal(target, first.labels)


def test_frames_of_both_places_in_one_call(engine):
    places = [picture(0), OnDevice(picture(1)).pixels, OnDevice(picture(2)).pixels, picture(3)]
    found = engine.segment([Frame(pixels) for pixels in places])
    assert [one.device is not None for one in found] == [False, True, True, False]
    for seed, one in enumerate(found):
        assert np.array_equal(one.labels, engine.segment([Frame(picture(seed))])[0].labels)


def test_an_engine_on_the_cpu_copies_the_frame_once(tiny):
    host = open_engine("torch", tiny, EngineOptions("cpu"))
    device = OnDevice(picture(), 4, 8)
    (found,) = host.segment([Frame(device.pixels)])
    host.segment([Frame(device.pixels)])
    assert np.array_equal(found.labels, host.segment([Frame(picture())])[0].labels)
    assert (device.copies, found.device) == (1, None)


def test_labels_that_are_turned_back_are_not_on_the_device(engine):
    options = EngineOptions("cpu", rotate=90)
    turned = adapted(engine, options)
    (found,) = turned.segment([Frame(OnDevice(picture()).pixels)])
    assert np.array_equal(found.labels, turned.segment([Frame(picture())])[0].labels)
    assert found.device is None


def test_an_address_on_a_gpu_is_given_as_numba_and_cupy_give_it():
    """https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html, version 3."""
    interface = DeviceArray(4096, (2, 3, 4), (16, 4, 1)).__cuda_array_interface__
    assert interface == {
        "shape": (2, 3, 4), "strides": (16, 4, 1), "typestr": "|u1", "data": (4096, False), "version": 3,
        "stream": None,
    }  # fmt: skip
