"""A checkpoint on a device: frames in, label maps out."""
