"""Paths of the data files that are installed with the package: config/, models/, demo/."""

from pathlib import Path


def share(*parts: str) -> Path:
    """Path of a shipped file or folder, its parts given one by one: "config", "classes".

    Works from a checkout, after `pip install` and after `colcon build`. Raises FileNotFoundError
    where the installation is incomplete.
    """
    package = Path(__file__).absolute().parent
    for prefix in package.parents:
        # In a checkout the folders lie beside the package, else in PREFIX/share/icnet_ros.
        for root in (prefix, prefix / "share" / "icnet_ros"):
            if (root / "config" / "classes").is_dir():
                return root.joinpath(*parts)
    raise FileNotFoundError(f"{'/'.join(parts)} of icnet_ros was not found above {package}: install the package again")
