"""Errors of a replay. Imports nothing, so that the command line starts quickly."""


class GroundTruthError(ValueError):
    """Ground truth that cannot be used; the message names what was expected."""
