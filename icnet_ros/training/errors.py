"""Errors of training. Does not import torch, so that the command line starts quickly."""


class RecipeError(ValueError):
    """An invalid recipe; the message names the entry and its valid values."""


class QuantizeError(ValueError):
    """int8 quantization that loses too much accuracy; the message says how much."""


class StateError(ValueError):
    """A training state that cannot be resumed; says why and what to do."""


class DivergedError(ArithmeticError):
    """A training whose loss is no longer finite; says when, and what to change."""
