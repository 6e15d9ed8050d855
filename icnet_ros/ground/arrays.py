"""Types of the arrays of the ground projection."""

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
UInt32 = npt.NDArray[np.uint32]  # of places: numba need not look for negative ones
Float32 = npt.NDArray[np.float32]
