"""What can be wrong with a replay. Imports nothing, so that the command line starts quickly."""


class TruthError(ValueError):
    """Ground truth that cannot be used; says what was expected."""


class GateError(ValueError):
    """A condition that says nothing, or of a figure that is not there."""


class CompareError(ValueError):
    """Two reports that cannot be compared, or a file that is no report."""
