"""Errors of reports. Imports nothing, so that the command line starts quickly."""


class GateError(ValueError):
    """A condition that cannot be parsed, or names an unknown figure."""


class CompareError(ValueError):
    """Two reports that cannot be compared, or a file that is no report."""
