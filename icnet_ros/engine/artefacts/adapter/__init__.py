"""What any segmentation network in an ONNX file needs to run as our own: where its output begins and what it means."""
