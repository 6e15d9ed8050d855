"""Let CMake find this machine's Python through the ROS 2 wheels from PyPI.

The CMake files that the wheels export name the Python and numpy include folders of the machine that
built them. Every such folder is replaced by the one of the interpreter that runs this script. The files are replaced,
not written to: uv links them to its cache, which serves other environments, too.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

PYTHON = re.compile(r"/opt/python/[^;\"]*?/include/python3\.\d+(?=[;\"])")
NUMPY = re.compile(r"/[^;\"]*?/numpy/(?:_core|core)/include(?=[;\"])")


def main() -> None:
    """Rewrite share/**/cmake/*.cmake of the running environment and say how many files changed."""
    changed = 0
    for path in Path(sys.prefix, "share").glob("**/cmake/*.cmake"):
        text = path.read_text()
        repaired = NUMPY.sub(np.get_include(), PYTHON.sub(sysconfig.get_path("include"), text))
        if repaired != text:
            path.unlink()
            path.write_text(repaired)
            changed += 1
    print(f"repaired the include folders in {changed} CMake files")


if __name__ == "__main__":
    main()
