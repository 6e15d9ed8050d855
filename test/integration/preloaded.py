"""What the server of `forked.py` imports before it forks; a package that is not there is left out."""

from contextlib import suppress
from importlib import import_module

for name in (
    "numba.np.arraymath",
    "numba.cpython.charseq",
    "openvino",
    "onnxruntime",
    "torch",
    "lightning.fabric",
    "icnet_ros.command.main",
    "icnet_ros.command.training.train",
    "icnet_ros.command.benchmark.engines",
    "icnet_ros.command.models",
    "icnet_ros.engine.backends.openvino",
    "icnet_ros.engine.backends.onnxruntime",
    "icnet_ros.engine.backends.torch",
    "icnet_ros.engine.kernels.upsample",
    "icnet_ros.node.segmentation",
    "icnet_ros.node.evaluator",
    "icnet_ros.node.player",
    "icnet_ros.node.recorder",
    "icnet_ros.report.writer",
    "icnet_ros.replay.replay_drives",
):
    with suppress(ImportError):
        import_module(name)
