"""Pixels in the memory of a device, such as a GPU, behind the interface of an array."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from icnet_ros.wire.image import UInt8


class DeviceArray:
    """uint8 values at an address in the memory of a CUDA device, for libraries that take the CUDA Array Interface."""

    def __init__(self, pointer: int, shape: tuple[int, ...], strides: tuple[int, ...] | None = None) -> None:
        """strides: in bytes, None for C order. Whoever has made it keeps the memory while it is used."""
        # Version 3; torch takes no array that is marked as read only. stream None: whoever gave the address was told
        # the stream of the consumer, and has made it wait for the producer.
        self.__cuda_array_interface__: dict[str, object] = {
            "shape": shape, "strides": strides, "typestr": "|u1", "data": (pointer, False), "version": 3,
            "stream": None,
        }  # fmt: skip


class DevicePixels:
    """Pixels uint8 (H, W, 3) that are on a device. `numpy.asarray` copies them to the CPU, once.

    Stands for `Picture.pixels` and `Frame.pixels`; what does not know it calls numpy.asarray.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        size: tuple[int, int],
        open_on: Callable[[int | None], AbstractContextManager[object]],
        to_host: Callable[[], UInt8],
    ) -> None:
        """size: (height, width). open_on: of the method `open_on`. to_host: makes the copy, uint8 (H, W, 3)."""
        self.shape = (*size, 3)
        self._open_on = open_on
        self._to_host, self._host = to_host, np.empty(0, np.uint8)

    def open_on(self, stream: int | None) -> AbstractContextManager[object]:
        """The pixels as an array (H, W, C), C 1, 3 or 4: with `__cuda_array_interface__` or, else, `__dlpack__`.

        Channels behind the third mean nothing, one channel stands for all three. stream: handle of the CUDA stream that
        reads them, None without one. What is done with them must be enqueued on it before the context ends.
        """
        return self._open_on(stream)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> UInt8:
        if not self._host.size:
            self._host = self._to_host()
        return np.array(self._host, dtype, copy=True) if copy else self._host
