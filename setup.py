"""The part of icnet_ros that needs no ROS: `pip install .` gives `import icnet_ros` and `icnet`.

The ROS 2 package is built by colcon through CMakeLists.txt.
"""

from pathlib import Path

from setuptools import find_packages, setup

FILES = (
    "config/*.*",
    "config/classes/*.yaml",
    "config/train/*.yaml",
    "config/datasets/*.yaml",
    "config/mappings/*.yaml",
    "config/groups/*.yaml",
    "demo/*",
    "models/*",
    "msg/*.msg",
)


def shipped() -> list[tuple[str, list[str]]]:
    """(folder below the prefix, files) of everything that `icnet_ros.share` looks for."""
    folders: dict[str, list[str]] = {}
    for pattern in FILES:
        for path in sorted(Path(__file__).parent.glob(pattern)):
            relative = path.relative_to(Path(__file__).parent)
            if path.is_file():
                folders.setdefault(f"share/icnet_ros/{relative.parent}", []).append(str(relative))
    return list(folders.items())


setup(
    name="icnet_ros",
    version="0.1.0",
    description="Real-time semantic segmentation with ICNet, for ROS 2 and without",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["icnet_ros", "icnet_ros.*"]),
    package_data={"icnet_ros": ["py.typed", "report/templates/*.jinja"]},
    data_files=shipped(),
    install_requires=[
        "numpy>=1.23",
        "opencv-python-headless>=4.6,<5",
        "pillow>=9.1",
        "pyyaml>=5.4",
        "safetensors>=0.4",
        "torch>=2.2",
        "numba>=0.57",
        "rosbags>=0.10",
        "rosbags-image>=0.10",
        "zstandard>=0.22",
        "mcap>=1.2",
        "plotly>=5.18",
        "jinja2>=3.0",
        "typer>=0.12",
        "rich>=13",
    ],
    extras_require={
        "onnx": ["onnx>=1.16", "onnxruntime>=1.17"],
        "openvino": ["onnx>=1.16", "onnxruntime>=1.17", "openvino>=2024.0"],
        "quantize": ["onnx>=1.16", "onnxruntime>=1.17", "openvino>=2024.0", "nncf>=2.14"],
        "tensorrt": ["onnx>=1.16", "onnxruntime>=1.17", "tensorrt>=10"],
        "fleet": ["ray>=2.9"],
        "rerun": ["rerun-sdk>=0.23"],
        "train": ["lightning-fabric>=2.2", "matplotlib>=3.6", "scipy>=1.8"],
        "dev": [
            "hypothesis",
            "import-linter",
            "mypy",
            "pytest",
            "pytest-cov",
            "pytest-timeout",
            "ruff",
            "selenium",
            "torchmetrics",
            "types-pyyaml",
        ],
    },
    entry_points={"console_scripts": ["icnet = icnet_ros.command.main:main"]},
)
