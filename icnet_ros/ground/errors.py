"""Errors of the ground projection."""


class GroundError(ValueError):
    """A calibration, pose or setting with which the ground cannot be seen; the message says what to correct."""
