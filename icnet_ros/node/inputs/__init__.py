"""What a camera of the node subscribes to."""
