"""Arrays as numba kernels take them."""

from typing import Any

import numpy as np
import numpy.typing as npt


def kernel_input(array: npt.NDArray[Any], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """The array as a C-contiguous, read-only view of type `kind`; copied only if it is not contiguous or of that type.

    numba compiles a kernel again for each combination of layouts and of read-only and writeable arrays, which takes
    seconds; with this there is one.
    """
    view = np.ascontiguousarray(array, kind).view()
    view.flags.writeable = False
    return view
