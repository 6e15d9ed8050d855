"""Inference engines: run a checkpoint on a device, frames in, label maps out."""
