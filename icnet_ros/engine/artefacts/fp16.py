"""fp16 ONNX files, for runtimes that use the precision of the file."""

from pathlib import Path

from icnet_ros.checkpoint.file import Checkpoint
from icnet_ros.engine.artefacts.cache import cached_file
from icnet_ros.engine.artefacts.export import FORMAT, check_conversion, identity, onnx_file

TOLERANCE = 0.03  # largest difference of a logit, relative to the largest logit


def fp16_file(checkpoint: Checkpoint, exit_: str) -> Path:
    """The network of a checkpoint and exit with input, weights and logits in float16. Raises EngineError."""

    def convert(path: Path) -> None:
        import onnx
        from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

        # The pyramid computes sizes in fp32: fp16 represents integers exactly only up to 2048.
        model = convert_float_to_float16(
            onnx.load(onnx_file(checkpoint, exit_)),
            op_block_list=[*DEFAULT_OP_BLOCK_LIST, "Div", "Sub", "Less", "GreaterOrEqual", "ReduceSum"],
        )
        onnx.save(model, path)
        check_conversion(checkpoint, exit_, path, TOLERANCE)

    return cached_file("fp16 network", "onnx", {"half": str(FORMAT), **identity(checkpoint, exit_)}, convert)
