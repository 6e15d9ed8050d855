"""The data files of the wheel; everything else about it is in pyproject.toml.

The ROS 2 package is built by colcon through CMakeLists.txt.
"""

from pathlib import Path

from setuptools import setup

FILES = (
    "config/*.*",
    "config/*/*.yaml",
    "demo/*",
    "models/*.md",
    "models/*.yaml",
    "models/icnet_street.*",  # the default; `icnet model pull` gets the others
    "models/icnet_street_fast.*",  # steps of its ladder
    "msg/*.msg",
)


def shipped() -> list[tuple[str, list[str]]]:
    """(folder below the prefix, files) of everything that `icnet_ros.share` looks for."""
    root, folders = Path(__file__).parent, {}
    for path in sorted({path for pattern in FILES for path in root.glob(pattern) if path.is_file()}):
        relative = path.relative_to(root)
        folders.setdefault(f"share/icnet_ros/{relative.parent}", []).append(str(relative))
    return list(folders.items())


setup(data_files=shipped())
