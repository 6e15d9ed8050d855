"""ICNet weights that others published, converted to checkpoints. Nothing is unpickled that could run code."""
