"""Evaluation of a checkpoint on an annotated dataset."""
