"""Errors of reports. Imports nothing, so that the command line starts quickly."""


class GateError(ValueError):
    """A condition that cannot be parsed, or names an unknown figure."""


class AnnotationError(ValueError):
    """An annotation tool that predictions cannot be written for, or nothing to write."""


class CompareError(ValueError):
    """Two reports that cannot be compared, or a file that is no report."""
