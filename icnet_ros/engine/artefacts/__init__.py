"""Files made from a checkpoint: ONNX, fp16, int8, TensorRT plans, and their cache."""
