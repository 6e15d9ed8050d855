"""Repair what the ROS 2 wheels from PyPI cannot hold, in the running environment.

The CMake files that they export name the Python and numpy include folders of the machine that built them. Every such
folder is replaced by the one of the interpreter that runs this script. Wheels hold no symlinks: copies of the same
library under several names become one file. Files are replaced, not written to: uv links them to its cache, which
serves other environments, too.
"""

import hashlib
import re
import sys
import sysconfig
from collections import defaultdict
from pathlib import Path

import numpy as np

PYTHON = re.compile(r"/opt/python/[^;\"]*?/include/python3\.\d+(?=[;\"])")
NUMPY = re.compile(r"/[^;\"]*?/numpy/(?:_core|core)/include(?=[;\"])")
LEAST = 100_000  # bytes; smaller libraries are not worth it


def main() -> None:
    """Repair and say how much changed."""
    changed = sum(repair_folders(path) for path in Path(sys.prefix, "share").glob("**/cmake/*.cmake"))
    print(f"repaired the include folders in {changed} CMake files")
    print(f"linked copies of libraries: {link_copies(Path(sys.prefix, 'lib')) / 2**20:.0f} MB saved")


def repair_folders(path: Path) -> bool:
    """Name this machine's include folders in a CMake file; whether it changed."""
    text = path.read_text(encoding="utf-8")
    repaired = NUMPY.sub(np.get_include(), PYTHON.sub(sysconfig.get_path("include"), text))
    if repaired == text:
        return False
    path.unlink()
    path.write_text(repaired, encoding="utf-8")
    return True


def link_copies(folder: Path) -> int:
    """Replace shared libraries of the same content by hard links to the first; bytes saved."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in sorted(folder.glob("**/*.so*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size >= LEAST:
            by_size[path.stat().st_size].append(path)
    saved = 0
    for size, paths in by_size.items():
        first: dict[bytes, Path] = {}
        for path in paths if len(paths) > 1 else ():
            original = first.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
            if not path.samefile(original):
                path.unlink()
                path.hardlink_to(original)
                saved += size
    return saved


if __name__ == "__main__":
    main()
