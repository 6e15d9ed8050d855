"""Weights and what they mean, in one self-describing file."""
