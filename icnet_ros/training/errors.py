"""What can be wrong with a training. Knows no torch, so that the command line starts quickly."""


class RecipeError(ValueError):
    """A recipe that cannot be used; names the entry and what it takes."""


class QuantizeError(ValueError):
    """int8 that would cost too much accuracy; says how much."""


class StateError(ValueError):
    """A training state that cannot be resumed; says why and what to do."""


class DivergedError(ArithmeticError):
    """A training whose loss is no longer finite; says when, and what to change."""
